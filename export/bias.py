"""Biases corrected for the shift of the mean that rounding the weights causes.

A layer with rounded weights W' in place of W gives, on average over the calibration frames, E[(W - W') x] less. That is
a constant of each output channel, sum over input channels of (W - W') E[x], and goes into the bias, which costs nothing.
It depends on the weights and on mean activations alone, not on the ranges, so that it fits every range method. At the
border of an image, where a kernel reads padding, it is a little too large.
Source: Nagel et al. 2019, arXiv:1906.04721, section 4.2. NNCF's fast bias correction compares outputs over frames with
those of a constant image, which takes borders in for quantisation, and leaves out layers with a bias near zero
(docs/results/calibration_methods.md compares both).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeneuro.calibration.collect import Track, collect_means
from edgeneuro.calibration.ranges import quantize_weights, weight_scales
from edgeneuro.export import graph as graphs
from edgeneuro.export.observe import with_outputs
from edgeneuro.export.quantizable import weight_axis
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array, Feed

WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")
"""Layers that add a bias; a MatMul has none to correct."""
LIMIT = 127
"""Largest magnitude of an INT8 weight that the correction is for."""


def corrected_biases(
    model: onnx.ModelProto, feeds: Sequence[Feed], *, track: Track = lambda feeds: feeds
) -> dict[str, tuple[float, ...]]:
    """Layer -> its bias after correction, one value each output channel, for every layer with constant weights whose
    input has one row a frame.

    feeds: the calibration frames. Goes through them once.
    """
    constants = graphs.initializers(model.graph)
    layers = [node for node in model.graph.node if node.op_type in WITH_BIAS and _is_plain(node, constants)]
    if not layers:
        return {}
    observed = with_outputs(model, list(dict.fromkeys(node.input[0] for node in layers)))
    with closing(open_backend("onnxruntime", observed.SerializeToString(), threads=None)) as backend:
        means = collect_means(backend, feeds, track=track)
    return {
        node.name: _corrected(node, constants, means[node.input[0]])
        for node in layers
        if len(means[node.input[0]]) == _input_channels(node, constants[node.input[1]])
    }


def _is_plain(node: onnx.NodeProto, constants: Mapping[str, Array]) -> bool:
    """Weights and bias are constants, the bias one value a channel, and nothing scales or turns the input."""
    if node.input[1] not in constants or graphs.attribute(node, "transA", 0):
        return False
    if any(graphs.attribute(node, name, 1.0) != 1.0 for name in ("alpha", "beta")):
        return False
    channels = constants[node.input[1]].shape[weight_axis(node)]
    bias = constants.get(node.input[2]) if len(node.input) > 2 else np.zeros(1)
    transposed_groups = node.op_type == "ConvTranspose" and graphs.attribute(node, "group", 1) != 1
    return bias is not None and bias.size in (1, channels) and not transposed_groups


def _input_channels(node: onnx.NodeProto, weights: Array) -> int:
    """Of a layer; a Gemm over the steps of a sequence reads a matrix whose rows are no frames, and other means."""
    inner = weights.size // (weights.shape[weight_axis(node)] * int(np.prod(weights.shape[2:])))
    return int(inner * graphs.attribute(node, "group", 1))


def _corrected(node: onnx.NodeProto, constants: Mapping[str, Array], means: NDArray[np.float64]) -> tuple[float, ...]:
    """means: (input channel,) over all frames and positions."""
    lost = _lost_weights(node, constants[node.input[1]])
    group_size = lost.shape[1]
    group = np.arange(len(lost)) // (len(lost) * group_size // len(means))  # of each output channel
    shift = np.einsum("oi,oi->o", lost, means.reshape(-1, group_size)[group])
    bias = constants[node.input[2]].astype(np.float64).ravel() if len(node.input) > 2 else 0.0
    return tuple(float(value) for value in np.broadcast_to(bias + shift, shift.shape))


def _lost_weights(node: onnx.NodeProto, weights: Array) -> NDArray[np.float64]:
    """(output channel, input channel of its group): what rounding takes from the weights that meet one input value,
    added up over the kernel; for a transposed convolution, over the share of the kernel one output value sees."""
    channel_first = np.moveaxis(weights, weight_axis(node), 0)
    scales = weight_scales(channel_first, LIMIT)
    steps = quantize_weights(channel_first, scales, LIMIT)
    rounded = steps * scales.astype(np.float64).reshape(-1, *[1] * (weights.ndim - 1))
    lost: NDArray[np.float64] = (channel_first - rounded).reshape(*channel_first.shape[:2], -1).sum(axis=2)
    strides = graphs.attribute(node, "strides", [1]) if node.op_type == "ConvTranspose" else [1]
    return lost / float(np.prod(np.asarray(strides)))
