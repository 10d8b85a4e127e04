"""What a benchmark is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.document import Scenario
from edgeneuro.data.sample import DataSet

Track = Callable[[Sequence[Any]], Iterable[Any]]
"""Wraps rounds, or frames, to show progress."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """queries: of every row; 1024 is what MLPerf Inference asks of a single stream. budget_s: seconds of timing an engine,
    which may end it earlier. backends: None takes all that are installed. threads: of each row, None leaves it to the
    backend. seed: of synthetic frames, of the order within a round, of resamples. subgroups: columns; None takes those
    that the data set declares. rivals: measure them as well. checkpoint: folder of the network that PyTorch rivals run,
    None takes the packaged weights, else the engine's own float graph. calibration: frames for the rivals' quantisers; None
    takes those of `--data` that calibrated the engine. soak_s: length of the soak of the chosen row, 0 for none. allow_unsigned: as for `read_bundle`.
    """

    queries: int = 1024
    budget_s: float = 120.0
    scenarios: tuple[Scenario, ...] = ("single-stream",)
    backends: tuple[str, ...] | None = None
    threads: int | None = None
    seed: int = 0
    subgroups: tuple[str, ...] | None = None
    rivals: bool = False
    checkpoint: Path | None = None
    calibration: DataSet | None = None
    soak_s: float = 0.0
    allow_unsigned: bool = False


DEFAULT = Settings()
