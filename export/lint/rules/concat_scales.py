"""TensorRT: what is joined in INT8 shares a scale."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for node in view.graph.node:
        if node.op_type != "Concat":
            continue
        reads = [view.activation(name) for name in node.input]
        steps = [read.dequantize for read in reads if read is not None]
        if not steps or (len(steps) == len(reads) and all(item.same_steps(steps[0]) for item in steps)):
            continue
        scales = [f"{float(item.scale[0]):.4g}" if item.scale is not None else "?" for item in steps]
        floats = len(reads) - len(steps)
        yield Fault(
            where=named(node),
            got=f"joins tensors with scales {', '.join(scales)}" + (f" and {floats} in float" if floats else ""),
            expected="one scale for all, or no Q/DQ before it",
            remedy="give them one range, or quantise behind it, as --fix does",
            severity="warning",
        )


RULE = Rule(
    id="concat-scales",
    title="Concatenated tensors share one scale",
    reason=(
        "TensorRT joins tensors in INT8 by copying; with different scales it inserts a requantisation for each. The "
        "skips of a U-Net are the usual case."
    ),
    source="TensorRT documentation, Explicit Quantization",
    targets=TENSORRT,
    check=check,
)
