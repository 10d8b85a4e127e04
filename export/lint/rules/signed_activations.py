"""ONNX Runtime on x86 is fast with UINT8 activations."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import X86, Fault, Rule
from edgeneuro.export.lint.view import View


def check(view: View, form: Form) -> Iterator[Fault]:
    for read in view.activations:
        if read.dequantize.kind == "INT8":
            yield Fault(
                where=f"tensor {read.source!r}",
                got="is INT8",
                expected="UINT8: the same scale, zero point + 128",
                remedy="rewrite it for this target with --fix, which changes no value",
                severity="warning",
            )


RULE = Rule(
    id="signed-activations",
    title="Activations are UINT8 on x86",
    reason=(
        "The VNNI and AVX2 instructions multiply unsigned by signed. ONNX Runtime turns an INT8 tensor into UINT8 itself "
        "where it can; elsewhere, as behind a tensor with two readers, convolutions stay in float between Q/DQ pairs."
    ),
    source="onnxruntime.ai, Quantize ONNX Models (data type selection)",
    targets=X86,
    check=check,
)
