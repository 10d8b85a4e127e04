"""TensorRT: of a residual addition, Q/DQ on the skip branch only."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for node in view.graph.node:
        straight = [name for name in node.input if _from_convolution(name, view)] if node.op_type == "Add" else []
        if straight and all(name in view.reads for name in straight):
            yield Fault(
                where=named(node),
                got=f"reads {view.reads[straight[-1]].source!r}, straight from a convolution, through Q/DQ",
                expected="Q/DQ on the skip branch only",
                remedy="take the pair off that side, as --fix does",
                severity="warning",
            )


def _from_convolution(tensor: str, view: View) -> bool:
    source = view.reads[tensor].source if tensor in view.reads else tensor
    maker = view.makers.get(source)
    return maker is not None and maker.op_type in ("Conv", "ConvTranspose")


RULE = Rule(
    id="residual-add",
    title="Residual addition: Q/DQ on the skip branch only",
    reason=(
        "TensorRT joins convolution, addition and ReLU into one kernel when the sum takes the convolution's result "
        "unquantised. Q/DQ on both sides, as NNCF and ONNX Runtime's quantiser write, splits it."
    ),
    source='NVIDIA TensorFlow quantization toolkit, "Add Custom Q/DQ Insertion Case"; TensorRT documentation, '
    "Explicit Quantization",
    targets=TENSORRT,
    check=check,
)
