"""OpenVINO miscounts convolutions that read INT8 from a Concat."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import OPENVINO, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named
from edgeneuro.export.quantizable import origin


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.activation(layer.input[0])
        if layer.op_type != "Conv" or read is None or not quantized_inputs(layer, view, form):
            continue
        concat = _concat(layer.input[0], view) or _concat(read.source, view)
        if concat is not None and read.dequantize.kind == "INT8":
            yield Fault(
                where=named(layer),
                got=f"reads {concat.output[0]!r}, made by a Concat, as INT8",
                expected="UINT8, with which the same graph is computed right",
                remedy="rewrite it for this target with --fix",
            )


def _concat(tensor: str, view: View) -> onnx.NodeProto | None:
    maker = view.makers.get(origin(tensor, view.makers))
    return maker if maker is not None and maker.op_type == "Concat" else None


RULE = Rule(
    id="signed-concat",
    title="What a convolution reads from a Concat is UINT8",
    reason=(
        "OpenVINO 2026.4 computes other numbers than the graph says where a quantised convolution reads INT8 that comes "
        "from a Concat, whether the pair stands before or behind it; a U-Net's output is lost altogether. UINT8 is right."
    ),
    source="measured on an x86 processor with VNNI, tests/export/lint/test_openvino.py; no vendor document known",
    targets=OPENVINO,
    check=check,
)
