"""Parameters, multiply-accumulates and elements of an ONNX graph, layer by layer.

Counted here and not by onnx-tool 1.0.1, which was compared with torch's FlopCounterMode and with layers worked out by
hand: it adds a multiply-accumulate for every bias and every element of an activation, a pooling or an addition (STANet:
83,344,294 instead of 81,438,680) and counts a transposed convolution of stride 2 twice (the U-Net's: 805,306,368
instead of 402,653,184). FlopCounterMode agrees with this module on every network of the repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.manifest import Compute, LayerCost

MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
LEARNING = (*MULTIPLYING, "BatchNormalization", "Add", "PRelu")
FREE = ("Constant", "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Size")
"""Operators that name values anew, or ask for their shape; no runtime has to move any."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)

Shapes = Mapping[str, tuple[int, ...]]


def compute_of(model: onnx.ModelProto, *, params: int | None = None) -> Compute:
    """What one sample costs. params: counted before the graph was simplified; None counts those of `model`.

    Raises ModelFileError where the shape of a layer with multiply-accumulates is unknown.
    """
    layers = layer_costs(model)
    return Compute(
        params=parameters(model) if params is None else params, macs=sum(layer.macs for layer in layers), layers=layers
    )


def parameters(model: onnx.ModelProto) -> int:
    """Learnable numbers: floating-point constants of layers, without the running mean and variance of batch
    normalisation (inputs 3 and 4 of BatchNormalization) and without scalars that belong to no layer."""
    sizes = _constants(model)
    return sum(sizes[name] for name in {name for node in model.graph.node for name in _learnable(node, sizes)})


def layer_costs(model: onnx.ModelProto) -> tuple[LayerCost, ...]:
    """Of one sample (batch 1): every node that computes or moves floating-point values, in graph order.

    Multiply-accumulates of convolutions and fully connected layers only, as papers count: output elements x kernel
    elements x input channels / groups; rows x columns x inner size. A parameter that several nodes share is counted for
    the first. Nodes without multiply-accumulates whose shapes are unknown are left out. Raises ModelFileError where the
    shape of any other is.
    """
    shapes, sizes, other = _shapes_of_one(model), _constants(model), graphs.tensors_without_float32(model)
    counted: set[str] = set()
    costs = []
    for node in model.graph.node:
        inputs = [name for name in dict.fromkeys(node.input) if name and name not in sizes]
        outputs = [name for name in node.output if name]
        if node.op_type in FREE or other.issuperset((*inputs, *outputs)):
            continue
        macs = _macs(node, shapes)
        if not all(name in shapes for name in (*inputs, *outputs)):
            continue
        learnt = _learnable(node, sizes) - counted
        counted |= learnt
        costs.append(
            LayerCost(
                name=node.name or outputs[0],
                operator=node.op_type,
                params=sum(sizes[name] for name in learnt),
                macs=macs,
                weight_elements=sum(sizes.get(name, 0) for name in dict.fromkeys(node.input)),
                input_elements=sum(prod(shapes[name]) for name in inputs),
                output_elements=sum(prod(shapes[name]) for name in outputs),
            )
        )
    return tuple(costs)


def _constants(model: onnx.ModelProto) -> dict[str, int]:
    """Name -> elements of every constant; 0 for those that are no floating-point numbers, such as sizes."""
    return {tensor.name: prod(tensor.dims) if tensor.data_type in FLOATS else 0 for tensor in model.graph.initializer}


def _learnable(node: onnx.NodeProto, sizes: Mapping[str, int]) -> set[str]:
    if node.op_type not in LEARNING:
        return set()
    last = 3 if node.op_type == "BatchNormalization" else None
    return {name for name in node.input[1:last] if name in sizes}


def _shapes_of_one(model: onnx.ModelProto) -> Shapes:
    """Tensor name -> its shape for one sample; tensors of unknown shape are left out."""
    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    for item in fixed.graph.input:
        for dim in item.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    del fixed.graph.value_info[:]  # shapes recorded for a free batch would win over those inferred for one sample
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for item in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = item.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[item.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def _macs(node: onnx.NodeProto, shapes: Shapes) -> int:
    if node.op_type not in MULTIPLYING:
        return 0
    missing = [name for name in (*node.input[:2], node.output[0]) if name not in shapes]
    if missing:
        raise ModelFileError(
            f"{node.op_type} {node.name!r}: the shape of {missing[0]!r} is unknown; export fixed sizes"
        )
    data, weight, output = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        return prod(output) * prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return prod(data) * prod(weight[1:])
    return prod(output) * data[0 if graphs.attribute(node, "transA", 0) else -1]
