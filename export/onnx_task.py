"""What a foreign graph is for, by its outputs, and its endings taken off so that the engine's own are the only ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.rewrite import drop_final, drop_final_softmax, final_node, without_identity
from edgeneuro.manifest import CLASS_MAPS, Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array

COARSEST_MASK = 8
"""A mask may be so many times smaller than the frame on each side; beyond that it is taken for features."""
ONE_PIXEL = (1, 1)
"""Height and width that some classifiers leave behind their classes."""
MOST_CLASSES = 256
"""Of a mask, whose class numbers fit a byte."""


def settle_outputs(
    model: onnx.ModelProto, wanted: Task | None, outputs: Mapping[str, Array], preprocess: Preprocess | None, where: str
) -> tuple[Task, tuple[str, ...]]:
    """The task, and what was changed. wanted: as the user says, None infers it. outputs: of one item. where: for messages.

    A classifier and a segmentation keep their first output, a classifier its class maps too, and lose a Softmax or
    Sigmoid at its end, so that it gives logits. Raises ModelFileError for outputs that do not fit the task.
    """
    first = model.graph.output[0].name
    fits = _fits(first, outputs[first], _ending(model), preprocess)
    inferred: Task = next(name for name, problem in fits.items() if problem is None)
    maps = _maps_problem(first, outputs) if fits["classification"] is None else None
    kept: Mapping[Task, set[str]] = {
        "classification": {first, CLASS_MAPS} if maps is None else {first},
        "segmentation": {first},
        "tensors": set(outputs),
    }
    task: Task = wanted or (inferred if kept[inferred] >= outputs.keys() else "tensors")
    problem = fits[task]
    if problem is not None:
        raise ModelFileError(f"{where}: {problem}; give --task tensors to have outputs as they are")
    notes = [] if maps is None or wanted == "tensors" else [maps]
    dropped = [name for name in outputs if name not in kept[task]]
    if dropped:
        _keep_outputs(model, kept[task])
        also = f" beside {CLASS_MAPS}" if task == "classification" else ""
        notes.append(f"outputs {', '.join(dropped)} were left out; a {task} has one{also}")
    if task == "classification" and CLASS_MAPS in kept[task] & outputs.keys():
        without_identity(model, CLASS_MAPS)
    if task == "classification" and outputs[first].ndim == 4:
        _flatten_output(model)
    if task == "classification" and drop_final_softmax(model):
        notes.append("a softmax at its end was taken off; the engine applies its own")
    if task == "segmentation" and outputs[first].shape[1] == 1 and drop_final(model, ("Sigmoid",)):
        notes.append("a sigmoid at its end was taken off; the mask is where the logit is above 0")
    return task, tuple(notes)


def _fits(name: str, first: Array, ending: str, preprocess: Preprocess | None) -> Mapping[Task, str | None]:
    """Task -> why the first output does not fit it, None where it does; in the order they are tried."""
    shape, floats = first.shape, first.dtype.kind == "f"
    said = f"output {name!r} has shape {shape} of {first.dtype}"
    row = floats and shape[1:2] > (1,) and (len(shape) == 2 or shape[2:] == ONE_PIXEL)
    classification = None if row else f"{said}, expected (batch, class) logits of at least two classes"
    if row and ending in ("Sigmoid", "HardSigmoid"):
        classification = f"output {name!r} ends in {ending}, so its classes do not exclude each other, expected logits"
    pixels = floats and len(shape) == 4 and shape[1] <= MOST_CLASSES and preprocess is not None
    sizes = (preprocess.height, preprocess.width) if preprocess is not None else (0, 0)
    if pixels and all(
        size % got == 0 and size // got <= COARSEST_MASK for size, got in zip(sizes, shape[2:], strict=True)
    ):
        segmentation = None
    else:
        segmentation = (
            f"{said}, expected (batch, class, height, width) logits of a frame, at most {COARSEST_MASK} times smaller"
        )
    if preprocess is None:  # arrays in: only the user knows that the outputs are logits
        return {"tensors": None, "classification": classification, "segmentation": segmentation}
    return {"classification": classification, "segmentation": segmentation, "tensors": None}


def _maps_problem(first: str, outputs: Mapping[str, Array]) -> str | None:
    """Why the output CLASS_MAPS holds no map for each class of the first; None where it does, or is not there."""
    maps, classes = outputs.get(CLASS_MAPS), outputs[first].shape[1]
    if maps is None or (maps.dtype == np.float32 and maps.ndim == 4 and maps.shape[1] == classes):
        return None
    return (
        f"output {CLASS_MAPS} has shape {maps.shape} of {maps.dtype}, not (batch, {classes}, height, width) of float32, so "
        "it explains nothing"
    )


def _ending(model: onnx.ModelProto) -> str:
    """Operator that computes the first output; "" where none does."""
    last = final_node(model)
    return "" if last is None else str(last.op_type)


def _flatten_output(model: onnx.ModelProto) -> None:
    """Give the first output, (batch, class, 1, 1), as (batch, class), under its own name."""
    graph, output = model.graph, model.graph.output[0]
    inner = f"{output.name}/one_pixel"
    for node in graph.node:
        node.output[:] = [inner if name == output.name else name for name in node.output]
        node.input[:] = [inner if name == output.name else name for name in node.input]
    graph.node.append(helper.make_node("Flatten", [inner], [output.name], name=f"{output.name}/flatten", axis=1))
    del output.type.tensor_type.shape.dim[2:]


def _keep_outputs(model: onnx.ModelProto, names: set[str]) -> None:
    """Drop the other outputs, and the nodes that only they needed."""
    graph = model.graph
    for item in [item for item in graph.output if item.name not in names]:
        graph.output.remove(item)
    makers = graphs.producers(graph)
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            waiting.extend(node.input)
    kept = [node for node in graph.node if node.name in needed]
    del graph.node[:]
    graph.node.extend(kept)
    graphs.drop_unused_initializers(graph)
