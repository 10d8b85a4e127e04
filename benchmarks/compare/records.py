"""What one comparison found out: printed by `compare --json`, and kept in a bundle as its certificate.

Schema: docs/schemas/compare.schema.json. There is no date in it: the same files on the same machine give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgeneuro.benchmarks.accuracy import LeftOut
from edgeneuro.errors import InputError
from edgeneuro.manifest import DataIdentity, Interval, Precision, Task, Verdict

SCHEMA = 1
"""Raised when a field changes meaning."""
PYTORCH = "pytorch"
"""`backend` of checkpoints; all others are those of edgeneuro.runtime.backends."""


@dataclass(frozen=True, kw_only=True)
class Executable:
    """One way to run the network. name: unique in the document. file: its name, without folders. graph: member of the
    bundle, None where the file is the graph. version: of the library. sha256: of the graph, or of the weights."""

    name: str
    kind: Literal["engine", "checkpoint", "onnx"]
    file: str
    graph: str | None
    backend: str
    version: str
    precision: Precision
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One output against the reference's, over all frames.

    cosine_min, cosine_mean: of the frames' cosine similarities. max, mean: of the absolute differences of all elements.
    relative_max, relative_mean: of `magnitude`, the largest absolute value of the reference (as they are where that is 0).
    """

    output: str
    dtype: str
    cosine_min: float
    cosine_mean: float
    max: float
    mean: float
    relative_max: float
    relative_mean: float
    magnitude: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One executable against the reference.

    outputs: empty where it failed at a frame. agreement: 0..1, share of frames with the same class, or mean Dice of the
    masks; None for tensors. value: the metric, 0..1, None without labels. drop_points: what is lost of it, paired.
    judged_by: what the verdict rests on, one sentence each.
    """

    executable: Executable
    outputs: tuple[Difference, ...]
    agreement: Interval | None
    value: Interval | None
    drop_points: Interval | None
    verdict: Verdict
    judged_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What decides. max_difference: of float executables, a share of the reference's largest value. min_cosine: of lossy
    ones, mean over the frames; None where max_drop alone decides. max_drop: as the gate writes margins."""

    max_difference: float
    min_cosine: float | None
    max_drop: str | None

    def __post_init__(self) -> None:
        if self.min_cosine is None and self.max_drop is None:
            raise InputError(
                "limits: got neither min_cosine nor max_drop, expected one, for executables that are lossy"
            )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The whole document.

    metric: None where no labels judge. data: the frames used. drawn_from: how many there were before --max-frames, None
    where all were used. protocol: of the split the network was trained with. missing: executable -> why it cannot run here.
    machine: as edgeneuro.benchmarks.results gives it.
    """

    schema: int = SCHEMA
    task: Task
    classes: tuple[str, ...]
    metric: str | None
    reference: Executable
    reference_value: Interval | None
    executables: tuple[Compared, ...]
    missing: Mapping[str, str]
    data: DataIdentity
    protocol: Literal["grouped", "leaky"] | None
    left_out: LeftOut
    drawn_from: int | None
    seed: int
    limits: Limits
    verdict: Verdict
    notes: tuple[str, ...]
    machine: Mapping[str, Any]
