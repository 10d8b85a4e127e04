"""What the fake parser makes of an ONNX graph: refusals, layers, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import TensorProto, numpy_helper, shape_inference

from tests.fakes.trt.plan import LayerInfo, TensorInfo

UNSUPPORTED = frozenset({"Det", "Unique", "Bernoulli", "Multinomial", "StringNormalizer", "TfIdfVectorizer"})
TYPES: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("FLOAT", "Float"),
    TensorProto.FLOAT16: ("HALF", "Half"),
    TensorProto.BFLOAT16: ("BF16", "BFloat16"),
    TensorProto.INT8: ("INT8", "Int8"),
    TensorProto.UINT8: ("UINT8", "UInt8"),
    TensorProto.INT32: ("INT32", "Int32"),
    TensorProto.INT64: ("INT64", "Int64"),
    TensorProto.BOOL: ("BOOL", "Bool"),
    TensorProto.FLOAT8E4M3FN: ("FP8", "FP8"),
}
LAYER_TYPES = {
    "Conv": "CONVOLUTION",
    "ConvTranspose": "DECONVOLUTION",
    "MaxPool": "POOLING",
    "AveragePool": "POOLING",
    "GlobalAveragePool": "REDUCE",
    "Gemm": "MATRIX_MULTIPLY",
    "MatMul": "MATRIX_MULTIPLY",
    "QuantizeLinear": "QUANTIZE",
    "DequantizeLinear": "DEQUANTIZE",
    "Concat": "CONCATENATION",
    "Cast": "CAST",
    "Softmax": "SOFTMAX",
    "Resize": "RESIZE",
    "Slice": "SLICE",
    "Pad": "SLICE",
    "BatchNormalization": "SCALE",
    "Identity": "IDENTITY",
    "Gather": "GATHER",
    "Shape": "SHAPE",
    "Where": "SELECT",
}
SHUFFLES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")
ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid", "Elu", "Softplus")
UNARIES = ("Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Erf", "Not")
LAYER_TYPES |= dict.fromkeys(SHUFFLES, "SHUFFLE") | dict.fromkeys(ACTIVATIONS, "ACTIVATION")
LAYER_TYPES |= dict.fromkeys(UNARIES, "UNARY")
FOLDED = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear"})


@dataclass(frozen=True)
class Refusal:
    """code: of ErrorCode, e.g. "UNSUPPORTED_NODE"."""

    code: str
    text: str
    function: str
    node: int
    name: str
    operator: str


@dataclass(frozen=True)
class Graph:
    """model: with the types and shapes of all tensors inferred."""

    model: onnx.ModelProto

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        return list(self.model.graph.node)

    @property
    def constants(self) -> dict[str, TensorProto]:
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @property
    def infos(self) -> dict[str, onnx.TypeProto.Tensor]:
        graph = self.model.graph
        known = {value.name: value.type.tensor_type for value in (*graph.value_info, *graph.input, *graph.output)}
        for name, tensor in self.constants.items():
            known[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims).tensor_type
        return known

    def tensors(self) -> tuple[TensorInfo, ...]:
        """Inputs, then outputs."""
        inputs = [v for v in self.model.graph.input if v.name not in self.constants]
        outputs = list(self.model.graph.output)
        return tuple(_tensor(v, is_input=True) for v in inputs) + tuple(_tensor(v, is_input=False) for v in outputs)


def read(content: bytes) -> Graph | None:
    """None where it is no ONNX graph."""
    try:
        model = onnx.load_model_from_string(content)
        return Graph(shape_inference.infer_shapes(model)) if model.graph.node else None
    except Exception:  # noqa: BLE001  (protobuf and onnx raise several kinds)
        return None


def refusals(graph: Graph) -> Iterator[Refusal]:
    """Node by node, what the parser does not take."""
    infos = graph.infos
    for index, node in enumerate(graph.nodes):
        if node.op_type in UNSUPPORTED:
            yield Refusal("UNSUPPORTED_NODE", "false", f"check{node.op_type}", index, node.name, node.op_type)
        elif node.domain not in ("", "ai.onnx"):
            text = 'creator && "Plugin not found, are the plugin name, version, and namespace correct?"'
            yield Refusal("INVALID_NODE", text, "checkFallbackPluginImporter", index, node.name, node.op_type)
        elif text := _bad_quantization(graph, node, infos):
            yield Refusal("INVALID_NODE", text, "buildZeroPointTensor", index, node.name, node.op_type)


def _bad_quantization(graph: Graph, node: onnx.NodeProto, infos: dict[str, onnx.TypeProto.Tensor]) -> str:
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return ""
    zero = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
    if zero is not None and numpy_helper.to_array(zero).any():
        return "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported."
    read_type = infos.get(node.input[0])
    if node.op_type == "DequantizeLinear" and read_type and read_type.elem_type == TensorProto.INT32:
        return (
            f"Invalid Node - {node.name}\nITensor::getDimensions: Error Code 4: API Usage Error ({node.name}: input has "
            "type Int32 but must have type FP8, FP4, Int4, Int8, or UInt8.)"
        )
    return ""


def uint8_nodes(graph: Graph) -> list[str]:
    """Nodes whose UINT8 zero point is read as INT8."""
    kinds = {name: tensor.data_type for name, tensor in graph.constants.items()}
    return [
        node.name
        for node in graph.nodes
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        and len(node.input) > 2
        and kinds.get(node.input[2]) == TensorProto.UINT8
    ]


def layer_type(node: onnx.NodeProto) -> str:
    """Name of its LayerType."""
    if node.op_type.startswith("Reduce"):
        return "REDUCE"
    return LAYER_TYPES.get(node.op_type, "ELEMENTWISE")


def engine_layers(graph: Graph, on_dla: frozenset[str]) -> tuple[LayerInfo, ...]:
    """One layer for each node that computes. A layer that reads DequantizeLinear's output reads its input, in INT8. A
    QuantizeLinear of a network input is a reformat."""
    infos, made = graph.infos, {name: node for node in graph.nodes for name in node.output}
    inputs = {value.name for value in graph.model.graph.input}

    def port(name: str) -> tuple[str, tuple[int, ...], str]:
        source = made.get(name)
        if source is not None and source.op_type == "DequantizeLinear":
            return source.input[0], _sizes(infos.get(name)), "Int8"
        kind = TYPES.get(infos[name].elem_type, ("", "Float"))[1] if name in infos else "Float"
        return name, _sizes(infos.get(name)), kind

    layers = []
    for node in graph.nodes:
        if node.op_type == "QuantizeLinear" and node.input[0] in inputs:
            reads, writes = port(node.input[0]), (node.output[0], _sizes(infos.get(node.input[0])), "Int8")
            layers.append(LayerInfo(f"Reformatting CopyNode for {node.name}", "Reformat", (reads,), (writes,), ""))
        elif node.op_type not in FOLDED:
            read_ports = tuple(port(name) for name in node.input[: 1 if "Conv" in node.op_type else None] if name)
            write_ports = tuple(port(name) for name in node.output)
            metadata = f"[ONNX Layer: {node.name}]"
            dla = node.name in on_dla
            layers.append(LayerInfo(node.name, layer_type(node), read_ports, write_ports, metadata, dla))
    return tuple(layers)


def _sizes(info: onnx.TypeProto.Tensor | None) -> tuple[int, ...]:
    if info is None:
        return ()
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in info.shape.dim)


def _tensor(value: onnx.ValueInfoProto, *, is_input: bool) -> TensorInfo:
    info = value.type.tensor_type
    symbols = tuple(dim.dim_param for dim in info.shape.dim)
    dtype = TYPES.get(info.elem_type, ("FLOAT", ""))[0]
    return TensorInfo(value.name, is_input, dtype, _sizes(info), symbols)
