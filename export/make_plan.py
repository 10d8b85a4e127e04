"""From a float graph and calibration frames to a plan with every range a target may need."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from edgeneuro.calibration.collect import min_max_ranges
from edgeneuro.calibration.ranges import Range
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.export.nncf_ranges import METHOD, nncf_ranges
from edgeneuro.export.plan import Plan
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed


def calibrated_plan(model: onnx.ModelProto, feeds: Sequence[Feed]) -> Plan:
    """A plan without placement. feeds: the network's inputs, one frame each.

    NNCF puts no quantizer on some tensors that a target needs quantised (outputs that feed float operators only);
    their ranges are collected here, min-max over the same frames.
    """
    needed = tensors_needing_ranges(model)
    ranges, biases = nncf_ranges(model, feeds)
    missing = [tensor for tensor in needed if tensor not in ranges]
    ranges = {**ranges, **_collected(model, missing, feeds)}
    method = METHOD + (f"; min-max for {len(missing)} tensors NNCF leaves out" if missing else "")
    return Plan(method=method, ranges={tensor: ranges[tensor] for tensor in sorted(needed)}, biases=biases)


def _collected(model: onnx.ModelProto, tensors: Sequence[str], feeds: Sequence[Feed]) -> dict[str, Range]:
    if not tensors:
        return {}
    observed = onnx.ModelProto.FromString(model.SerializeToString())
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(tensor) for tensor in tensors)
    backend = open_backend("onnxruntime", observed.SerializeToString(), threads=None)
    try:
        return min_max_ranges(backend, feeds)
    finally:
        backend.close()
