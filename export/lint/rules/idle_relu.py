"""ONNX Runtime: the zero point behind a convolution's Relu does the work of the Relu."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        after = view.readers.get(layer.output[0], [])
        if layer.op_type != "Conv" or len(after) != 1 or not quantized_inputs(layer, view, form):
            continue
        limits = [item.limits for item in view.output_quantizers(layer)]
        lowest = min((found.low for found in limits if found is not None), default=0.0)
        if lowest < 0.0 and _positive(after[0], view):
            yield Fault(
                where=named(layer),
                got=f"has a {after[0].op_type} behind it, yet the integers after that reach down to {lowest:.4g}",
                expected="integers that begin at 0: the zero point at the lowest of its type",
                remedy="take the range of what the operator lets through, as --fix does",
                severity="warning",
            )


def _positive(node: onnx.NodeProto, view: View) -> bool:
    """Whether a node is a Relu, or a Clip that does the same at its lower end."""
    low = view.constants.get(node.input[1]) if node.op_type == "Clip" and len(node.input) > 1 else None
    return node.op_type == "Relu" or (low is not None and bool(np.all(low >= 0)))


RULE = Rule(
    id="idle-relu",
    title="Behind a convolution and its Relu, the integers begin at zero",
    reason=(
        "ONNX Runtime takes a Relu or Clip into QLinearConv by dropping it, which it may only where the integers cannot "
        "hold what it cuts off. Symmetric INT8 can: the convolution stays in float, and half of the steps are never used."
    ),
    source="onnxruntime, core/optimizer/qdq_transformer (relu_quantizelinear, clip_quantizelinear)",
    targets=ONNXRUNTIME,
    check=check,
)
