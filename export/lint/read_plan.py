"""The plan behind a Q/DQ graph: what the writer needs to write it again, for another target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from edgeneuro.calibration.ranges import Range
from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import WEIGHTED, Form
from edgeneuro.export.lint.derive import Derivation
from edgeneuro.export.lint.kernels import missing_kernel, quantized_inputs
from edgeneuro.export.lint.signs import never_negative
from edgeneuro.export.lint.strip import Stripped, strip
from edgeneuro.export.lint.view import Read, View
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import data_inputs, fused_input, origin, output_of, quantizable_nodes
from edgeneuro.spec import Array


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """model: the float graph under the Q/DQ. plan: with a placement for one form. kept_float: node that was quantised
    and is no longer -> why. derived: tensors whose range follows from others. restored: as in Stripped."""

    model: onnx.ModelProto
    plan: Plan
    kept_float: Mapping[str, str]
    derived: tuple[str, ...]
    restored: tuple[str, ...]


def read_plan(model: onnx.ModelProto, form: Form) -> Recovered:
    """What `lower` needs to write the Q/DQ graph `model` for `form`.

    model: as `read_quantized` gives it. A node runs in INT8 if it did in `model`, the target has a kernel for it, and
    its ranges are known: from the file, or exactly derived. Raises ModelFileError as `strip` does.
    """
    view = View(model)
    stripped = strip(view)
    derivation = Derivation(stripped.model, _ranges(stripped, form))
    makers, readers = graphs.producers(stripped.model.graph), graphs.consumers(stripped.model.graph)
    constants = graphs.initializers(stripped.model.graph)
    quantized = {node.name for node in model.graph.node if _meant_for_int8(node, view, form)}
    possible = {node.name for node in quantizable_nodes(stripped.model, form)}
    placed: list[str] = []
    needed: dict[str, Range] = {}
    kept_float: dict[str, str] = {}
    for node in (node for node in stripped.model.graph.node if node.name in quantized):
        if node.name not in possible:
            kept_float[node.name] = f"{form.name} has no INT8 form for this {node.op_type}"
            continue
        no_kernel = missing_kernel(node, constants[node.input[1]], form) if node.op_type in WEIGHTED else None
        wanted = [origin(name, makers) for name in _tensors(node, form, makers, readers)]
        found = {name: derivation.range_of(name) for name in wanted}
        missing = [name for name, limits in found.items() if limits is None]
        if no_kernel is not None:
            kept_float[node.name] = no_kernel
        elif missing:
            kept_float[node.name] = f"the file holds no range for tensor {missing[0]!r}"
        else:
            placed.append(node.name)
            needed |= {name: limits for name, limits in found.items() if limits is not None}
    plan = Plan(
        method="read from a quantised file",
        ranges=needed,
        biases={},
        placement={form.target: tuple(placed)},
        weight_scales=_weight_scales(view, placed, form),
    )
    derived = tuple(name for name in needed if name not in stripped.ranges)
    return Recovered(
        model=stripped.model, plan=plan, kept_float=kept_float, derived=derived, restored=stripped.restored
    )


def _ranges(stripped: Stripped, form: Form) -> dict[str, Range]:
    """As recorded, beginning at 0 where the operators exclude what is below.

    Where both are centred, INT8 keeps its scale exactly: the -128th step is one it does not count.
    """
    centred = stripped.symmetric if form.activations == "symmetric" else frozenset()
    recorded = {
        name: Range(-limits.high, limits.high) if name in centred else limits
        for name, limits in stripped.ranges.items()
    }
    makers, constants = graphs.producers(stripped.model.graph), graphs.initializers(stripped.model.graph)
    return {
        name: Range(max(limits.low, 0.0), limits.high) if never_negative(name, makers, constants) else limits
        for name, limits in recorded.items()
    }


def _meant_for_int8(node: onnx.NodeProto, view: View, form: Form) -> bool:
    return node.op_type in (*form.operators, *WEIGHTED) and quantized_inputs(node, view, form)


def _tensors(
    node: onnx.NodeProto,
    form: Form,
    makers: Mapping[str, onnx.NodeProto],
    readers: Mapping[str, list[onnx.NodeProto]],
) -> list[str]:
    """The tensors on which `lower` puts Q/DQ for this node."""
    fused = fused_input(node, makers) if form.skip_only and node.op_type == "Add" else None
    inputs = [name for name in data_inputs(node) if name != fused]
    return [*inputs, output_of(node, readers)] if form.closes else inputs


def _weight_scales(view: View, placed: list[str], form: Form) -> dict[str, tuple[float, ...]]:
    """Layer -> the scales of the file, at 8 bits, where writing with them gives the same integers.

    Not where weights have a zero point, scales along another axis, or more bits than the form has room for: these are
    rounded again.
    """
    found: dict[str, tuple[float, ...]] = {}
    for layer in view.layers:
        read = view.weight(layer) if layer.name in placed else None
        scales = None if read is None else _usable_scales(read, view, view.weight_axis(layer), form.weight_limit)
        if scales is not None:
            found[layer.name] = tuple(float(scale) * form.weight_limit / 127 for scale in scales)
    return found


def _usable_scales(read: Read, view: View, axis: int, limit: int) -> Array | None:
    item, steps = read.dequantize, view.steps(read)
    if item.scale is None or item.kind != "INT8" or item.shifted or steps is None:
        return None
    if item.per_channel and item.axis % steps.ndim != axis:
        return None
    if limit < 127 and np.abs(steps).max(initial=0) > limit:
        return None
    scales: Array = np.broadcast_to(item.scale, (steps.shape[axis],))
    return scales
