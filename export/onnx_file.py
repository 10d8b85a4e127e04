"""Somebody's .onnx file, read and brought to opset 20, IR 10."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
from onnx import version_converter

from edgeneuro.errors import BackendError, ModelFileError
from edgeneuro.export.rewrite import drop_final_softmax, use_global_average_pool
from edgeneuro.runtime.backends import open_backend

OPSET = 20
IR_VERSION = 10
"""The newest pair that onnxruntime 1.23 reads, the last for Python 3.10."""


def read_onnx(path: Path) -> onnx.ModelProto:
    """The float graph in `path` at OPSET and IR_VERSION, weights inside, nodes named, spatial means as pooling, without
    a softmax of its own at the end.

    Raises ModelFileError: unreadable, external data missing, already quantised, an opset that cannot be converted,
    more than one input, an input that is not (batch, 1 or 3, height, width), a graph that ONNX Runtime cannot run.
    """
    model = _load(path)
    _refuse_quantized(model, path)
    model = _to_opset(model, path)
    _name_nodes(model)
    _check_input(model, path)
    _check_runs(model, path)
    use_global_average_pool(model)
    drop_final_softmax(model)
    return model


def _load(path: Path) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.load(str(path))
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path}: cannot be read, {error.filename or error} is missing; "
            "weights kept in a file of their own must lie beside it"
        ) from error
    except (OSError, ValueError, onnx.checker.ValidationError, _decode_error()) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{path}: is not a readable ONNX file ({first_line}); export it again, with the weights inside or beside it"
        ) from error
    return model


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    kind: type[Exception] = DecodeError
    return kind


def _refuse_quantized(model: onnx.ModelProto, path: Path) -> None:
    quantized = [
        node.op_type for node in model.graph.node if "QuantizeLinear" in node.op_type or "QLinear" in node.op_type
    ]
    if quantized:
        raise ModelFileError(
            f"{path}: is quantised already (has {quantized[0]}), expected a float model; give the original"
        )


def _to_opset(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    if version != OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:  # the converter's errors share no base class
            first_line = (str(error).splitlines() or [""])[0]
            raise ModelFileError(
                f"{path}: has opset {version}, which cannot be converted to {OPSET} ({first_line}); "
                f"export it again with opset_version={OPSET}"
            ) from error
    model.ir_version = IR_VERSION
    return model


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own; plans refer to nodes by name."""
    taken: set[str] = set()
    for position, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
        taken.add(node.name)


def _check_input(model: onnx.ModelProto, path: Path) -> None:
    """Weights listed as inputs, as files before IR 4 do, are taken off that list; one image must be left on it."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for item in [item for item in model.graph.input if item.name in constants]:
        model.graph.input.remove(item)
    inputs = model.graph.input
    if len(inputs) != 1:
        raise ModelFileError(f"{path}: has {len(inputs)} inputs, expected one image of (batch, channel, height, width)")
    kind = inputs[0].type.tensor_type
    sizes = [dim.dim_value for dim in kind.shape.dim]
    if len(sizes) != 4 or sizes[1] not in (1, 3) or not all(sizes[2:]) or kind.elem_type != onnx.TensorProto.FLOAT:
        raise ModelFileError(
            f"{path}: input {inputs[0].name!r} has shape {tuple(sizes)} (0: not fixed), expected float32 (batch, 1 or 3 "
            "channels, height, width) with fixed channels, height and width; export it again with these sizes"
        )


def _check_runs(model: onnx.ModelProto, path: Path) -> None:
    """One frame of noise, alone as on the device: operators nobody implements, fixed batches and lost weights show."""
    image = model.graph.input[0]
    sizes = [dim.dim_value for dim in image.type.tensor_type.shape.dim]
    noise = np.random.default_rng(0).random((1, *sizes[1:]), np.float32)
    try:
        with closing(open_backend("onnxruntime", model.SerializeToString(), threads=1)) as backend:
            first = backend.run({image.name: noise})[backend.outputs[0].name]
    except BackendError as error:
        reason = str(error).partition("; ")[0]  # without the advice, which is for an engine
        raise ModelFileError(
            f"{path}: cannot be run on one frame ({reason}); export it again with a free batch and standard operators"
        ) from error
    if first.dtype.kind == "f" and not np.isfinite(first).all():
        raise ModelFileError(
            f"{path}: gives NaN or infinity for a frame of noise, expected finite logits; export it again from sound weights"
        )
