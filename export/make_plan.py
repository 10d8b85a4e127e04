"""From a float graph and calibration frames to a plan with every range a target may need."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from edgeneuro.calibration.collect import Track
from edgeneuro.calibration.methods import METHODS
from edgeneuro.errors import UsageError
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
    unknown = [name for name in methods if name not in METHOD_NAMES]
    if unknown:
        raise UsageError(f"method {unknown[0]!r}: is not known, expected one of {', '.join(METHOD_NAMES)}")
    seen = observe(model, tensors_needing_ranges(model), feeds, track=track)
    biases = nncf_ranges(model, feeds)[1]
    plans = {}
    for name in methods:
        own = METHODS.get(name, METHODS["min-max"])
        ranges = {tensor: own.limits(statistics) for tensor, statistics in seen.items()}
        title = own.title
        if name in NNCF_METHODS:
            theirs = nncf_ranges(model, feeds, method=name, correct_bias=False)[0]
            missing = sum(tensor not in theirs for tensor in ranges)
            ranges |= {tensor: limits for tensor, limits in theirs.items() if tensor in ranges}
            title = f"{NNCF_METHODS[name]} (min-max for {missing} tensors NNCF leaves out)"
        title = f"{title} ranges; NNCF's fast bias correction"
        plans[name] = Plan(method=title, ranges={tensor: ranges[tensor] for tensor in sorted(ranges)}, biases=biases)
    return plans
