"""What a search is asked for, what it tries, and what came of each trial; plain values, so that they go to other machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgeneuro.errors import UsageError
from edgeneuro.manifest import Interval

State = Literal["complete", "too slow", "stopped early", "failed"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a candidate has to stay below. macs: share of the base network's multiply-accumulates. latency_ms: median of one
    inference through the bundle, on the machine of the trial. Exactly one is given. max_drop: as
    edgeneuro.export.gate.parse_margin takes it; how much worse than the base network in float the result may be."""

    macs: float | None = None
    latency_ms: float | None = None
    max_drop: str = "1"

    def __post_init__(self) -> None:
        if (self.macs is None) == (self.latency_ms is None):
            raise UsageError("--target-macs and --target-latency: expected exactly one of them")
        if self.macs is not None and not 0.0 < self.macs < 1.0:
            raise UsageError(f"--target-macs {self.macs:g}: expected a share above 0 and below 1, e.g. 0.15")
        if self.latency_ms is not None and not self.latency_ms > 0.0:
            raise UsageError(f"--target-latency {self.latency_ms:g} ms: expected a time above 0, e.g. 0.3ms")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point of the search space. image_size: side of the input, px. share: multiply-accumulates to keep, of the base
    network at its own input size. strength, removed: as edgeneuro.export.prune.settings.CutSettings has them. precision: of the
    graphs beside the float one. kept_float: how many of the layers that the float network has are left out of INT8, the most
    sensitive ones first."""

    image_size: int
    share: float
    strength: Mapping[str, float] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    precision: Literal["int8", "fp32"] = "int8"
    kept_float: int = 0


@dataclass(frozen=True, kw_only=True)
class BaseFacts:
    """What a search needs to know of the network it starts from. weights: SHA-256. params, macs: of the network at its own
    input size. image_size: side of that, px. sizes: those to try, smallest first, its own last; sizes_macs: what the whole
    network multiplies at each of them. metric: the primary one. layer_groups: consecutive stages, each the names of its
    modules. removable: blocks that can be left out."""

    weights: str
    macs: int
    params: int
    image_size: int
    sizes: tuple[int, ...]
    sizes_macs: tuple[int, ...]
    classes: tuple[str, ...]
    metric: str
    layer_groups: tuple[tuple[str, ...], ...] = ()
    removable: tuple[str, ...] = ()

    def macs_at(self, size: int) -> int:
        """Of the whole network at an input of `size` px, one of `sizes`."""
        return self.sizes_macs[self.sizes.index(size)]


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """base: checkpoint folder of the network to compress; its split is used, its test part left alone until the end.
    teacher: as edgeneuro.export.distil.teacher.open_teacher takes it; the base itself where None. epochs: of a trial. final_epochs:
    of the winner. backends: the bundle is built for them. threads: of the engine that is timed, and of training. seed: of the
    sampler and of every trial. data, label_column, group_column: where the base's data lie now, where its checkpoint says
    where None."""

    base: str
    goal: Goal
    trials: int = 20
    epochs: int = 8
    final_epochs: int = 30
    teacher: str | None = None
    backends: tuple[str, ...] = ()
    threads: int = 1
    seed: int = 0
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one trial. macs, params: of its network. latency_ms: median through the bundle with its 10th and 90th percentile,
    and the backend that was fastest. score: of the engine on the validation part, by the primary metric, 0..1. drop_points: paired
    with the base network in float on the same frames. epochs: trained. reason: why it ended where it is not complete. seconds: of
    work. facts: anything else worth a line."""

    number: int
    candidate: Candidate
    state: State
    macs: int | None = None
    params: int | None = None
    latency_ms: tuple[float, float, float] | None = None
    backend: str | None = None
    score: Interval | None = None
    drop_points: Interval | None = None
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
