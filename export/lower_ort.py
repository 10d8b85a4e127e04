"""The plan lowered for ONNX Runtime on x86: unsigned activations, Q/DQ on both sides of each placed node.

ONNX Runtime fuses DQ -> Conv [-> Relu] -> Q into QLinearConv only when the input and the output of the convolution
carry Q/DQ; with UINT8 activations and INT8 weights it uses the VNNI kernels. Additions and poolings fuse alike.
Whatever the plan does not place stays in float.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from edgeneuro.calibration.ranges import Range, quantize_weights, unsigned_parameters, weight_scales
from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.plan import Plan
from edgeneuro.spec import Array, Float32

TARGET = "onnxruntime"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A variant of the lowered graph for one kind of processor.

    path: member of the bundle. requires: as in edgeneuro.manifest.Graph. weight_limit: largest magnitude of an INT8
    weight. Without VNNI, x86 adds two UINT8 x INT8 products in 16 bits, which saturate beyond 2 x 255 x 64.
    """

    path: str
    requires: tuple[str, ...]
    weight_limit: int


FORMS = (
    Form(path="graphs/onnxruntime.int8.onnx", requires=("x86_64", "vnni"), weight_limit=127),
    Form(path="graphs/onnxruntime.int8-reduced.onnx", requires=("x86_64",), weight_limit=63),
)
"""Best first: a device opens the first one whose needs it meets."""

QUANTIZABLE = ("Conv", "Add", "AveragePool", "GlobalAveragePool", "MaxPool")
"""Operators ONNX Runtime has an INT8 CPU kernel for, of those our graphs contain."""


def lower_for_onnxruntime(model: onnx.ModelProto, plan: Plan, form: Form) -> onnx.ModelProto:
    """A copy of the float `model` in which the nodes of plan.placement["onnxruntime"] run in INT8.

    Raises ModelFileError when the plan names a node or needs a range that does not exist.
    """
    lowered: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = _placed_nodes(lowered, plan)
    writer = _Writer(lowered.graph, plan, form.weight_limit)
    for node in nodes:
        writer.close(output_of(node, writer.readers))
    for node in nodes:
        writer.open(node)
    graphs.drop_unused_initializers(lowered.graph)
    graphs.sort_nodes(lowered.graph)
    del lowered.graph.value_info[:]
    onnx.checker.check_model(lowered)
    return lowered


def output_of(node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]]) -> str:
    """The tensor whose Q/DQ closes a node: behind its Relu where that is the only reader, else its own."""
    after = readers.get(node.output[0], [])
    last = after[0] if len(after) == 1 and after[0].op_type == "Relu" else node
    name: str = last.output[0]
    return name


def quantizable_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes a plan may place: convolutions with constant weights, additions of two tensors, poolings."""
    constants = graphs.initializers(model.graph)
    return [
        node
        for node in model.graph.node
        if node.op_type in QUANTIZABLE
        and (node.input[1] in constants if node.op_type == "Conv" else not constants.keys() & set(node.input))
    ]


def tensors_needing_ranges(model: onnx.ModelProto) -> tuple[str, ...]:
    """Every tensor that may get Q/DQ, whatever the placement: inputs and closing outputs of all quantizable nodes."""
    readers = graphs.consumers(model.graph)
    names: dict[str, None] = {}
    for node in quantizable_nodes(model):
        names.update(dict.fromkeys(_data_inputs(node)))
        names[output_of(node, readers)] = None
    return tuple(names)


def _data_inputs(node: onnx.NodeProto) -> list[str]:
    return list(node.input[:1] if node.op_type == "Conv" else node.input)


def _placed_nodes(model: onnx.ModelProto, plan: Plan) -> list[onnx.NodeProto]:
    by_name = {node.name: node for node in quantizable_nodes(model)}
    unknown = [name for name in plan.placement[TARGET] if name not in by_name]
    if unknown:
        raise ModelFileError(
            f"ranges.json: places node {unknown[0]!r}, which model.onnx cannot run in INT8; build again"
        )
    return [by_name[name] for name in plan.placement[TARGET]]


class _Writer:
    """Inserts Q/DQ pairs into one graph, each tensor once."""

    def __init__(self, graph: onnx.GraphProto, plan: Plan, weight_limit: int) -> None:
        self.graph = graph
        self.plan = plan
        self.weight_limit = weight_limit
        self.constants = graphs.initializers(graph)
        self.readers = graphs.consumers(graph)
        self.makers = graphs.producers(graph)
        self.origin = {node.name: node.input[0] for node in graph.node if node.op_type == "MaxPool"}
        self.dequantized: dict[str, str] = {}  # tensor -> the name to read it by after its Q/DQ

    def close(self, tensor: str) -> None:
        """Put Q/DQ on the output of an INT8 node; every reader of `tensor` sees the dequantised values."""
        self.makers[tensor].output[0] = f"{tensor}/float"
        self._pair(f"{tensor}/float", tensor, self._range(tensor))
        self.dequantized[tensor] = tensor

    def open(self, node: onnx.NodeProto) -> None:
        """Let a node read its inputs through Q/DQ; a convolution's weights and bias become INT8 and INT32."""
        sources = _data_inputs(node)
        for position, source in enumerate(sources):
            if source not in self.dequantized:
                self._pair(source, f"{source}/dequantized", self._range(source))
                self.dequantized[source] = f"{source}/dequantized"
            node.input[position] = self.dequantized[source]
        if node.op_type == "Conv":
            self._quantize_constants(node, unsigned_parameters(self._range(sources[0]))[0])

    def _range(self, tensor: str) -> Range:
        maker = self.makers.get(tensor)
        if maker is not None and maker.op_type == "MaxPool":  # moves values only: one scale on both sides
            return self._range(self.origin[maker.name])
        if tensor not in self.plan.ranges:
            raise ModelFileError(f"ranges.json: has no range for tensor {tensor!r}; calibrate again")
        return self.plan.ranges[tensor]

    def _pair(self, source: str, target: str, limits: Range) -> None:
        scale, zero_point = unsigned_parameters(limits)
        parameters = [
            graphs.add_constant(self.graph, f"{source}/scale", np.asarray(scale)),
            graphs.add_constant(self.graph, f"{source}/zero_point", np.asarray(zero_point)),
        ]
        quantized = f"{source}/quantized"
        self.graph.node.extend(
            [
                helper.make_node("QuantizeLinear", [source, *parameters], [quantized], name=f"{source}/Q"),
                helper.make_node("DequantizeLinear", [quantized, *parameters], [target], name=f"{source}/DQ"),
            ]
        )

    def _quantize_constants(self, node: onnx.NodeProto, input_scale: np.float32) -> None:
        weights = self.constants[node.input[1]]
        scales = weight_scales(weights, self.weight_limit)
        steps = quantize_weights(weights, scales, self.weight_limit)
        node.input[1] = self._constant(f"{node.name}/weight", steps, scales)
        bias = self._bias(node)
        if bias is None:
            return
        bias_scales = (input_scale * scales).astype(np.float32)
        limit = np.iinfo(np.int32)
        rounded = np.rint(bias.astype(np.float64) / bias_scales)
        bias_steps = np.clip(rounded, limit.min, limit.max).astype(np.int32)
        name = self._constant(f"{node.name}/bias", bias_steps, bias_scales)
        del node.input[2:]
        node.input.append(name)

    def _bias(self, node: onnx.NodeProto) -> Float32 | None:
        if node.name in self.plan.biases:
            return np.asarray(self.plan.biases[node.name], np.float32)
        return self.constants[node.input[2]] if len(node.input) > 2 else None

    def _constant(self, name: str, values: Array, scales: Float32) -> str:
        """An integer constant with a scale for each output channel, dequantised; returns the float tensor's name."""
        inputs = [
            graphs.add_constant(self.graph, f"{name}/quantized", values),
            graphs.add_constant(self.graph, f"{name}/scale", scales),
            graphs.add_constant(self.graph, f"{name}/zero_point", np.zeros(len(scales), values.dtype)),
        ]
        self.graph.node.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"{name}/DQ", axis=0))
        return name
