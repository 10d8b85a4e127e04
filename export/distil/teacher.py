"""Any network that can be exported as a teacher: it runs in ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from edgeneuro.data.split import Split
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.teaching import Lecture


class OnnxTeacher:
    """Made by `open_teacher`. layers: tensors of its graph that it gives beside the logits. split: what it learnt from, None
    where unknown. Implements edgeneuro.training.teaching.Teacher."""

    identity: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    layers: tuple[str, ...]
    split: Split | None

    def __call__(self, images: Tensor) -> Lecture:
        """images: (batch, channel, height, width) float32, as `preprocess` makes them."""
        raise NotImplementedError


def open_teacher(source: str, layers: Sequence[str] = (), *, threads: int | None = None) -> OnnxTeacher:
    """source: as edgeneuro.export.source.load_source takes it: checkpoint folder, name in the model table, FILE.onnx. layers:
    names of tensors or nodes of its float graph. Raises what load_source raises; UsageError naming the layers there are."""
    raise NotImplementedError
