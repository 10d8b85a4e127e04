"""What every graph of a bundle says about the same frames: run once, read by accuracy, gate and the choice of layers.

The float graph runs first (Baseline); every other graph runs beside it (Outcomes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.manifest import DataIdentity, Task
from edgeneuro.metrics import MaskScores, aggregate, mask_scores, mean_of_classes, mean_of_units
from edgeneuro.metrics.tubes import tolerant_overlap
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.postprocess import class_mask, softmax
from edgeneuro.spec import Array, Feed

FRAME = "frame"
LINE_RADIUS = 2
"""Voxels from a found centre line within which a labelled one counts as found."""
Floats = NDArray[np.float64]
Answer = Mapping[str, Array]
"""Of one graph to one frame: "probabilities" (class,), or "mask" ([depth,] height, width), or every output by its own
name."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """All graphs on the same frames, the reference (float) graph first.

    unit: FRAME, or the column by which frames were put together. samples: one a unit. classes: of a segmentation with
    the background. labelled: whether every frame has its class or its mask. probabilities: of classifiers, graph ->
    (unit, class). dice, iou: of segmentations with masks, graph -> (unit, class) without the background, NaN for a
    class in neither mask. tolerant_recall: of tiles with neurites alone (`guards_lines`), graph -> (unit,), share of the
    labelled centre line within LINE_RADIUS of the found one, NaN where the label mask holds none. present: (unit, class),
    whether the label mask holds the class. agreement: graph -> (unit,) with the reference graph, 0..1: same class; Dice of
    the two masks; for tensors 1 - |difference| / |reference|.
    """

    task: Task
    unit: str
    data: DataIdentity
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    reference: str
    labelled: bool
    agreement: Mapping[str, Floats]
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    dice: Mapping[str, Floats] = field(default_factory=dict)
    iou: Mapping[str, Floats] = field(default_factory=dict)
    tolerant_recall: Mapping[str, Floats] = field(default_factory=dict)
    present: NDArray[np.bool_] | None = None

    @property
    def graphs(self) -> tuple[str, ...]:
        """The reference, then the others."""
        return tuple(self.agreement)

    @property
    def others(self) -> tuple[str, ...]:
        """All graphs but the reference."""
        return tuple(path for path in self.agreement if path != self.reference)

    @property
    def groups(self) -> list[str]:
        """One a unit."""
        return [sample.group for sample in self.samples]

    @property
    def targets(self) -> NDArray[np.int64]:
        """(unit,) class numbers of labelled frames."""
        return np.array([sample.target for sample in self.samples], np.int64)

    def subset(self, rows: Sequence[int]) -> Outcomes:
        """Only these units, by number."""
        taken = list(rows)

        def of(tables: Mapping[str, Floats]) -> dict[str, Floats]:
            return {path: table[taken] for path, table in tables.items()}

        return replace(
            self,
            samples=tuple(self.samples[row] for row in taken),
            agreement=of(self.agreement),
            probabilities=of(self.probabilities),
            dice=of(self.dice),
            iou=of(self.iou),
            tolerant_recall=of(self.tolerant_recall),
            present=None if self.present is None else self.present[taken],
        )

    def by(self, column: str) -> Outcomes:
        """Frames put together: one value of `column` ("group" for the group itself) within one group is one unit, with
        the mean of its frames' probabilities, or of their scores. Raises DataError for an unknown column, or for a
        unit with two labels."""
        units = [f"{sample.group} / {sample.unit(column)}" for sample in self.samples]
        first = mean_of_units(np.zeros(len(units)), units)[2]
        exams = replace(self, unit=column, samples=tuple(self.samples[i] for i in first))
        if self.task == "classification":
            targets = self.targets if self.labelled else np.zeros(len(units), np.int64)
            tables = {
                path: aggregate(table, targets, units).probabilities for path, table in self.probabilities.items()
            }
            return replace(exams, probabilities=tables, agreement=_same_class(tables, self.reference))

        def means(tables: Mapping[str, Floats]) -> dict[str, Floats]:
            return {path: mean_of_units(table, units)[1] for path, table in tables.items()}

        return replace(
            exams,
            agreement=means(self.agreement),
            dice=means(self.dice),
            iou=means(self.iou),
            tolerant_recall=means(self.tolerant_recall),
            present=None if self.present is None else mean_of_units(self.present.astype(np.float64), units)[1] > 0,
        )


class Collector:
    """Takes every graph's answer frame by frame and keeps what scores need, so that no mask outlives its frame."""

    def __init__(self, task: Task, data: DataSet, classes: Sequence[str], graphs: Sequence[str]) -> None:
        """graphs: the reference first."""
        self._task, self._data, self._classes, self._graphs = task, data, tuple(classes), tuple(graphs)
        self._samples: list[Sample] = []
        self._probabilities: dict[str, list[Array]] = {path: [] for path in graphs}
        self._agreement: dict[str, list[float]] = {path: [] for path in graphs}
        self._masks: dict[str, list[MaskScores]] = {path: [] for path in graphs}
        self._lines: dict[str, list[float]] = {path: [] for path in graphs if guards_lines(data, self._classes)}

    def add(self, sample: Sample, answers: Mapping[str, Answer]) -> None:
        """answers: of each graph to `sample`. Raises FrameError, DataError, ShapeError for its mask."""
        self._samples.append(sample)
        expected = answers[self._graphs[0]]
        truth = self._data.mask(sample) if self._task == "segmentation" and self._data.has_masks else None
        for path, found in answers.items():
            if self._task == "classification":
                self._probabilities[path].append(found["probabilities"])
            elif self._task == "segmentation":
                self._agreement[path].append(self._overlap(expected["mask"], found["mask"]))
            else:
                self._agreement[path].append(_closeness(found, expected))
            if truth is not None:
                own = resized(found["mask"], truth.shape)
                self._masks[path].append(mask_scores(truth, own, len(self._classes)))
                if path in self._lines:
                    self._lines[path].append(_tolerant_recall(truth, own))

    def leave_out(self, graph: str) -> None:
        """Forget a graph, not the reference, that could not answer every frame."""
        self._graphs = tuple(path for path in self._graphs if path != graph)
        for table in (self._probabilities, self._agreement, self._masks, self._lines):
            table.pop(graph, None)

    def outcomes(self) -> Outcomes:
        """Of all frames added so far, at least one."""
        reference = self._graphs[0]
        data = self._data.subset(self._samples)
        agreement = {path: np.array(values) for path, values in self._agreement.items()}
        bare = Outcomes(
            task=self._task,
            unit=FRAME,
            data=DataIdentity.of(data),
            samples=data.samples,
            classes=self._classes,
            reference=reference,
            labelled=False,
            agreement=agreement,
        )
        if self._task == "classification":
            labelled = all(sample.target is not None for sample in self._samples)
            tables = {path: np.stack(rows) for path, rows in self._probabilities.items()}
            return replace(bare, labelled=labelled, probabilities=tables, agreement=_same_class(tables, reference))
        if self._task == "tensors" or not data.has_masks:
            return bare
        return replace(
            bare,
            labelled=True,
            dice={path: np.stack([one.dice for one in rows]) for path, rows in self._masks.items()},
            iou={path: np.stack([one.iou for one in rows]) for path, rows in self._masks.items()},
            tolerant_recall={path: np.array(shares) for path, shares in self._lines.items()},
            present=np.stack([one.present for one in self._masks[reference]]),
        )

    def _overlap(self, expected: Array, found: Array) -> float:
        return float(mean_of_classes(mask_scores(expected, found, len(self._classes)).dice))


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The float graph's answers to some frames, kept so that other graphs can be run beside it one after the other.

    data: feeds[i] is made of data.samples[i]. classes: the model's. reference: the float graph's member path.
    """

    task: Task
    data: DataSet
    classes: tuple[str, ...]
    feeds: Sequence[Feed]
    reference: str
    answers: tuple[Answer, ...]

    @classmethod
    def of(
        cls,
        backend: Backend,
        data: DataSet,
        feeds: Sequence[Feed],
        *,
        task: Task,
        classes: Sequence[str],
        reference: str,
    ) -> Baseline:
        """Run the float graph. Raises DataError unless there is one feed a frame, and at least one."""
        if len(feeds) != len(data) or not feeds:
            raise DataError(
                f"{data.name}: got {len(feeds)} inputs for {len(data)} frames, expected one each, at least one"
            )
        answers = tuple(answer(backend, feed, task) for feed in feeds)
        return cls(task=task, data=data, classes=tuple(classes), feeds=feeds, reference=reference, answers=answers)

    def beside(self, backends: Mapping[str, Backend]) -> Outcomes:
        """Run `backends`, member path -> graph, on the same frames. Raises DataError, ShapeError, FrameError."""
        collected = Collector(self.task, self.data, self.classes, (self.reference, *backends))
        for sample, feed, expected in zip(self.data.samples, self.feeds, self.answers, strict=True):
            found = {path: answer(backend, feed, self.task) for path, backend in backends.items()}
            collected.add(sample, {self.reference: expected, **found})
        return collected.outcomes()


def answer(backend: Backend, feed: Feed, task: Task) -> Answer:
    """One frame, as on the device. Raises BackendError."""
    return answer_of(backend.run(feed), backend.outputs[0].name, task)


def answer_of(outputs: Mapping[str, Array], name: str, task: Task) -> Answer:
    """What `outputs`, of one frame, say. name: of the first output. Raises BackendError for NaN or infinite logits."""
    first = outputs[name]
    if task == "classification":
        return {"probabilities": softmax(first)[0].astype(np.float64)}
    if task == "segmentation":
        return {"mask": class_mask(first[0])}
    return outputs


def guards_lines(data: DataSet, classes: Sequence[str]) -> bool:
    """Whether centre lines are compared: tiles with masks of one kind of thing, as the networks for neurites take them, where
    scikit-image is installed to thin the masks."""
    return data.tile is not None and data.has_masks and len(classes) == 2 and find_spec("skimage") is not None


def _tolerant_recall(truth: Array, found: Array) -> float:
    """0..1, NaN where the truth holds no centre line."""
    lines = tolerant_overlap(truth, found, (LINE_RADIUS,))[LINE_RADIUS]
    return lines.recall if lines.labelled else float("nan")


def resized(mask: Array, shape: tuple[int, ...]) -> Array:
    """(height, width) class numbers at another size, each pixel taking the class of the nearest one."""
    if mask.shape == shape:
        return mask
    larger: Array = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return larger


def _same_class(tables: Mapping[str, Floats], reference: str) -> dict[str, Floats]:
    expected = tables[reference].argmax(axis=1)
    return {path: (table.argmax(axis=1) == expected).astype(np.float64) for path, table in tables.items()}


def _closeness(got: Answer, expected: Answer) -> float:
    """1 - |got - expected| / |expected| over all outputs of one frame together (Euclidean), at least 0."""
    error = sum(float(((got[name].astype(np.float64) - values) ** 2).sum()) for name, values in expected.items())
    size = sum(float((values.astype(np.float64) ** 2).sum()) for values in expected.values())
    if error == 0.0:
        return 1.0
    return max(0.0, 1.0 - float(np.sqrt(error / size))) if size > 0 else 0.0
