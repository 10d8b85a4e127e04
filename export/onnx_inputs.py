"""Inputs of a foreign graph brought to what an engine can serve: one frame at a time, or arrays of known size."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import onnx
from onnx import helper

from edgeneuro.errors import BackendError, ModelFileError, UsageError
from edgeneuro.export.file_options import FileOptions
from edgeneuro.export.specs import declared_shape
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array

BATCH_TOLERANCE = 1e-4
"""Largest difference, as a share of the largest value, between a frame alone and the same frame in its fixed batch."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """preprocess: None for a network that takes arrays. notes: what was changed."""

    preprocess: Preprocess | None
    notes: tuple[str, ...] = ()


def settle_inputs(model: onnx.ModelProto, options: FileOptions, where: str) -> Inputs:
    """Fix the sizes of all inputs but the batch, put channels first, and free a fixed batch of several frames.

    A network takes frames when it has one float32 input of (batch, 1 or 3 channels, height, width), or of the same with
    channels last. Anything else takes arrays. where: the file, for messages. Raises ModelFileError, UsageError.
    """
    _normalise_shapes(model)
    if not model.graph.input:
        raise ModelFileError(f"{where}: has no input, expected at least one; its weights may be listed as constants")
    image = model.graph.input[0]
    _fix_named(model, options, where)
    layout = None if len(model.graph.input) > 1 or image.name in options.shapes else _layout(image, options.channels)
    if layout is None:
        if options.says_preprocessing:
            listed = ", ".join(f"{item.name} {_shown(item)}" for item in model.graph.input)
            raise UsageError(
                f"{where}: takes arrays ({listed}), so options for frames do not apply; give --shape NAME=1x80x100 for "
                "free sizes, and .npz files as data"
            )
        _refuse_free_sizes(model, where)
        return Inputs(preprocess=None)
    notes = []
    if layout == "last":
        _channels_first(model)
        notes.append(f"input {image.name!r} had channels last; a transpose was put in front of it")
    channels, height, width = _sizes(model, options, where)
    if _free_batch(model, where):
        notes.append("its batch was fixed to several frames and is free now, which gives the same outputs")
    return Inputs(preprocess=options.preprocess(height, width, channels), notes=tuple(notes))


def _normalise_shapes(model: onnx.ModelProto) -> None:
    """Sizes below 1, as some exporters write what is free, become free."""
    for item in (*model.graph.input, *model.graph.output):
        for dim in item.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value < 1:
                dim.ClearField("dim_value")


def _layout(image: onnx.ValueInfoProto, channels: int | None) -> Literal["first", "last"] | None:
    """Where the channels of a frame are; None for what is no frame. A free number of channels counts where `channels`
    says what it is to be."""
    shape = declared_shape(image)
    if len(shape) != 4 or image.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        return None
    known = (1, 3) if channels is None else (1, 3, -1)
    if shape[1] in known:
        return "first"
    return "last" if shape[3] in (1, 3) else None


def _fix_named(model: onnx.ModelProto, options: FileOptions, where: str) -> None:
    """Sizes given by the user for inputs by name; they may fill in what is free, not change what is fixed."""
    inputs = {item.name: item for item in model.graph.input}
    for name, sizes in options.shapes.items():
        if name not in inputs:
            raise UsageError(f"{where}: has no input {name!r}, expected --shape for one of {', '.join(inputs)}")
        declared = declared_shape(inputs[name])
        fits = len(declared) == len(sizes) and all(
            size >= 1 and want in (-1, size) for want, size in zip(declared, sizes, strict=True)
        )
        if not fits:
            raise UsageError(
                f"{where}: input {name!r} is {_shown(inputs[name])}, --shape says {'x'.join(map(str, sizes))}"
            )
        _set_shape(inputs[name], sizes)
        _forget_shapes(model)


def _refuse_free_sizes(model: onnx.ModelProto, where: str) -> None:
    for item in model.graph.input:
        if not item.type.tensor_type.HasField("shape"):
            raise ModelFileError(f"{where}: input {item.name!r} has no shape at all, expected one; export it again")
        for axis, size in enumerate(declared_shape(item)):
            if size == -1 and axis > 0:
                raise ModelFileError(
                    f"{where}: input {item.name!r} is {_shown(item)}, its axis {axis} is free, expected fixed sizes but "
                    f"for the batch; fix them with --shape {item.name}=" + "x".join("N" for _ in declared_shape(item))
                )


def _sizes(model: onnx.ModelProto, options: FileOptions, where: str) -> tuple[Literal[1, 3], int, int]:
    """Channels, height and width of the image, fixed in the graph. Raises ModelFileError where they stay free."""
    image = model.graph.input[0]
    batch, *found = declared_shape(image)
    given = (options.channels, options.height, options.width)
    sizes: list[int] = []
    for name, flag, have, want in zip(
        ("channels", "height", "width"), ("--channels", "--size", "--size"), found, given, strict=True
    ):
        if have == -1 and want is None:
            raise ModelFileError(
                f"{where}: input {image.name!r} is {_shown(image)}, its {name} is free, expected a fixed one; give {flag}"
            )
        if have != -1 and want not in (None, have):
            raise UsageError(f"{where}: input {image.name!r} is {_shown(image)}, {flag} asks for {name} {want}")
        sizes.append(have if want is None else want)
    if -1 in found:
        _set_shape(image, (batch, *sizes))
        _forget_shapes(model)
    channels = cast(Literal[1, 3], sizes[0])
    return channels, sizes[1], sizes[2]


def _channels_first(model: onnx.ModelProto) -> None:
    """Let the input be (batch, channel, height, width), and turn it round in front of its readers."""
    image = model.graph.input[0]
    batch, height, width, channels = declared_shape(image)
    turned = f"{image.name}/channels_last"
    for node in model.graph.node:
        node.input[:] = [turned if name == image.name else name for name in node.input]
    turn = helper.make_node("Transpose", [image.name], [turned], name=f"{image.name}/channels_last", perm=[0, 2, 3, 1])
    model.graph.node.insert(0, turn)
    _set_shape(image, (batch, channels, height, width))


def _free_batch(model: onnx.ModelProto, where: str) -> bool:
    """Free a batch fixed to several frames; whether there was one. Raises ModelFileError where the graph needs it."""
    image = model.graph.input[0]
    batch, *sizes = declared_shape(image)
    if batch < 2:
        return False
    frame = np.random.default_rng(0).random((1, *sizes), np.float32)
    together = _outputs(model, np.repeat(frame, batch, axis=0))
    _set_shape(image, (-1, *sizes))
    _forget_shapes(model)
    try:
        alone = _outputs(model, frame)
        same = all(_same(alone[name], values, batch) for name, values in together.items())
        reason = "its outputs for one frame differ"
    except BackendError as error:
        same, reason = False, str(error).partition("; ")[0]
    if not same:
        raise ModelFileError(
            f"{where}: input {image.name!r} is fixed to {batch} frames at once and cannot be freed ({reason}), expected a "
            "free batch or a batch of 1; export it again with a dynamic first axis"
        )
    return True


def _same(alone: Array, together: Array, batch: int) -> bool:
    if alone.shape != (1, *together.shape[1:]) or together.shape[:1] != (batch,):
        return False
    largest = float(np.abs(together.astype(np.float64)).max(initial=1e-12))
    return float(np.abs(alone[0].astype(np.float64) - together[0]).max(initial=0.0)) <= BATCH_TOLERANCE * largest


def _outputs(model: onnx.ModelProto, frames: Array) -> dict[str, Array]:
    with closing(open_backend("onnxruntime", model.SerializeToString(), threads=1)) as backend:
        return backend.run({model.graph.input[0].name: frames})


def _set_shape(item: onnx.ValueInfoProto, sizes: tuple[int, ...]) -> None:
    """-1 leaves a size free."""
    shape = item.type.tensor_type.shape
    names = [dim.dim_param for dim in shape.dim]
    del shape.dim[:]
    for axis, size in enumerate(sizes):
        dim = shape.dim.add()
        if size == -1:
            dim.dim_param = (names[axis] if axis < len(names) else "") or ("batch" if axis == 0 else f"axis_{axis}")
        else:
            dim.dim_value = size


def _forget_shapes(model: onnx.ModelProto) -> None:
    """Shapes recorded for other inputs: drop them, and infer those of the outputs again."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for output, known in zip(model.graph.output, inferred.graph.output, strict=True):
        output.CopyFrom(known)


def _shown(item: onnx.ValueInfoProto) -> str:
    kind = onnx.TensorProto.DataType.Name(item.type.tensor_type.elem_type).lower()
    sizes = (
        str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in item.type.tensor_type.shape.dim
    )
    return f"{kind} ({', '.join(sizes)})"
