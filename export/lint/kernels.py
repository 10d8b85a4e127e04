"""Which nodes of a Q/DQ graph are written to run in INT8, and for which of them a target has no kernel."""

from __future__ import annotations

import onnx

from edgeneuro.export.forms import WEIGHTED, Form
from edgeneuro.export.lint.view import View
from edgeneuro.export.placement_rules import lacks_kernel
from edgeneuro.export.quantizable import data_inputs
from edgeneuro.spec import Array


def missing_kernel(layer: onnx.NodeProto, weights: Array, form: Form) -> str | None:
    """Why `form`'s target has no good INT8 kernel for a layer with these weights; None where it has one."""
    if layer.op_type not in form.operators:
        return f"{form.backend} has no INT8 kernel for {layer.op_type}"
    return lacks_kernel(layer, {layer.input[1]: weights}, form)


def quantized_inputs(node: onnx.NodeProto, view: View, form: Form) -> bool:
    """Whether a node reads its activations, and its weights where it has some, through DequantizeLinear.

    Where additions join the kernel of a convolution, one side of them is enough.
    """
    read = [view.activation(name) is not None for name in data_inputs(node)]
    if node.op_type in WEIGHTED:
        return all(read) and view.weight(node) is not None
    return any(read) if node.op_type == "Add" and form.skip_only else all(read)
