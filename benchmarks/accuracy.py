"""Accuracy of an engine, a checkpoint or an ONNX file on labelled frames it has never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeneuro.benchmarks.document import Subgroup
from edgeneuro.benchmarks.mask_scoring import MaskLevel, score_masks
from edgeneuro.benchmarks.measure.subgroups import by_subgroup, classifier_outcomes, subgroup_columns, subgroup_notes
from edgeneuro.benchmarks.predictors import FrameResult, Predictor
from edgeneuro.benchmarks.scoring import Level, Probabilities, score_levels
from edgeneuro.data.leakage import leak_statement, unseen
from edgeneuro.data.recordings.session import refuse_other_session
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
    segmentation; in the document both are `levels`. subgroups: graph -> the primary metric by column and value, of frames.
    frame_flags: flag -> frames that raised it in any graph.
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
    subgroups: Mapping[str, tuple[Subgroup, ...]]
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
    predictor: Predictor,
    dataset: DataSet,
    *,
    by: str | None = None,
    subgroups: Sequence[str] | None = None,
    seed: int = 0,
    track: Track = iter,
) -> Evaluation:
    """Score every graph of `predictor` on the groups of `dataset` unseen in training, validation and calibration.

    by: column that puts frames together into exam units, scored beside the frames. subgroups: columns by which frames are
    told apart; None takes those that the data set declares. seed: of the resamples. track: wraps the samples to show progress. Raises DataError, and FrameError for a frame that cannot be read:
    a score over part of the frames would not be what was asked for.
    """
    if predictor.task == "tensors":
        raise UsageError(
            f"{predictor.name}: gives tensors, of which no label says whether they are right; expected a class or a mask"
        )
    refuse_other_session(predictor.session, dataset.session, predictor.name)
    dataset = dataset.drawn_as(predictor.drawing)
    _match(predictor, dataset)
    labelled = dataset
    if predictor.task == "classification":
        labelled = dataset.subset([sample for sample in dataset.samples if sample.target is not None])
    if not labelled.samples:
        raise DataError(f"{dataset.name}: has no labelled frames, expected at least one; check the label column")
    left = None if predictor.split is None else unseen(labelled, predictor.split)
    used = labelled.samples if left is None else left.dataset.samples
    if by is not None:
        used[0].unit(by)  # an unknown column is refused before the work, not after
    columns = subgroup_columns(dataset.subset(used), subgroups)
    levels: tuple[Level, ...] = ()
    mask_levels: tuple[MaskLevel, ...] = ()
    if predictor.task == "segmentation":
        outcomes, frame_flags = segment(predictor, dataset, used, track)
        mask_levels = score_masks(outcomes, by=by, seed=seed)
    else:
        tables, frame_flags = predict(predictor, dataset, used, track)
        levels = score_levels(tables, used, dataset.classes, by=by, seed=seed)
        outcomes = classifier_outcomes(tables, dataset, used)
    divided = by_subgroup(outcomes, columns, metric=predictor.primary_metric, seed=seed) if columns else {}
    warned = subgroup_notes(used, dataset.classes if predictor.task == "classification" else (), columns)
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
        subgroups=divided,
        flags=(*predictor.flags, *(() if leak is None else ("leaky_protocol",))),
        frame_flags=frame_flags,
        notes=(*predictor.notes, *(() if leak is None else (leak,)), *warned),
        seed=seed,
    )


def matched_classes(name: str, task: Task, known: tuple[str, ...] | None, dataset: DataSet) -> tuple[str, ...]:
    """The model's classes, once they are known to be the data set's. name: of the model. known: its classes, None where
    it does not name them. Raises DataError naming both."""
    if dataset.has_masks != (task == "segmentation"):
        raise DataError(
            f"{dataset.name}: has {'masks' if dataset.has_masks else 'one label a frame'}, {name} is a {task}; give data "
            "of its task"
        )
    if not dataset.classes:
        raise DataError(f"{dataset.name}: has no labels, expected a label for each frame; give --label-column")
    classes = dataset.classes if known is None else known
    numbered = task == "segmentation"  # a mask holds numbers, so their order counts as well
    if set(classes) != set(dataset.classes) or (numbered and classes != dataset.classes):
        strange = [label for label in dataset.classes if label not in classes]
        unknown = f" ({', '.join(strange)} {'is' if len(strange) == 1 else 'are'} not known)" if strange else ""
        raise DataError(
            f"{name}: knows the classes {', '.join(classes)}, but {dataset.name} has "
            f"{', '.join(dataset.classes)}{unknown}; evaluate on data of the same classes, or train on these"
        )
    return classes


def predict(
    predictor: Predictor, dataset: DataSet, samples: Sequence[Sample], track: Track = iter
) -> tuple[dict[str, Probabilities], dict[str, int]]:
    """Every graph on `samples`: graph -> (frame, class), columns as in dataset.classes; flag -> frames that raised it.

    Raises DataError for other classes, FrameError for a frame that cannot be read.
    """
    classes = _match(predictor, dataset)
    rows: dict[str, list[Probabilities]] = {name: [] for name in predictor.graphs}
    flags: Counter[str] = Counter()
    for sample in track(samples):
        frame = dataset.item(sample) if predictor.arrays else dataset.read(sample)
        results = {name: graph(frame) for name, graph in predictor.graphs.items()}
        flags.update(set().union(*(result.flags for result in results.values())))
        for name, result in results.items():
            rows[name].append(_checked(predictor, result, len(classes)))
    order = [classes.index(name) for name in dataset.classes]
    return {name: np.array(found)[:, order] for name, found in rows.items()}, dict(sorted(flags.items()))


def _match(predictor: Predictor, dataset: DataSet) -> tuple[str, ...]:
    return matched_classes(predictor.name, predictor.task, predictor.classes, dataset)


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
