"""A lowered ONNX graph as a program that torch can train, with the float weights behind its integer constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import Form
from edgeneuro.export.lower import lower
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import weight_axis
from edgeneuro.spec import Array
from edgeneuro.training.qat_network import Program, Step

WEIGHT, BIAS = 1, 2
"""Inputs of a layer."""


def with_corrected_biases(model: onnx.ModelProto, plan: Plan) -> tuple[onnx.ModelProto, Plan]:
    """A copy of `model` that has the plan's corrected biases as its own, and the plan without them."""
    corrected: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    constants = graphs.initializers(corrected.graph)
    readers = graphs.consumers(corrected.graph)
    for node in corrected.graph.node:
        if node.name not in plan.biases or len(node.input) <= BIAS:
            continue
        name = node.input[BIAS]
        if len(readers[name]) == 1:  # shared by two layers, it cannot be right for both
            graphs.remove_initializers(corrected.graph, [name])
            values = np.asarray(plan.biases[node.name], np.float32)
            graphs.add_constant(corrected.graph, name, values.reshape(constants[name].shape))
    return corrected, replace(plan, biases={})


def program_of(model: onnx.ModelProto, parameters: Iterable[str]) -> Program:
    """The float graph. parameters: the constants to train."""
    return _program(
        model.graph, [_step(node) for node in model.graph.node], graphs.initializers(model.graph), parameters
    )


def lowered_program(model: onnx.ModelProto, plan: Plan, form: Form, parameters: Iterable[str]) -> Program:
    """The graph that `form` runs for `plan`; integer constants become roundings of the float ones they were made from.

    model: float; parameters: those of its constants to train. The plan's own corrections and recorded scales are left
    out: they belong to the weights before training. Raises ModelFileError for a form in FP16.
    """
    if form.half:
        raise ModelFileError(f"target {form.name!r}: is partly FP16, which is not trained; train for its INT8 form")
    lowered = lower(model, replace(plan, biases={}, weight_scales={}), form).graph
    writer = _Constants(model.graph, lowered, form)
    steps = [writer.translated(node) for node in lowered.node]
    steps.sort(
        key=lambda step: step.operator != "QuantizedWeights"
    )  # a bias is rounded in steps of its layer's weights
    constants = {**graphs.initializers(model.graph), **graphs.initializers(lowered)}
    return _program(lowered, steps, constants, parameters)


def _program(
    graph: onnx.GraphProto, steps: list[Step], constants: Mapping[str, Array], parameters: Iterable[str]
) -> Program:
    used = {name for step in steps for name in step.inputs} - {output for step in steps for output in step.outputs}
    trained = [name for name in parameters if name in used]
    return Program(
        input=graph.input[0].name,
        output=graph.output[0].name,
        steps=tuple(steps),
        parameters={name: constants[name] for name in trained},
        constants={name: constants[name] for name in sorted(used & constants.keys() - set(trained))},
    )


class _Constants:
    """Knows which float constant of the model each dequantised constant of the lowered graph was made from."""

    def __init__(self, model: onnx.GraphProto, lowered: onnx.GraphProto, form: Form) -> None:
        self.originals = {node.name: node for node in model.node}
        self.known = graphs.initializers(model)
        self.constants = graphs.initializers(lowered)
        self.makers = graphs.producers(lowered)
        self.readers = graphs.consumers(lowered)
        self.form = form

    def translated(self, node: onnx.NodeProto) -> Step:
        """The step of one node of the lowered graph."""
        if node.op_type == "DequantizeLinear" and node.input[0] in self.constants:
            return self._rounding(node)
        step = _step(node)
        original = self.originals.get(node.name)
        if original is None:
            return step
        sources = [self._float_name(name, original, position) for position, name in enumerate(step.inputs)]
        return replace(step, inputs=tuple(sources))

    def _float_name(self, name: str, original: onnx.NodeProto, position: int) -> str:
        """A float bias that the writer copied under another name is the original's."""
        copied = name in self.constants and name not in self.known and position < len(original.input)
        return str(original.input[position]) if copied else name

    def _rounding(self, node: onnx.NodeProto) -> Step:
        (layer,) = self.readers[node.output[0]]
        original = self.originals[layer.name]
        weights, bias = (f"{layer.name}/rounded weights", f"{layer.name}/rounded bias")
        if node.output[0] == layer.input[WEIGHT]:
            return Step(
                name=weights,
                operator="QuantizedWeights",
                inputs=(original.input[WEIGHT],),
                outputs=(node.output[0], f"{weights}/scales"),
                attributes={"axis": weight_axis(original), "limit": self.form.weight_limit},
            )
        input_scale = self.makers[layer.input[0]].input[1]
        return Step(
            name=bias,
            operator="QuantizedBias",
            inputs=(original.input[BIAS], input_scale, f"{weights}/scales"),
            outputs=(node.output[0],),
            attributes={},
        )


def _step(node: onnx.NodeProto) -> Step:
    return Step(
        name=node.name,
        operator=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={item.name: _plain(onnx.helper.get_attribute_value(item)) for item in node.attribute},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if not isinstance(value, (int, float, str)) else value
