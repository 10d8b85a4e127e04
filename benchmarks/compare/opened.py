"""An executable that is open, and which of them are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edgeneuro.benchmarks.compare.interface import Interface
from edgeneuro.benchmarks.compare.records import Executable
from edgeneuro.manifest import Precision
from edgeneuro.runtime.backends import BACKENDS, check_known
from edgeneuro.spec import Array, Feed

Run = Callable[[Feed], Mapping[str, Array]]
"""One frame's inputs to every output by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Open:
    """An executable ready to run."""

    record: Executable
    run: Run


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenFile:
    """One named file. opened: its executables, the float one first; missing: name -> why it cannot run here."""

    interface: Interface
    opened: tuple[Open, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which graphs to run on which backends; () takes all of a bundle, and ONNX Runtime for a bare .onnx file. threads: to
    compute with, None leaves it to each library. allow_unsigned: as for `read_bundle`. Raises BackendError for an unknown backend."""

    backends: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    threads: int | None = None
    allow_unsigned: bool = False

    def __post_init__(self) -> None:
        for backend in self.backends:
            check_known(backend)

    @property
    def of_bundles(self) -> Sequence[str]:
        """Backends to try for a bundle."""
        return self.backends or tuple(BACKENDS)

    def takes(self, precision: Precision) -> bool:
        """Whether graphs of this precision are wanted."""
        return not self.precisions or precision in self.precisions
