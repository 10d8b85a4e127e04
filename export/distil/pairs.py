"""Which layer of the student is held against which layer of the teacher: feature maps of the same resolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export import graph as graphs
from edgeneuro.export.distil.teacher import preprocess_of
from edgeneuro.export.observe import with_outputs
from edgeneuro.export.source import FloatModel
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array
from edgeneuro.training.teaching import Pair

Asked = Literal["auto"] | tuple[Pair, ...]
"""Pairs by name, or those that are found here."""

GLOBAL = ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
POOLING = ("AveragePool", "ReduceMean", "ReduceMax", "ReduceSum")
"""Operators that leave no position where what they give is one pixel."""
PADDING = (nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)


@dataclass(frozen=True, kw_only=True)
class FeatureMap:
    """What a layer gives for one image. name: of the student's module, or of the teacher's tensor. halvings: how often the
    image's height was halved to come to `height`, so 5 for 7 of 224."""

    name: str
    channels: int
    height: int
    width: int
    halvings: int


def student_maps(network: nn.Module, example: Tensor) -> tuple[FeatureMap, ...]:
    """Outputs of named modules with a height and a width, in the order in which they are finished.

    example: (batch, channel, height, width). Left out: modules that pad, and what is pooled to a fixed size: it does not
    grow with an image twice as large. `network` is as it was afterwards.
    """
    small = _outputs(network, example)
    large = _outputs(network, example.new_zeros(1, example.shape[1], 2 * example.shape[2], 2 * example.shape[3]))
    return tuple(
        _feature_map(name, shape, example.shape[2]) for name, shape in small.items() if large[name][1:] != shape[1:]
    )


def _outputs(network: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    """Module -> (channel, height, width) of the output of its last call."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and not isinstance(module, PADDING):
            shapes.pop(name, None)  # to the end, where it is called again
            shapes[name] = tuple(output.shape[1:])

    hooks = [
        module.register_forward_hook(partial(note, name)) for name, module in network.named_modules() if name != ""
    ]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return shapes


def teacher_maps(model: FloatModel) -> tuple[FeatureMap, ...]:
    """Tensors of its graph with a height and a width, in graph order; without those that were padded or pooled globally.

    Sizes are those that ONNX Runtime gives for one image. Raises BackendError, UsageError for a network that takes arrays.
    """
    nodes = model.graph.graph.node
    size = preprocess_of(model)
    image = np.zeros((abs(model.batch), size.channels, size.height, size.width), np.float32)
    other = graphs.tensors_without_float32(model.graph)
    names = [name for node in nodes for name in node.output if name and name not in other]
    with closing(
        open_backend("onnxruntime", with_outputs(model.graph, names).SerializeToString(), threads=1)
    ) as backend:
        values = backend.run({model.input_name: image})
    pooled = _pooled(model.graph, values)
    padded = {name for node in nodes if node.op_type == "Pad" for name in node.output}
    return tuple(
        _feature_map(name, values[name].shape[1:], image.shape[2])
        for name in names
        if values[name].ndim == 4 and name not in pooled and name not in padded
    )


def _pooled(model: onnx.ModelProto, values: Mapping[str, Array]) -> set[str]:
    """Tensors that hold no position any more: pooled over the whole image, or made from such ones alone."""
    pooled: set[str] = set()
    for node in model.graph.node:
        read = [name for name in node.input if name in values or name == model.graph.input[0].name]
        one_pixel = values[node.output[0]].shape[2:] == (1, 1) if node.output[0] in values else False
        if (
            node.op_type in GLOBAL
            or (node.op_type in POOLING and one_pixel)
            or (read and all(name in pooled for name in read))
        ):
            pooled.update(node.output)
    return pooled


def _feature_map(name: str, shape: Sequence[int], image: int) -> FeatureMap:
    """image: its height in px. Networks round up where a height is odd, so halvings are those that come nearest."""
    channels, height, width = shape
    steps = range(image.bit_length() + 1)
    halvings = min(steps, key=lambda step: abs(math.log(math.ceil(image / 2**step) / height)))
    return FeatureMap(name=name, channels=channels, height=height, width=width, halvings=halvings)


def last_pair(student: Sequence[FeatureMap], teacher: Sequence[FeatureMap]) -> tuple[Pair, ...]:
    """What both see last, in front of their global pooling."""
    return (Pair(student=student[-1].name, teacher=teacher[-1].name),) if student and teacher else ()


def pairs_by_resolution(student: Sequence[FeatureMap], teacher: Sequence[FeatureMap]) -> tuple[Pair, ...]:
    """The last map of each at every resolution, relative to its own image, that both have; the finest first, without
    those of one pixel."""
    last_of_student, last_of_teacher = (
        {found.halvings: found for found in maps if found.height * found.width > 1} for maps in (student, teacher)
    )
    return tuple(
        Pair(student=last_of_student[step].name, teacher=last_of_teacher[step].name)
        for step in sorted(last_of_student.keys() & last_of_teacher.keys())
    )


def parse_pair(option: str, text: str) -> Pair:
    """A pair from "STUDENT=TEACHER". Raises UsageError naming `option`."""
    student, equals, teacher = text.partition("=")
    if not (student and equals and teacher):
        raise UsageError(f"{option} {text!r}: expected STUDENT=TEACHER, names of a layer of each, or auto")
    return Pair(student=student, teacher=teacher)


def refuse_unknown(student: nn.Module, pairs: Sequence[Pair]) -> None:
    """Raise UsageError, listing its layers, for a pair whose student's half is none of them."""
    modules = [name for name, _ in student.named_modules() if name]
    for pair in pairs:
        if pair.student not in modules:
            raise UsageError(
                f"student's layer {pair.student!r}: is not in its network, expected one of {', '.join(modules)}"
            )
