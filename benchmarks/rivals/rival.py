"""A rival: the same network, made executable by somebody else's documented call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.manifest import Manifest
from edgeneuro.spec import Array, Feed

Run = Callable[[Feed], Mapping[str, Array]]
"""The outputs of one frame by name. They may lie in the library's own memory: copy what has to outlive the next call."""


@dataclass(frozen=True, kw_only=True)
class RivalSource:
    """What every rival is made from. name: of the engine, for messages. model: the float ONNX graph. calibration: feeds of
    one frame each, for quantisers. checkpoint: folder of the PyTorch network, None where it is not at hand."""

    name: str
    model: bytes
    manifest: Manifest
    calibration: Sequence[Feed]
    checkpoint: Path | None


@dataclass(frozen=True, kw_only=True)
class Rival:
    """tool: its name, unique among rivals. backend: the library that runs it. graph: what that library was given, None for
    PyTorch's networks. run: its best bare call, with nothing of ours around it. close: release it; run no more.
    notes: versions, and what was decided while making it. seconds: it took to make."""

    tool: str
    backend: str
    precision: str
    graph: bytes | None
    run: Run
    close: Callable[[], None]
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """missing: name of a rival -> in one sentence why it cannot run here."""

    opened: tuple[Rival, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What an opener returns: the part of a Rival that only it knows."""

    run: Run
    close: Callable[[], None]
    graph: bytes | None = None
    notes: tuple[str, ...] = ()
