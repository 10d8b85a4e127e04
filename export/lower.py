"""The one writer of Q/DQ graphs: the plan lowered for each kind of target.

ONNX Runtime fuses DQ -> Conv [-> Relu] -> Q into one INT8 kernel only when input and output carry Q/DQ. TensorRT and
OpenVINO want Q/DQ on the inputs of a layer and find the output's in the next layer's input. Whatever the plan does not
place stays in float.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from edgeneuro.calibration.ranges import Range, activation_parameters, quantize_weights, weight_scales
from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.float8 import LARGEST, float8_parameters, float8_weights
from edgeneuro.export.forms import WEIGHTED, Form
from edgeneuro.export.fp16 import overflowing_nodes, to_half
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import data_inputs, fused_input, origin, output_of, quantizable_nodes, weight_axis
from edgeneuro.spec import Array, Float32


def lower(model: onnx.ModelProto, plan: Plan, form: Form) -> onnx.ModelProto:
    """A copy of the float `model` in which the nodes of plan.placement[form.target] run in INT8 on `form`.

    Raises ModelFileError when the plan names a node or needs a range that does not exist.
    """
    lowered: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = _placed_nodes(lowered, plan, form)
    writer = _Writer(lowered.graph, plan, form)
    if form.closes:
        for node in nodes:
            writer.close(output_of(node, writer.readers))
    for node in nodes:
        writer.open(node)
    graphs.drop_unused_initializers(lowered.graph)
    graphs.sort_nodes(lowered.graph)
    del lowered.graph.value_info[:]
    if form.half:
        lowered = to_half(lowered, keep_float32=overflowing_nodes(model, plan.ranges))
    onnx.checker.check_model(lowered)
    return lowered


def _placed_nodes(model: onnx.ModelProto, plan: Plan, form: Form) -> list[onnx.NodeProto]:
    by_name = {node.name: node for node in quantizable_nodes(model, form)}
    placed = plan.placement.get(form.target, ())
    unknown = [name for name in placed if name not in by_name]
    if unknown:
        raise ModelFileError(
            f"ranges.json: places node {unknown[0]!r} on {form.target}, which model.onnx cannot run in INT8 there; "
            "build again"
        )
    return [by_name[name] for name in placed]


class _Writer:
    """Inserts Q/DQ pairs into one graph, each tensor once."""

    def __init__(self, graph: onnx.GraphProto, plan: Plan, form: Form) -> None:
        self.graph = graph
        self.plan = plan
        self.form = form
        self.constants = graphs.initializers(graph)
        self.readers = graphs.consumers(graph)
        self.makers = graphs.producers(graph)
        self.origin = {tensor: origin(tensor, self.makers) for tensor in self.makers}
        self.fused = {node.name: fused_input(node, self.makers) for node in graph.node if node.op_type == "Add"}
        self.dequantized: dict[str, str] = {}  # tensor -> the name to read it by after its Q/DQ

    def close(self, tensor: str) -> None:
        """Put Q/DQ on the output of an INT8 node; every reader of `tensor` sees the dequantised values."""
        maker = self.makers[tensor]
        maker.output[list(maker.output).index(tensor)] = f"{tensor}/float"
        self._pair(f"{tensor}/float", tensor, self._range(tensor))
        self.dequantized[tensor] = tensor

    def open(self, node: onnx.NodeProto) -> None:
        """Let a node read its inputs through Q/DQ; the weights of a layer become INT8."""
        sources = data_inputs(node)
        for position, source in enumerate(sources):
            if self.form.skip_only and node.op_type == "Add" and source == self.fused[node.name]:
                continue
            if source not in self.dequantized:
                self._pair(source, f"{source}/dequantized", self._range(source))
                self.dequantized[source] = f"{source}/dequantized"
            node.input[position] = self.dequantized[source]
        if node.op_type in WEIGHTED:
            self._quantize_constants(node, self._parameters(self._range(sources[0]))[0])

    def _range(self, tensor: str) -> Range:
        name = self.origin.get(tensor, tensor)
        if name not in self.plan.ranges:
            raise ModelFileError(f"ranges.json: has no range for tensor {name!r}; calibrate again")
        return self.plan.ranges[name]

    def _parameters(self, limits: Range) -> tuple[np.float32, Array]:
        """Scale and zero point of one tensor; the zero point has the tensor's type."""
        if self.form.float8:
            return float8_parameters(limits)
        scale, zero_point = activation_parameters(limits, self.form.activations)
        return scale, np.asarray(zero_point)

    def _pair(self, source: str, target: str, limits: Range) -> None:
        scale, zero_point = self._parameters(limits)
        parameters = [
            graphs.add_constant(self.graph, f"{source}/scale", np.asarray(scale)),
            graphs.add_constant(self.graph, f"{source}/zero_point", zero_point),
        ]
        quantized = f"{source}/quantized"
        self.graph.node.extend(
            [
                helper.make_node("QuantizeLinear", [source, *parameters], [quantized], name=f"{source}/Q"),
                helper.make_node("DequantizeLinear", [quantized, *parameters], [target], name=f"{source}/DQ"),
            ]
        )

    def _quantize_constants(self, node: onnx.NodeProto, input_scale: np.float32) -> None:
        axis = weight_axis(node)
        weights = np.moveaxis(self.constants[node.input[1]], axis, 0)
        scales, steps = self._weights(node.name, weights)
        node.input[1] = self._constant(f"{node.name}/weight", np.moveaxis(steps, 0, axis), scales, axis)
        bias = self._bias(node)
        if bias is None:
            return
        name = f"{node.name}/bias"
        if self.form.integer_bias:
            name = self._integer_bias(
                name, np.broadcast_to(bias, scales.shape), (input_scale * scales).astype(np.float32)
            )
        else:
            graphs.add_constant(self.graph, name, bias)
        del node.input[2:]
        node.input.append(name)

    def _weights(self, name: str, weights: Float32) -> tuple[Float32, Array]:
        """The scale of each output channel, and the weights in 8 bits. weights: (output channel, ...)."""
        limit = LARGEST if self.form.float8 else self.form.weight_limit
        recorded = self.plan.weight_scales.get(name)
        found = weight_scales(weights, limit) if recorded is None else np.asarray(recorded) * (127 / limit)
        scales = found.astype(np.float32)
        if self.form.float8:
            return scales, float8_weights(weights, scales)
        return scales, quantize_weights(weights, scales, self.form.weight_limit)

    def _bias(self, node: onnx.NodeProto) -> Float32 | None:
        if node.name in self.plan.biases:
            return np.asarray(self.plan.biases[node.name], np.float32)
        return self.constants[node.input[2]] if len(node.input) > 2 else None

    def _integer_bias(self, name: str, bias: Float32, scales: Float32) -> str:
        limit = np.iinfo(np.int32)
        rounded = np.rint(bias.astype(np.float64) / scales)
        return self._constant(name, np.clip(rounded, limit.min, limit.max).astype(np.int32), scales, 0)

    def _constant(self, name: str, values: Array, scales: Float32, axis: int) -> str:
        """An integer constant with a scale for each output channel, dequantised; returns the float tensor's name."""
        inputs = [
            graphs.add_constant(self.graph, f"{name}/quantized", values),
            graphs.add_constant(self.graph, f"{name}/scale", scales),
            graphs.add_constant(self.graph, f"{name}/zero_point", np.zeros(len(scales), values.dtype)),
        ]
        self.graph.node.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"{name}/DQ", axis=axis))
        return name
