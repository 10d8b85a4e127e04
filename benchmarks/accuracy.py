"""Accuracy of an engine, a checkpoint or an ONNX file on labelled frames it has never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeneuro.benchmarks.mask_scoring import MaskLevel, score_masks
from edgeneuro.benchmarks.predictors import FrameResult, Predictor
from edgeneuro.benchmarks.scoring import Level, Probabilities, score_levels
from edgeneuro.data.leakage import leak_statement, unseen
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError, ModelFileError, UsageError
from edgeneuro.export.outcomes import Collector, Outcomes
from edgeneuro.manifest import DataIdentity, Task
from edgeneuro.metrics import CORRELATION, LEVEL, RESAMPLES
from edgeneuro.records import to_json
from edgeneuro.spec import Array

SCHEMA = 2
"""2: the task, curves, segmentations, and drops by another method than the bootstrap."""
Track = Callable[[Sequence[Sample]], Iterable[Sample]]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows not used. frames, groups: used for training, validation or calibration. unlabelled: frames without a label.
    dropped: reason -> rows that the data set itself left out."""

    frames: int
    groups: int
    unlabelled: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The document that `evaluate --json` prints, but for `schema` and `bootstrap`.

    protocol: of the split the model was trained with, None where it has none. levels: of a classifier; mask_levels: of a
    segmentation; in the document both are `levels`. frame_flags: flag -> frames that raised it in any graph.
    """

    kind: str
    name: str
    model: str
    task: Task
    classes: tuple[str, ...]
    primary_metric: str
    data: DataIdentity
    protocol: Literal["grouped", "leaky"] | None
    left_out: LeftOut
    levels: tuple[Level, ...]
    mask_levels: tuple[MaskLevel, ...] = ()
    flags: tuple[str, ...]
    frame_flags: Mapping[str, int]
    notes: tuple[str, ...]
    seed: int

    def document(self) -> dict[str, Any]:
        """JSON, as docs/schemas/evaluate.schema.json describes it."""
        return {
            "schema": SCHEMA,
            "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "unit": "group", "seed": self.seed},
            "correlation": CORRELATION,
            **{key: value for key, value in to_json(self).items() if key not in ("seed", "mask_levels")},
            "levels": to_json(self.levels or self.mask_levels),
        }


def evaluate(
    predictor: Predictor, dataset: DataSet, *, by: str | None = None, seed: int = 0, track: Track = iter
) -> Evaluation:
    """Score every graph of `predictor` on the groups of `dataset` unseen in training, validation and calibration.

    by: column that puts frames together into exam units, scored beside the frames. seed: of the resamples.
    track: wraps the samples to show progress. Raises DataError, and FrameError for a frame that cannot be read:
    a score over part of the frames would not be what was asked for.
    """
    if predictor.task == "tensors":
        raise UsageError(
            f"{predictor.name}: gives tensors, of which no label says whether they are right; expected a class or a mask"
        )
    matched_classes(predictor, dataset)
    labelled = dataset
    if predictor.task == "classification":
        labelled = dataset.subset([sample for sample in dataset.samples if sample.target is not None])
    if not labelled.samples:
        raise DataError(f"{dataset.name}: has no labelled frames, expected at least one; check the label column")
    left = None if predictor.split is None else unseen(labelled, predictor.split)
    used = labelled.samples if left is None else left.dataset.samples
    if by is not None:
        used[0].unit(by)  # an unknown column is refused before the work, not after
    levels: tuple[Level, ...] = ()
    mask_levels: tuple[MaskLevel, ...] = ()
    if predictor.task == "segmentation":
        outcomes, frame_flags = segment(predictor, dataset, used, track)
        mask_levels = score_masks(outcomes, by=by, seed=seed)
    else:
        tables, frame_flags = predict(predictor, dataset, used, track)
        levels = score_levels(tables, used, dataset.classes, by=by, seed=seed)
    leak = None if predictor.split is None else leak_statement(dataset, predictor.split)
    return Evaluation(
        kind=predictor.kind,
        name=predictor.name,
        model=predictor.model,
        task=predictor.task,
        classes=dataset.classes,
        primary_metric=predictor.primary_metric,
        data=DataIdentity.of(dataset.subset(used)),
        protocol=None if predictor.split is None else predictor.split.protocol,
        left_out=LeftOut(
            frames=0 if left is None else left.left_out,
            groups=0 if left is None else left.left_out_groups,
            unlabelled=len(dataset) - len(labelled),
            dropped=dict(dataset.dropped),
        ),
        levels=levels,
        mask_levels=mask_levels,
        flags=(*predictor.flags, *(() if leak is None else ("leaky_protocol",))),
        frame_flags=frame_flags,
        notes=(*predictor.notes, *(() if leak is None else (leak,))),
        seed=seed,
    )


def matched_classes(predictor: Predictor, dataset: DataSet) -> tuple[str, ...]:
    """The model's classes, once they are known to be the data set's. Raises DataError naming both."""
    if dataset.has_masks != (predictor.task == "segmentation"):
        raise DataError(
            f"{dataset.name}: has {'masks' if dataset.has_masks else 'one label a frame'}, {predictor.name} is a "
            f"{predictor.task}; give data of its task"
        )
    if not dataset.classes:
        raise DataError(f"{dataset.name}: has no labels, expected a label for each frame; give --label-column")
    classes = dataset.classes if predictor.classes is None else predictor.classes
    numbered = predictor.task == "segmentation"  # a mask holds numbers, so their order counts as well
    if set(classes) != set(dataset.classes) or (numbered and classes != dataset.classes):
        raise DataError(
            f"{predictor.name}: knows the classes {', '.join(classes)}, but {dataset.name} has "
            f"{', '.join(dataset.classes)}; evaluate on data of the same classes, or train on these"
        )
    return classes


def predict(
    predictor: Predictor, dataset: DataSet, samples: Sequence[Sample], track: Track = iter
) -> tuple[dict[str, Probabilities], dict[str, int]]:
    """Every graph on `samples`: graph -> (frame, class), columns as in dataset.classes; flag -> frames that raised it.

    Raises DataError for other classes, FrameError for a frame that cannot be read.
    """
    classes = matched_classes(predictor, dataset)
    rows: dict[str, list[Probabilities]] = {name: [] for name in predictor.graphs}
    flags: Counter[str] = Counter()
    for sample in track(samples):
        frame = dataset.read(sample)
        results = {name: graph(frame) for name, graph in predictor.graphs.items()}
        flags.update(set().union(*(result.flags for result in results.values())))
        for name, result in results.items():
            rows[name].append(_checked(predictor, result, len(classes)))
    order = [classes.index(name) for name in dataset.classes]
    return {name: np.array(found)[:, order] for name, found in rows.items()}, dict(sorted(flags.items()))


def segment(
    predictor: Predictor, dataset: DataSet, samples: Sequence[Sample], track: Track = iter
) -> tuple[Outcomes, dict[str, int]]:
    """Every graph of a segmentation on `samples`, scored; flag -> frames that raised it.

    Raises FrameError, DataError and ShapeError for a frame or a mask that cannot be used.
    """
    collected = Collector("segmentation", dataset, dataset.classes, tuple(predictor.graphs))
    flags: Counter[str] = Counter()
    for sample in track(samples):
        frame = dataset.read(sample)
        results = {name: graph(frame) for name, graph in predictor.graphs.items()}
        flags.update(set().union(*(result.flags for result in results.values())))
        collected.add(sample, {name: {"mask": _mask(predictor, result)} for name, result in results.items()})
    return collected.outcomes(), dict(sorted(flags.items()))


def _mask(predictor: Predictor, result: FrameResult) -> Array:
    if result.mask is None:
        raise ModelFileError(f"{predictor.name}: gives no mask; expected (batch, class, height, width) logits")
    return result.mask


def _checked(predictor: Predictor, result: FrameResult, classes: int) -> Probabilities:
    if len(result.probabilities) != classes:
        raise ModelFileError(
            f"{predictor.name}: gives {len(result.probabilities)} outputs, but the data set has {classes} classes; "
            "evaluate on data of the model's classes"
        )
    return result.probabilities
