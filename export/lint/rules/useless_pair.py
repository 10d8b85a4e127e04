"""Q/DQ serve an INT8 kernel."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgeneuro.export.forms import WEIGHTED, Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import ACTIVATED, Read, View


def check(view: View, form: Form) -> Iterator[Fault]:
    for read in view.activations:
        if read.quantize is None or _serves(read, view, form):
            continue
        users = dict.fromkeys(node.op_type for node in view.users(read.dequantize.node.output[0]))
        yield Fault(
            where=f"tensor {read.source!r}",
            got=f"is quantised for {', '.join(users) or 'no reader'}, which {form.backend} runs in float",
            expected="Q/DQ only around what has an INT8 kernel",
            remedy="take the pair out, as --fix does",
            severity="warning",
        )


def _serves(read: Read, view: View, form: Form) -> bool:
    """Whether an INT8 kernel reads the pair, or, where the target closes its kernels, writes it."""
    if any(_in_int8(node, view, form) for node in view.users(read.dequantize.node.output[0])):
        return True
    maker = view.makers.get(read.source)
    if maker is not None and maker.op_type in ACTIVATED:
        maker = view.makers.get(maker.input[0])
    return form.closes and maker is not None and _in_int8(maker, view, form)


def _in_int8(node: onnx.NodeProto, view: View, form: Form) -> bool:
    return node.op_type in (*form.operators, *WEIGHTED) and quantized_inputs(node, view, form)


RULE = Rule(
    id="useless-pair",
    title="No Q/DQ around operators that run in float",
    reason=(
        "Softmax, sigmoid gates, normalisations, means and comparisons run in float. Q/DQ around them costs accuracy and "
        "two conversions, and splits what the runtime would fuse."
    ),
    source="NVIDIA/TensorRT issues 3197, 4039, 4554; Model-Optimizer issue 80",
    targets=EVERY,
    check=check,
)
