"""From a float graph and calibration frames to a plan with every range a target may need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from edgeneuro.calibration.collect import Track
from edgeneuro.calibration.methods import METHODS, RangeMethod, min_max
from edgeneuro.calibration.observer import Statistics
from edgeneuro.errors import UsageError
from edgeneuro.export.bias import corrected_biases
from edgeneuro.export.nncf_ranges import NNCF_METHODS, nncf_ranges
from edgeneuro.export.observe import observe
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.spec import Feed

DEFAULT_METHOD = "percentile-99.99"

METHOD_NAMES: tuple[str, ...] = (*METHODS, *NNCF_METHODS)
"""What `calibrated_plan` knows: this project's methods, then NNCF's own."""


def calibrated_plan(
    model: onnx.ModelProto,
    feeds: Sequence[Feed],
    *,
    method: str = DEFAULT_METHOD,
    track: Track = lambda feeds: feeds,
) -> Plan:
    """A plan without placement. feeds: the network's inputs, one frame each. method: one of METHOD_NAMES.

    Raises UsageError for an unknown method, DataError without feeds, InputError where the float graph gives NaN.
    """
    return calibrated_plans(model, feeds, [method], track=track)[method]


def calibrated_plans(
    model: onnx.ModelProto, feeds: Sequence[Feed], methods: Sequence[str], *, track: Track = lambda feeds: feeds
) -> dict[str, Plan]:
    """A plan for each of `methods`, from one collection of statistics. Raises as `calibrated_plan` does."""
    for name in methods:
        check_method(name)
    own = [name for name in methods if name in METHODS]
    seen = observe(model, tensors_needing_ranges(model), feeds, track=track)
    biases = corrected_biases(model, feeds, track=track) if own else {}
    return {
        name: _own_plan(METHODS[name], seen, biases) if name in own else _nncf_plan(model, feeds, name, seen)
        for name in methods
    }


def check_method(name: str) -> str:
    """`name`, if it is one of METHOD_NAMES. Raises UsageError naming them."""
    if name not in METHOD_NAMES:
        raise UsageError(f"method {name!r}: is not known, expected one of {', '.join(METHOD_NAMES)}")
    return name


def _own_plan(method: RangeMethod, seen: Mapping[str, Statistics], biases: Mapping[str, tuple[float, ...]]) -> Plan:
    ranges = {tensor: method.limits(seen[tensor]) for tensor in sorted(seen)}
    return Plan(method=f"{method.title} ranges, biases corrected for rounded weights", ranges=ranges, biases=biases)


def _nncf_plan(model: onnx.ModelProto, feeds: Sequence[Feed], name: str, seen: Mapping[str, Statistics]) -> Plan:
    """NNCF puts no quantizer on some tensors that a target needs quantised; their ranges are min-max."""
    found, biases = nncf_ranges(model, feeds, method=name)
    ranges = {tensor: found.get(tensor) or min_max(seen[tensor]) for tensor in sorted(seen)}
    missing = sum(tensor not in found for tensor in ranges)
    rest = f" (min-max for {missing} tensors NNCF leaves out)" if missing else ""
    title = f"{NNCF_METHODS[name]} ranges{rest}, NNCF's fast bias correction"
    return Plan(method=title, ranges=ranges, biases=biases)
