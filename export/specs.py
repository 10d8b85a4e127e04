"""Inputs and outputs of a graph as the manifest describes them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from edgeneuro.manifest import CLASS_MAPS, QUALITY, Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, TensorSpec

_IMAGE, _VOLUME = ("height", "width"), ("depth", "height", "width")
_MAP_UNIT = "logit at one place: its mean over all places, and a bias, make the logit"


def input_specs(model: onnx.ModelProto, preprocess: Preprocess | None) -> tuple[TensorSpec, ...]:
    """preprocess: None for a network that takes arrays, whose inputs are described as the graph declares them."""
    if preprocess is None:
        return tuple(_declared(item) for item in model.graph.input)
    image = model.graph.input[0]
    places = _IMAGE if preprocess.depth is None else _VOLUME
    return (
        TensorSpec(
            name=image.name,
            shape=(declared_shape(image)[0], preprocess.channels, *preprocess.tile),
            axes=("batch", "channel", *places),
            dtype="float32",
            unit="normalised grey value" if preprocess.channels == 1 else "normalised colour value",
        ),
    )


def output_specs(
    model: onnx.ModelProto, task: Task, outputs: Mapping[str, Array], *, free_batch: bool
) -> tuple[TensorSpec, ...]:
    """outputs: of the graph for some feeds, name -> (feed, ...the output's own axes). free_batch: of the inputs; then
    the first axis of an output is free as well, unless the graph fixes it."""
    declared = {item.name: declared_shape(item) for item in model.graph.output}
    specs = []
    for number, (name, values) in enumerate(outputs.items()):
        shape = values.shape[1:]
        if free_batch and shape[:1] == (1,) and declared[name][:1] != (1,):
            shape = (-1, *shape[1:])
        axes = tuple("batch" if size == -1 else f"axis {axis}" for axis, size in enumerate(shape))
        unit = "as the network gives it"
        if number == 0 and task == "classification":
            axes, unit = ("batch", "class"), "logit"
        elif number == 0 and task == "segmentation":
            axes, unit = ("batch", "class", *(_VOLUME if len(shape) == 5 else _IMAGE)), "logit"
        elif name == CLASS_MAPS and task == "classification":
            axes, unit = ("batch", "class", *_IMAGE), _MAP_UNIT
        elif name == QUALITY and task == "classification":
            axes, unit = ("batch", "quality"), "0 to 1, the weight that training would give such a frame"
        specs.append(TensorSpec(name=name, shape=shape, axes=axes, dtype=str(values.dtype), unit=unit))
    return tuple(specs)


def declared_shape(item: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sizes as the graph states them, -1 where it leaves one free; empty where it says nothing."""
    dims = item.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.HasField("dim_value") else -1 for dim in dims)


def _declared(item: onnx.ValueInfoProto) -> TensorSpec:
    dims = item.type.tensor_type.shape.dim
    return TensorSpec(
        name=item.name,
        shape=declared_shape(item),
        axes=tuple(dim.dim_param or f"axis {axis}" for axis, dim in enumerate(dims)),
        dtype=onnx.helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type).name,
        unit="as the network takes it",
    )
