"""Recorded shapes are those the graph has."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.view import View


def check(view: View, form: Form) -> Iterator[Fault]:
    bare = onnx.ModelProto.FromString(view.model.SerializeToString())
    del bare.graph.value_info[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
    except (
        onnx.shape_inference.InferenceError
    ):  # an operator nobody has a shape for: what cannot be known cannot be stale
        return
    known = {item.name: item.type.tensor_type for item in (*inferred.value_info, *inferred.output)}
    for item in view.graph.value_info:
        found = item.type.tensor_type
        wanted = known.get(item.name)
        if wanted is None:
            continue
        if found.elem_type and wanted.elem_type and found.elem_type != wanted.elem_type:
            yield _fault(item.name, "element type", _type(found), _type(wanted))
        elif found.HasField("shape") and wanted.HasField("shape") and not _agree(_sizes(found), _sizes(wanted)):
            yield _fault(item.name, "shape", str(_sizes(found)), str(_sizes(wanted)))


def _fault(tensor: str, what: str, found: str, wanted: str) -> Fault:
    return Fault(
        where=f"tensor {tensor!r}",
        got=f"is recorded with {what} {found} (0: not fixed)",
        expected=f"{wanted}, which the operators give",
        remedy="delete the value_info and infer shapes again, as --fix does",
    )


def _type(tensor: onnx.TypeProto.Tensor) -> str:
    name: str = onnx.TensorProto.DataType.Name(tensor.elem_type)
    return name


def _sizes(tensor: onnx.TypeProto.Tensor) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in tensor.shape.dim)


def _agree(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    if len(found) != len(wanted):
        return False
    return all(left == right or 0 in (left, right) for left, right in zip(found, wanted, strict=True))


RULE = Rule(
    id="stale-shapes",
    title="Recorded shapes and types are those of the graph",
    reason=(
        "A tool that edits a graph and keeps the old value_info leaves shapes and types that are no longer true. "
        "Runtimes plan memory by them, or refuse the file."
    ),
    source="ONNX documentation, shape inference and onnx.checker with full_check",
    targets=EVERY,
    check=check,
)
