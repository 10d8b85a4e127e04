"""Graphs that answer from a list: one frame's input is its number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.export.outcomes import Baseline
from edgeneuro.manifest import Task
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Array, Feed, Frame, TensorSpec


class Listed:
    """A backend whose answer to frame i is answers[i]."""

    def __init__(self, answers: Sequence[Array]) -> None:
        self.answers = answers
        axes = ("batch", *(f"axis {i}" for i in range(answers[0].ndim)))
        self.inputs: tuple[TensorSpec, ...] = (
            TensorSpec(name="number", shape=(1,), axes=("batch",), dtype="int64", unit="frame"),
        )
        self.outputs: tuple[TensorSpec, ...] = (
            TensorSpec(name="out", shape=(1, *answers[0].shape), axes=axes, dtype="float32", unit="logit"),
        )

    def run(self, feed: Feed) -> dict[str, Array]:
        return {"out": self.answers[int(feed["number"][0])][None]}

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        return map(self.run, feeds)

    def close(self) -> None:
        return None


def classifier(predicted: Sequence[int] | Array, classes: int = 2) -> Listed:
    """Certain of the given classes."""
    return Listed([4.0 * np.eye(classes, dtype=np.float32)[int(one)] for one in predicted])


def dataset(
    targets: Sequence[int | None] | Array,
    groups: Sequence[str],
    *,
    classes: Sequence[str] = ("healthy", "ill"),
    masks: Sequence[Array] | None = None,
    visits: Sequence[str] | None = None,
) -> DataSet:
    samples = tuple(
        Sample(
            source=str(i),
            index=0,
            target=None if target is None else int(target),
            group=groups[i],
            tags={} if visits is None else {"visit": visits[i]},
        )
        for i, target in enumerate(targets)
    )

    def read(_: Sample) -> Frame:
        raise AssertionError("feeds are given; no frame is read")

    reader = None if masks is None else (lambda sample: masks[int(sample.source)])
    return DataSet(name="listed", classes=tuple(classes), samples=samples, reader=read, mask_reader=reader)


def baseline(data: DataSet, reference: Backend, task: Task = "classification") -> Baseline:
    feeds = [{"number": np.array([i])} for i in range(len(data))]
    return Baseline.of(reference, data, feeds, task=task, classes=data.classes, reference="model.onnx")
