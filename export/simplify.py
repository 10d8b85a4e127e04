"""A foreign graph made plain, outputs unchanged: constants folded, batch normalisation taken into convolutions.

The work is ONNX Runtime's own, at the level that only uses operators of the standard ("basic"). Exporters leave chains of
Shape and Gather, weights in Constant nodes and batch normalisation beside its convolution; a plan of INT8 layers needs
none of these in its way.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime

STANDARD = ("", "ai.onnx")


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """A plainer graph that computes the same, every node under a name of its own; `model` itself where there is none.

    Inputs, outputs, opset and IR version stay as they are. Sizes have to be fixed first, since what is computed from
    them is folded.
    """
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        path = Path(folder) / "plain.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        plain: onnx.ModelProto = onnx.load(str(path))
    if _own_operators(plain) - _own_operators(model):
        return model
    used = {node.domain for node in plain.graph.node}
    imports = [item for item in plain.opset_import if item.domain in STANDARD or item.domain in used]
    del plain.opset_import[:]
    plain.opset_import.extend(imports)
    plain.ir_version = model.ir_version
    del plain.graph.value_info[:]  # what was inferred for the graph before
    del plain.graph.output[:]
    plain.graph.output.extend(model.graph.output)
    plain.ClearField("metadata_props")
    return plain


def _own_operators(model: onnx.ModelProto) -> set[tuple[str, str]]:
    """Operators that are not of the standard."""
    return {(node.domain, node.op_type) for node in model.graph.node if node.domain not in STANDARD}
