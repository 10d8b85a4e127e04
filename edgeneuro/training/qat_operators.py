"""What each ONNX operator of our exported graphs computes, in torch.

Arguments are the inputs in order, None where one is left out; floating tensors as torch tensors, whole-number constants
(shapes, axes, pads) as numpy arrays. Two-dimensional convolutions and poolings only.
Source: ONNX operators, opset 20, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgeneuro.errors import ModelFileError
from edgeneuro.spec import Array
from edgeneuro.training.qat_rounding import dequantize, quantize, quantized_bias, quantized_weights

Attributes = Mapping[str, Any]


def conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv, two-dimensional."""
    x, padding = padded(x, attributes, 0.0)
    result: Tensor = F.conv2d(
        x,
        weight,
        bias,
        stride=attributes.get("strides", (1, 1)),
        padding=padding,
        dilation=attributes.get("dilations", (1, 1)),
        groups=attributes.get("group", 1),
    )
    return result


def conv_transpose(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ConvTranspose, two-dimensional; pads take rows and columns off the result."""
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise ModelFileError(f"ConvTranspose: has pads {(top, left, bottom, right)}, expected as many on both sides")
    result: Tensor = F.conv_transpose2d(
        x,
        weight,
        bias,
        stride=attributes.get("strides", (1, 1)),
        padding=(top, left),
        output_padding=attributes.get("output_padding", (0, 0)),
        groups=attributes.get("group", 1),
        dilation=attributes.get("dilations", (1, 1)),
    )
    return result


def max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    """MaxPool, two-dimensional."""
    x, padding = padded(x, attributes, -torch.inf)
    return F.max_pool2d(
        x,
        attributes["kernel_shape"],
        attributes.get("strides", (1, 1)),
        padding,
        attributes.get("dilations", (1, 1)),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    """AveragePool, two-dimensional."""
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise ModelFileError(f"AveragePool: has pads {(top, left, bottom, right)}, expected as many on both sides")
    return F.avg_pool2d(
        x,
        attributes["kernel_shape"],
        attributes.get("strides", (1, 1)),
        (top, left),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
        count_include_pad=bool(attributes.get("count_include_pad", 0)),
    )


def padded(x: Tensor, attributes: Attributes, value: float) -> tuple[Tensor, tuple[int, int]]:
    """`x` and the padding left for torch to add: unequal sides are padded here."""
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha A B + beta C, each of A and B transposed first where asked."""
    product = (a.T if attributes.get("transA", 0) else a) @ (b.T if attributes.get("transB", 0) else b)
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    product = product if alpha == 1.0 else alpha * product
    if c is None:
        return product
    return product + (c if beta == 1.0 else beta * c)


def resize(attributes: Attributes, x: Tensor, _: Any, scales: Tensor | None, sizes: Array | None = None) -> Tensor:
    """Resize of height and width, the two forms torch's interpolation exports as."""
    how = (attributes.get("mode", "nearest"), attributes.get("coordinate_transformation_mode", "half_pixel"))
    if scales is not None and scales.numel():
        size = [int(side * scale) for side, scale in zip(x.shape[2:], scales[2:].tolist(), strict=True)]
    else:
        assert sizes is not None
        size = [int(side) for side in sizes[-2:]]
    if how == ("nearest", "asymmetric") and attributes.get("nearest_mode") == "floor":
        return F.interpolate(x, size, mode="nearest")
    if how[0] == "linear" and how[1] in ("half_pixel", "pytorch_half_pixel"):
        return F.interpolate(x, size, mode="bilinear", align_corners=False)
    raise ModelFileError(f"Resize: is {how[0]}, {how[1]}, expected nearest with floor, or linear with half pixels")


def pad(attributes: Attributes, x: Tensor, pads: Array, value: Tensor | None = None, _: Any = None) -> Tensor:
    """Pad with a constant."""
    if attributes.get("mode", "constant") != "constant":
        raise ModelFileError(f"Pad: has mode {attributes['mode']!r}, expected constant")
    before, after = pads[: x.ndim].tolist(), pads[x.ndim :].tolist()
    sides = [side for axis in reversed(range(x.ndim)) for side in (before[axis], after[axis])]
    return F.pad(x, sides, value=0.0 if value is None else float(value))


def reshape(_: Attributes, x: Tensor, shape: Array) -> Tensor:
    """Reshape; 0 keeps a size, -1 takes what is left."""
    return x.reshape([x.shape[axis] if size == 0 else int(size) for axis, size in enumerate(shape)])


def squeeze(_: Attributes, x: Tensor, axes: Array) -> Tensor:
    """Squeeze of the named axes."""
    return x.squeeze([int(axis) for axis in axes])


def unsqueeze(_: Attributes, x: Tensor, axes: Array) -> Tensor:
    """Unsqueeze; axes count in the result."""
    rank = x.ndim + len(axes)
    for axis in sorted(int(axis) % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def reduce_mean(attributes: Attributes, x: Tensor, axes: Array) -> Tensor:
    """ReduceMean over the named axes."""
    return x.mean([int(axis) for axis in axes], keepdim=bool(attributes.get("keepdims", 1)))


def batch_normalization(attributes: Attributes, x: Tensor, *statistics: Tensor) -> Tensor:
    """BatchNormalization with fixed mean and variance, where the exporter could not fold it into a layer."""
    weight, bias, mean, variance = statistics
    return F.batch_norm(x, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))


def quantize_linear(_: Attributes, x: Tensor, scale: Tensor, zero_point: Array) -> Tensor:
    """QuantizeLinear, one scale a tensor."""
    kind = _integer_type(zero_point, scale)
    return quantize(x, scale, int(zero_point), kind.min, kind.max)


def dequantize_linear(_: Attributes, steps: Tensor, scale: Tensor, zero_point: Array) -> Tensor:
    """DequantizeLinear, one scale a tensor."""
    _integer_type(zero_point, scale)
    return dequantize(steps, scale, int(zero_point))


def _integer_type(zero_point: Array, scale: Tensor) -> Any:
    if scale.numel() != 1:
        raise ModelFileError(f"QuantizeLinear: has {scale.numel()} scales for one activation, expected one a tensor")
    return np.iinfo(zero_point.dtype)


def elementwise(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """An operator of one tensor without attributes."""
    return lambda _, x: function(x)


def pairwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """An operator of two tensors; Min and Max take more, one after the other."""

    def run(_: Attributes, *tensors: Tensor) -> Tensor:
        result = tensors[0]
        for other in tensors[1:]:
            result = function(result, other)
        return result

    return run


def clip(_: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Clip; the gradient is 0 outside."""
    return torch.clamp(x, low, high) if low is not None or high is not None else x


def concat(attributes: Attributes, *tensors: Tensor) -> Tensor:
    """Concat along `axis`."""
    return torch.cat(tensors, attributes["axis"])


def hard_sigmoid(attributes: Attributes, x: Tensor) -> Tensor:
    """max(0, min(1, alpha x + beta))."""
    return torch.clamp(attributes.get("alpha", 0.2) * x + attributes.get("beta", 0.5), 0.0, 1.0)


OPERATORS: Mapping[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    "Abs": elementwise(torch.abs),
    "Add": pairwise(torch.add),
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DequantizeLinear": dequantize_linear,
    "Div": pairwise(torch.div),
    "Flatten": lambda attributes, x: x.flatten(attributes.get("axis", 1)),
    "Gemm": gemm,
    "GlobalAveragePool": elementwise(lambda x: x.mean((2, 3), keepdim=True)),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": elementwise(F.hardswish),
    "Identity": elementwise(lambda x: x),
    "MatMul": pairwise(torch.matmul),
    "Max": pairwise(torch.maximum),
    "MaxPool": max_pool,
    "Min": pairwise(torch.minimum),
    "Mul": pairwise(torch.mul),
    "Neg": elementwise(torch.neg),
    "Pad": pad,
    "QuantizeLinear": quantize_linear,
    "QuantizedBias": lambda _, bias, input_scale, scales: quantized_bias(bias, input_scale, scales),
    "QuantizedWeights": lambda a, weights: quantized_weights(weights, a["axis"], a["limit"]),
    "ReduceMean": reduce_mean,
    "Relu": elementwise(torch.relu),
    "Reshape": reshape,
    "Resize": resize,
    "Sigmoid": elementwise(torch.sigmoid),
    "Softmax": lambda attributes, x: x.softmax(attributes.get("axis", -1)),
    "Squeeze": squeeze,
    "Sub": pairwise(torch.sub),
    "Tanh": elementwise(torch.tanh),
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
    "Unsqueeze": unsqueeze,
}
"""By ONNX name; QuantizedWeights and QuantizedBias stand for the integer constants of an INT8 graph."""
