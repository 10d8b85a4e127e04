"""FP16 scales need opset 19, and Q/DQ the standard domain."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import TensorProto

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.view import View, named

OPSET = 19
"""The first whose QuantizeLinear takes FP16 scales."""
HALF = {TensorProto.FLOAT16: "FP16", TensorProto.BFLOAT16: "BF16"}


def check(view: View, form: Form) -> Iterator[Fault]:
    version = next((item.version for item in view.model.opset_import if item.domain in ("", "ai.onnx")), 0)
    types = {tensor.name: tensor.data_type for tensor in view.graph.initializer}
    for item in (*view.quantizers.values(), *view.dequantizers.values()):
        kind = HALF.get(types.get(item.node.input[1], TensorProto.FLOAT))
        if kind is not None and version < OPSET and not item.node.domain:
            yield Fault(
                where=named(item.node),
                got=f"has a {kind} scale in opset {version}",
                expected=f"opset {OPSET} or newer, or an FP32 scale",
                remedy=f"export it again with opset_version={OPSET}",
            )
        if item.node.domain and form.backend != "onnxruntime":
            yield Fault(
                where=named(item.node),
                got=f"is of the domain {item.node.domain!r}, which only ONNX Runtime knows",
                expected="the operator of ONNX itself",
                remedy="export it again in opset 21, whose own operators take the same types",
            )


RULE = Rule(
    id="half-scales",
    title=f"FP16 scales need opset {OPSET}",
    reason=(
        "Before opset 19 QuantizeLinear took FP32 scales only; a file converted to FP16 without raising the opset is "
        "refused, or its scales are read as something else."
    ),
    source="ONNX operator QuantizeLinear, versions 13 and 19; TensorRT documentation, Strongly Typed Networks",
    targets=EVERY,
    check=check,
)
