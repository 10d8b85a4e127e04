"""Parameters and multiply-accumulates of an ONNX graph."""

from __future__ import annotations

from math import prod

import onnx

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs


def parameters(model: onnx.ModelProto) -> int:
    """Learnable numbers: floating-point constants of layers, without the running mean and variance of batch
    normalisation (inputs 3 and 4 of BatchNormalization) and without scalars that belong to no layer."""
    statistics = {name for node in model.graph.node if node.op_type == "BatchNormalization" for name in node.input[3:5]}
    weights = {
        name
        for node in model.graph.node
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Add", "PRelu")
        for name in node.input[1:]
    }
    return sum(
        prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name in weights - statistics
        and tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    )


def multiply_accumulates(model: onnx.ModelProto) -> int:
    """Of one sample (batch 1), convolutions and fully connected layers only, as papers count.

    A convolution costs output elements x kernel elements x input channels / groups; a matrix product rows x columns x
    inner size. Raises ModelFileError where a shape is unknown.
    """
    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    for item in fixed.graph.input:
        for dim in item.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    del fixed.graph.value_info[:]  # shapes recorded for a free batch would win over those inferred for one sample
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    shapes = _shapes(onnx.shape_inference.infer_shapes(fixed, data_prop=True))
    return sum(_node_macs(node, shapes) for node in model.graph.node)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Tensor name -> fixed shape; tensors with a free or unknown size are left out."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for item in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        dims = item.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            shapes[item.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _node_macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    missing = [name for name in (*node.input[:2], node.output[0]) if not shapes.get(name)]
    if missing:
        raise ModelFileError(
            f"{node.op_type} {node.name!r}: the shape of {missing[0]!r} is unknown; export fixed sizes"
        )
    weight, output = shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        return prod(output) * prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return prod(shapes[node.input[0]]) * prod(weight[1:])
    return prod(output) * shapes[node.input[0]][-1 if not graphs.attribute(node, "transA", 0) else 0]
