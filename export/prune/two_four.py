"""The 2:4 pattern that TensorRT's sparse kernels need: of every four weights along the input channels, two are zero.

It must hold for every output channel and every position of the kernel, and the number of input channels must be a multiple
of four. Source: TensorRT documentation, "Sparsity", https://docs.nvidia.com/deeplearning/tensorrt (10.16: Inference Library,
I/O Formats); Mishra et al. 2021, arXiv:2104.08378.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor

from edgeneuro.export import graph as graphs
from edgeneuro.spec import Array

GROUP, KEPT = 4, 2
"""Neighbouring input channels, and how many of their weights may differ from zero."""


def largest_two(weights: Tensor) -> Tensor:
    """True where a weight is one of the two largest magnitudes of its four; the first channels of equal ones.

    weights: (output channel, input channel, ...), the input channels a multiple of four. Returns the same shape, bool.
    """
    magnitudes = weights.detach().abs()
    fours = magnitudes.reshape(len(weights), -1, GROUP, *weights.shape[2:])
    order = fours.argsort(dim=2, descending=True, stable=True)
    mask = torch.zeros_like(fours, dtype=torch.bool)
    return mask.scatter_(2, order[:, :, :KEPT], True).reshape(weights.shape)


def follows_2_4(weights: Array) -> bool:
    """Whether TensorRT's sparse kernels can take a layer with these weights, of (output channel, input channel, ...)."""
    if weights.ndim < 2 or weights.shape[1] % GROUP:
        return False
    fours = weights.reshape(weights.shape[0], -1, GROUP, *weights.shape[2:])
    return bool((np.count_nonzero(fours, axis=2) <= KEPT).all())


def layers_following_2_4(model: onnx.ModelProto) -> dict[str, bool]:
    """Convolutions and products with constant weights, in graph order: name of the node -> whether they follow 2:4.

    Weights are read behind a DequantizeLinear as well, so that INT8 graphs can be asked. Layers in groups never do: no sparse
    kernel takes them.
    """
    constants, makers = graphs.initializers(model.graph), graphs.producers(model.graph)
    found = {}
    for node in model.graph.node:
        weights = _weights(node, constants, makers) if node.op_type in ("Conv", "Gemm", "MatMul") else None
        if weights is not None:
            found[node.name] = graphs.attribute(node, "group", 1) == 1 and follows_2_4(weights)
    return found


def _weights(node: onnx.NodeProto, constants: dict[str, Array], makers: dict[str, onnx.NodeProto]) -> Array | None:
    """(output channel, input channel, ...), 0 where the real weight is; None where they are no constant."""
    name = node.input[1]
    maker = makers.get(name)
    if maker is not None and maker.op_type == "DequantizeLinear":
        stored = constants.get(maker.input[0])
        zero = constants[maker.input[2]] if len(maker.input) > 2 and maker.input[2] else np.zeros((), np.int8)
        weights = None if stored is None else stored.astype(np.int32) - _along(zero, maker, stored.ndim)
    else:
        weights = constants.get(name)
    if weights is None or weights.ndim < 2:
        return None
    turned = node.op_type == "MatMul" or (node.op_type == "Gemm" and not graphs.attribute(node, "transB", 0))
    return np.swapaxes(weights, 0, 1) if turned else weights


def _along(zero: Array, node: onnx.NodeProto, axes: int) -> Array:
    """A zero point for each channel, shaped to be subtracted from weights of so many axes."""
    if zero.size == 1:
        return zero.astype(np.int32).reshape(())
    shape = [1] * axes
    axis = graphs.attribute(node, "axis", 1)
    assert isinstance(axis, int)
    shape[axis] = zero.size
    return zero.astype(np.int32).reshape(shape)
