"""Accuracy of an engine, a checkpoint or an ONNX file on labelled frames it has never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeneuro.benchmarks.predictors import FrameResult, Predictor
from edgeneuro.benchmarks.scoring import Level, Probabilities, score_levels
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError, ModelFileError
from edgeneuro.manifest import DataIdentity
from edgeneuro.metrics import LEVEL, RESAMPLES
from edgeneuro.records import to_json

SCHEMA = 1
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

    protocol: of the split the model was trained with, None where it has none. frame_flags: flag -> frames that
    raised it in any graph.
    """

    kind: str
    name: str
    model: str
    classes: tuple[str, ...]
    primary_metric: str
    data: DataIdentity
    protocol: Literal["grouped", "leaky"] | None
    left_out: LeftOut
    levels: tuple[Level, ...]
    flags: tuple[str, ...]
    frame_flags: Mapping[str, int]
    notes: tuple[str, ...]
    seed: int

    def document(self) -> dict[str, Any]:
        """JSON, as docs/schemas/evaluate.schema.json describes it."""
        return {
            "schema": SCHEMA,
            "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "unit": "group", "seed": self.seed},
            **{key: value for key, value in to_json(self).items() if key != "seed"},
        }


def evaluate(
    predictor: Predictor, dataset: DataSet, *, by: str | None = None, seed: int = 0, track: Track = iter
) -> Evaluation:
    """Score every graph of `predictor` on the groups of `dataset` unseen in training, validation and calibration.

    by: column that puts frames together into exam units, scored beside the frames. seed: of the resamples.
    track: wraps the samples to show progress. Raises DataError, and FrameError for a frame that cannot be read:
    a score over part of the frames would not be what was asked for.
    """
    classes = matched_classes(predictor, dataset)
    labelled = [sample for sample in dataset.samples if sample.target is not None]
    used = labelled if predictor.split is None else list(predictor.split.unseen(labelled))
    _require_frames(predictor, dataset, labelled, used)
    if by is not None:
        used[0].unit(by)  # an unknown column is refused before the work, not after
    tables, frame_flags = predict(predictor, dataset, used, len(classes), track)
    order = [classes.index(name) for name in dataset.classes]  # class number of the data -> of the model
    in_data_order = {name: table[:, order] for name, table in tables.items()}
    leaky = predictor.split is not None and predictor.split.protocol == "leaky"
    return Evaluation(
        kind=predictor.kind,
        name=predictor.name,
        model=predictor.model,
        classes=dataset.classes,
        primary_metric=predictor.primary_metric,
        data=DataIdentity(
            name=dataset.name,
            licence=dataset.licence,
            simulated=dataset.simulated,
            frames=len(used),
            groups=_groups(used),
        ),
        protocol=None if predictor.split is None else predictor.split.protocol,
        left_out=LeftOut(
            frames=len(labelled) - len(used),
            groups=len({s.group for s in labelled} - {s.group for s in used}),
            unlabelled=len(dataset) - len(labelled),
            dropped=dict(dataset.dropped),
        ),
        levels=score_levels(in_data_order, used, dataset.classes, by=by, seed=seed),
        flags=(*predictor.flags, *(("leaky_protocol",) if leaky else ())),
        frame_flags=frame_flags,
        notes=(*predictor.notes, *((LEAKY_NOTE,) if leaky else ())),
        seed=seed,
    )


LEAKY_NOTE = (
    "Leaky protocol: the split was by frame, so frames of the same group were seen in training; "
    "these numbers compare with published ones only and say nothing about new patients."
)


def matched_classes(predictor: Predictor, dataset: DataSet) -> tuple[str, ...]:
    """The model's classes, once they are known to be the data set's. Raises DataError naming both."""
    if not dataset.classes:
        raise DataError(f"{dataset.name}: has no labels, expected a label for each frame; give --label-column")
    classes = dataset.classes if predictor.classes is None else predictor.classes
    if set(classes) != set(dataset.classes):
        raise DataError(
            f"{predictor.name}: knows the classes {', '.join(classes)}, but {dataset.name} has "
            f"{', '.join(dataset.classes)}; evaluate on data of the same classes, or train on these"
        )
    return classes


def _require_frames(predictor: Predictor, dataset: DataSet, labelled: Sequence[Sample], used: Sequence[Sample]) -> None:
    if not labelled:
        raise DataError(f"{dataset.name}: has no labelled frames, expected at least one; check the label column")
    if not used:
        raise DataError(
            f"{dataset.name}: all {len(labelled)} labelled frames are of groups that {predictor.name} has seen in "
            "training, validation or calibration; evaluate on the test part of its data set, or on other data"
        )


def predict(
    predictor: Predictor, dataset: DataSet, samples: Sequence[Sample], classes: int, track: Track
) -> tuple[dict[str, Probabilities], dict[str, int]]:
    """Probabilities of each graph, (frame, class) in the model's order, and how many frames raised each flag."""
    rows: dict[str, list[Probabilities]] = {name: [] for name in predictor.graphs}
    flags: Counter[str] = Counter()
    for sample in track(samples):
        frame = dataset.read(sample)
        results = {name: graph(frame) for name, graph in predictor.graphs.items()}
        flags.update(set().union(*(result.flags for result in results.values())))
        for name, result in results.items():
            rows[name].append(_checked(predictor, result, classes))
    return {name: np.array(found) for name, found in rows.items()}, dict(sorted(flags.items()))


def _checked(predictor: Predictor, result: FrameResult, classes: int) -> Probabilities:
    if len(result.probabilities) != classes:
        raise ModelFileError(
            f"{predictor.name}: gives {len(result.probabilities)} outputs, but the data set has {classes} classes; "
            "evaluate on data of the model's classes"
        )
    return result.probabilities


def _groups(samples: Sequence[Sample]) -> int:
    return len({sample.group for sample in samples})
