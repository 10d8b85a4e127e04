"""Energy meters behind one shape, and which of them this machine has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

Part = Literal["board", "processor", "gpu"]
"""What a meter sees. board: the whole module or board, memory and rest included. processor: its packages, with the memory
where it has a counter. gpu: the card."""


class Meter(ABC):
    """Joules since some moment; only differences mean anything. A context manager: entered, it counts.

    name: for reports. sees: what its joules are of. settle_s: seconds until a change of power shows in full.
    """

    name: str
    sees: Part
    settle_s: float = 0.0

    @abstractmethod
    def read_joules(self) -> float:
        """Never less than at the call before. Raises SensorError."""

    def __enter__(self) -> None:
        """Begin to count; a counter in hardware always does."""
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what entering began."""
        return


def open_meters(root: Path = Path("/")) -> tuple[list[Meter], Mapping[str, str]]:
    """The meters that answer here, those that see most first; and sensor -> why it is not among them.

    root: under which /sys and /usr are looked for. NVML is a library: it is found wherever `root` is.
    """
    from edgeneuro.benchmarks.power.jetson import open_ina3221, open_tegrastats
    from edgeneuro.benchmarks.power.nvml import open_nvml
    from edgeneuro.benchmarks.power.rapl import open_rapl

    meters: list[Meter] = []
    missing: dict[str, str] = {}
    ina3221 = open_ina3221(root)
    found: dict[str, list[Meter] | str] = {"INA3221": ina3221 if isinstance(ina3221, str) else [ina3221]}
    if isinstance(ina3221, str):  # the same chip, told by a program
        found["tegrastats"] = open_tegrastats(root)
    found |= {"RAPL": open_rapl(root), "NVML": open_nvml()}
    for sensor, opened in found.items():
        if isinstance(opened, str):
            missing[sensor] = opened
        else:
            meters += opened
    return meters, missing
