"""Any network that can be exported as a teacher: it runs in ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import numpy as np
import onnx
import torch
from torch import Tensor

from edgeneuro.data.split import Split
from edgeneuro.errors import UsageError
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.observe import with_outputs
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Float32
from edgeneuro.training.teaching import Lecture


class OnnxTeacher:
    """Implements edgeneuro.training.teaching.Teacher. identity: SHA-256 of the checkpoint's weights, of an .onnx file as a
    whole. classes: of its logits; empty where they are not known. layers: what it gives beside the logits, as asked for.
    split: what it learnt from, None where unknown.

    model: as load_source gave it. layers: names of tensors or nodes of its graph. classes: those of an .onnx file, which
    does not name them; the model's own where None. threads: of ONNX Runtime, its own choice where None. Raises UsageError
    for a layer that is not there, naming those that are.
    """

    def __init__(
        self,
        model: FloatModel,
        layers: Sequence[str] = (),
        *,
        classes: tuple[str, ...] | None = None,
        threads: int | None = None,
    ) -> None:
        self.preprocess = model.preprocess
        self.identity = model.provenance["checkpoint" if "checkpoint" in model.provenance else "onnx"]
        self.classes = model.classes if classes is None else classes
        self.split: Split | None = model.split
        self.layers = tuple(layers)
        self._tensors = [tensor_called(model.graph, layer) for layer in layers]
        self._input, self._logits, self._batch = model.input_name, model.output_name, model.batch
        shown = with_outputs(model.graph, list(dict.fromkeys((self._logits, *self._tensors))))
        self._backend = open_backend("onnxruntime", shown.SerializeToString(), threads=threads)

    def __call__(self, images: Tensor) -> Lecture:
        """images: (batch, channel, height, width) float32, as `preprocess` makes them, or (batch, neuron), any number, on the CPU.

        They are run at once, those of a file of fixed batch in chunks of its size. Raises BackendError.
        """
        runs = [self._backend.run({self._input: chunk}) for chunk in self._chunks(images.numpy())]

        def whole(name: str) -> Tensor:
            values = runs[0][name] if len(runs) == 1 else np.concatenate([run[name] for run in runs])
            return torch.from_numpy(values[: len(images)])

        features = {layer: whole(tensor) for layer, tensor in zip(self.layers, self._tensors, strict=True)}
        return Lecture(logits=whole(self._logits), features=features)

    def _chunks(self, values: Float32) -> Iterator[Float32]:
        """`values` as the graph takes them; the last chunk is filled up with copies of the last image."""
        values = np.ascontiguousarray(values)
        if self._batch < 0:
            yield values
            return
        missing = -len(values) % self._batch
        padded = np.concatenate([values, values[-1:].repeat(missing, 0)]) if missing else values
        yield from np.split(padded, len(padded) // self._batch)


def open_teacher(
    source: str, layers: Sequence[str] = (), *, options: FileOptions = NOTHING_SAID, threads: int | None = None
) -> OnnxTeacher:
    """source, options: as edgeneuro.export.source.load_source takes them: checkpoint folder, name in the model table,
    FILE.onnx. layers: names of tensors or nodes of its float graph. Raises what load_source raises; UsageError naming the
    layers there are."""
    return OnnxTeacher(load_source(source, options), layers, threads=threads)


def preprocess_of(model: FloatModel) -> Preprocess:
    """How the teacher wants its frames. Raises UsageError for a network that takes arrays."""
    if model.preprocess is None:
        raise UsageError(f"teacher {model.name}: takes arrays, expected a network that takes frames")
    return model.preprocess


def tensor_called(graph: onnx.ModelProto, layer: str) -> str:
    """The tensor `layer`, or the first output of the node of that name. Raises UsageError naming what there is."""
    nodes = [node for node in graph.graph.node if node.output]
    by_name = {node.name: node.output[0] for node in nodes}
    by_name |= {name: name for node in nodes for name in node.output if name}
    if layer not in by_name:
        near = get_close_matches(layer, by_name, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(dict.fromkeys(by_name.values()))
        raise UsageError(f"teacher's layer {layer!r}: is not in its graph; {hint}expected a node or one of {known}")
    return str(by_name[layer])
