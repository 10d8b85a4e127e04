"""Ranges and bias corrections from NNCF's post-training quantisation of the float ONNX graph."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import onnx

from edgeneuro.calibration.ranges import Range
from edgeneuro.export import graph as graphs
from edgeneuro.spec import Feed
from edgeneuro.telemetry import silence_telemetry

NNCF_METHODS: Mapping[str, str] = {"nncf": "NNCF's mean min-max", "nncf-histogram": "NNCF's histogram"}
"""Name -> title of NNCF's ways to a range. The first is its default: each frame's extremes, averaged over frames."""


def nncf_ranges(
    model: onnx.ModelProto, feeds: Sequence[Feed], *, method: str = "nncf", correct_bias: bool = True
) -> tuple[dict[str, Range], dict[str, tuple[float, ...]]]:
    """Ranges of the tensors NNCF quantises, and the biases it corrects, by names of `model`.

    feeds: the network's inputs, one frame each. method: key of NNCF_METHODS. Only statistics are taken from NNCF; its
    Q/DQ graph is thrown away, because no single graph is right and fast on every target.
    """
    nncf = import_nncf()
    from nncf.common.quantization.structs import QuantizationScheme
    from nncf.quantization.advanced_parameters import QuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParameters, RangeEstimatorParametersSet

    scheme = QuantizationParameters
    histogram = method == "nncf-histogram"
    estimator = RangeEstimatorParametersSet.HISTOGRAM if histogram else RangeEstimatorParameters()
    with quiet_nncf():
        quantized = nncf.quantize(
            onnx.ModelProto.FromString(model.SerializeToString()),
            nncf.Dataset(list(feeds), dict),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.ANY,
            subset_size=len(feeds),
            fast_bias_correction=True,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE,  # its default halves the first layer's weights for old CPUs
                disable_bias_correction=not correct_bias,
                activations_quantization_params=scheme(per_channel=False, mode=QuantizationScheme.ASYMMETRIC),
                activations_range_estimator_params=estimator,
                weights_quantization_params=scheme(per_channel=True, mode=QuantizationScheme.SYMMETRIC),
            ),
        )
    return _activation_ranges(model, quantized), _corrected_biases(model, quantized)


def import_nncf() -> Any:
    """NNCF with its usage telemetry off, and that of OpenVINO, which it imports where it is installed."""
    silence_telemetry()
    import nncf

    return nncf


@contextmanager
def quiet_nncf() -> Iterator[None]:
    """Without NNCF's progress bars, which it prints on stdout, and its log lines; the caller shows its own."""
    from nncf.common.logging import nncf_logger

    level = nncf_logger.level
    nncf_logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        nncf_logger.setLevel(level)


def _activation_ranges(model: onnx.ModelProto, quantized: onnx.ModelProto) -> dict[str, Range]:
    constants = graphs.initializers(quantized.graph)
    known = {name for node in model.graph.node for name in (*node.input, *node.output)}
    found: dict[str, Range] = {}
    for node in quantized.graph.node:
        if node.op_type != "QuantizeLinear" or node.input[0] not in known or node.input[0] in constants:
            continue
        limits = _range_of(constants[node.input[1]], constants[node.input[2]])
        tensor = node.input[0]
        found[tensor] = found[tensor].union(limits) if tensor in found else limits
    return found


def _range_of(scale: Any, zero_point: Any) -> Range:
    """The real values at the ends of the integer type: (q_min - Z) S and (q_max - Z) S."""
    kind = np.iinfo(zero_point.dtype)
    low = (kind.min - zero_point.astype(np.float64)) * scale
    high = (kind.max - zero_point.astype(np.float64)) * scale
    return Range(float(low.min()), float(high.max()))


def _corrected_biases(model: onnx.ModelProto, quantized: onnx.ModelProto) -> dict[str, tuple[float, ...]]:
    before, after = graphs.initializers(model.graph), graphs.initializers(quantized.graph)
    originals = {node.name: node for node in graphs.convolutions(model.graph)}
    corrected = {}
    for node in graphs.convolutions(quantized.graph):
        original = originals[node.name]
        if len(original.input) < 3 or len(node.input) < 3:
            continue
        bias = after[node.input[2]]
        if not np.array_equal(bias, before[original.input[2]]):
            corrected[node.name] = tuple(float(value) for value in bias)
    return corrected
