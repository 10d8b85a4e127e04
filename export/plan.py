"""The quantisation plan, ranges.json: what every INT8 graph is derived from, beside model.onnx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BundleError, InputError
from edgeneuro.files import canonical_json
from edgeneuro.records import from_json, to_json

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One candidate of the placement search, as it was measured on the building machine.

    time_ratio: INT8 time / float time, one frame. error: of the logits, relative to their standard deviation.
    """

    target: str
    name: str
    time_ratio: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Ranges, bias corrections and placement, all by names of model.onnx.

    method: where the ranges come from, in words. ranges: tensor -> values seen in calibration.
    biases: convolution -> its bias after correction for the mean shift that quantised weights cause.
    placement: target -> the nodes that run in INT8 there. kept_float: target -> layer -> why it does not. measured: what
    the search measured. weight_scales: layer -> scale of each
    output channel at 8 bits, where a source brings its own; elsewhere largest magnitude / 127.
    """

    schema: int = SCHEMA
    method: str
    ranges: Mapping[str, Range]
    biases: Mapping[str, tuple[float, ...]]
    placement: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept_float: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    weight_scales: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(to_json(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Plan:
        """Raises BundleError when `data` is not a plan this version can read."""
        try:
            return from_json(cls, json.loads(data), "ranges.json")
        except (ValueError, InputError) as error:
            raise BundleError(f"{error}; build the engine again with this version") from error


def with_placement(plan: Plan, target: str, nodes: tuple[str, ...]) -> Plan:
    """The same plan with `nodes` in INT8 on `target`."""
    return replace(plan, placement={**plan.placement, target: nodes})
