"""Accuracy of every row of a benchmark: each frame is read and preprocessed once, and all rows answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgeneuro.benchmarks.accuracy import matched_classes
from edgeneuro.benchmarks.document import AccuracyRecord, Subgroup
from edgeneuro.benchmarks.measure.output_error import OutputErrors, check_outputs
from edgeneuro.benchmarks.measure.subgroups import by_subgroup, subgroup_columns, subgroup_notes
from edgeneuro.data.leakage import leak_statement, unseen
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import BackendError, DataError, EdgeNeuroError, ShapeError
from edgeneuro.export.accuracy import AGREEMENT, agreement, drop, score_interval
from edgeneuro.export.outcomes import Collector, Outcomes, answer_of
from edgeneuro.feeds import make_feed
from edgeneuro.manifest import Manifest
from edgeneuro.metrics import confusion_matrix
from edgeneuro.spec import Array, Feed, Item

Answers = Mapping[str, Array]
"""Every output by the manifest's name, batch axis included."""
RowFunction = Callable[[Feed], Answers]
Track = Callable[[Sequence[Sample]], Iterable[Sample]]
Failed = Callable[[str, EdgeNeuroError], None]


@dataclass(frozen=True, kw_only=True)
class JudgedFrames:
    """What rows are judged on. data: only frames of unseen groups, class numbers as in the manifest. labelled: whether
    each has a class or a mask of the network's task. protocol: of the split the network was trained with."""

    data: DataSet
    labelled: bool
    protocol: Literal["grouped", "leaky"] | None
    notes: tuple[str, ...]


def judge_rows(
    manifest: Manifest,
    dataset: DataSet,
    rows: Mapping[str, RowFunction],
    *,
    reference: str,
    subgroups: Sequence[str] | None,
    seed: int,
    track: Track = iter,
    failed: Failed | None = None,
) -> dict[str, AccuracyRecord]:
    """Row -> what it is worth on groups of `dataset` unseen in training, validation and calibration.

    rows: name -> one frame's inputs to its outputs. reference: name of the float row. subgroups: columns, None takes those
    that the data set declares. seed: of the resamples. track: wraps the samples to show progress. failed: told of a row
    other than the reference that cannot answer a frame; it has no record then. Without it such a row ends the work.

    Without labels, and for a network whose outputs no label can judge, records hold agreement and output error only.
    Raises DataError (labels of another task or other classes, no unseen frames, an unknown column), FrameError for a
    frame that cannot be read, BackendError and ShapeError for a row that fails.
    """
    frames = judged_frames(manifest, dataset)
    columns = subgroup_columns(frames.data, subgroups) if frames.labelled else {}
    ordered = {reference: rows[reference], **rows}
    outcomes, errors = _run(manifest, frames.data, ordered, track, failed)
    metric = manifest.primary_metric if outcomes.labelled else AGREEMENT
    divided = by_subgroup(outcomes, columns, metric=metric, seed=seed) if columns else {}
    return {
        row: _record(outcomes, row, metric, errors, frames, divided.get(row, ()), seed)
        for row in rows
        if row in outcomes.graphs
    }


def judge_notes(manifest: Manifest, dataset: DataSet, *, subgroups: Sequence[str] | None = None) -> tuple[str, ...]:
    """What a reader of `judge_rows` must know: frames left out, a leaky split, subgroups too small to tell. Reads no frame.
    Raises DataError."""
    frames = judged_frames(manifest, dataset)
    if not frames.labelled:
        return frames.notes
    columns = subgroup_columns(frames.data, subgroups)
    classes = manifest.classes if manifest.task == "classification" else ()
    return (*frames.notes, *subgroup_notes(frames.data.samples, classes, columns))


def judged_frames(manifest: Manifest, dataset: DataSet) -> JudgedFrames:
    """Raises DataError: labels of another task or other classes, or nothing left."""
    notes, dataset = [], manifest.seen(dataset)
    labelled = manifest.task != "tensors" and bool(dataset.classes)
    data = dataset
    if labelled:
        matched_classes(manifest.model, manifest.task, manifest.classes, dataset)
    if labelled and manifest.task == "classification":
        data = renumbered(dataset, manifest.classes)
        if len(data) < len(dataset):
            notes.append(f"{len(dataset) - len(data)} frames of {dataset.name} have no label and were left out.")
    if not data.samples:
        raise DataError(f"{dataset.name}: has no frames to judge by, expected at least one; give another --data")
    if not labelled:
        notes.append(
            f"{_why_unlabelled(manifest, dataset)}: rows are compared with the float row only, and not by subgroup."
        )
    if manifest.split is None:
        notes.append("The engine does not say what it was trained on: all frames were used, seen or not.")
        return JudgedFrames(data=data, labelled=labelled, protocol=None, notes=tuple(notes))
    left = unseen(data, manifest.split)
    leak = leak_statement(data, manifest.split)
    notes += [] if left.left_out == 0 else [f"{dataset.name}: {left.summary}."]
    notes += [] if leak is None else [leak]
    return JudgedFrames(data=left.dataset, labelled=labelled, protocol=manifest.split.protocol, notes=tuple(notes))


def _why_unlabelled(manifest: Manifest, dataset: DataSet) -> str:
    if manifest.task == "tensors":
        return f"{manifest.model} gives tensors, of which no label says whether they are right"
    return f"{dataset.name} has no labels"


def renumbered(dataset: DataSet, classes: tuple[str, ...]) -> DataSet:
    """Its labelled frames, class numbers as in `classes`, which has the same names."""
    samples = [
        replace(sample, target=classes.index(dataset.classes[sample.target]))
        for sample in dataset.samples
        if sample.target is not None
    ]
    return replace(dataset, classes=classes, samples=tuple(samples))


def _run(
    manifest: Manifest, data: DataSet, rows: Mapping[str, RowFunction], track: Track, failed: Failed | None
) -> tuple[Outcomes, OutputErrors]:
    """rows: the reference first. Rows that fail are missing in what is returned."""
    reference = next(iter(rows))
    names = [spec.name for spec in manifest.outputs]
    collected = Collector(manifest.task, data, manifest.classes, tuple(rows))
    errors = OutputErrors(names)
    running = dict(rows)
    for sample in track(data.samples):
        feed = make_feed(manifest.inputs, manifest.preprocess, _item(manifest, data, sample))
        outputs: dict[str, Answers] = {}
        answers: dict[str, Answers] = {}
        for row, run in tuple(running.items()):
            try:
                found = run(feed)
                check_outputs(row, found, outputs.get(reference, found), names)
                answers[row], outputs[row] = answer_of(found, names[0], manifest.task), found
            except (BackendError, ShapeError) as error:
                if failed is None or row == reference:
                    raise type(error)(f"{row}: at {sample.source}: {error}") from error
                failed(row, error)
                running.pop(row)
                collected.leave_out(row)
        collected.add(sample, answers)
        errors.add(outputs.pop(reference), outputs)
    return collected.outcomes(), errors


def _item(manifest: Manifest, data: DataSet, sample: Sample) -> Item:
    """Pixels where the network takes frames, else arrays."""
    return data.item(sample) if manifest.preprocess is None else data.read(sample)


def _record(
    outcomes: Outcomes,
    row: str,
    metric: str,
    errors: OutputErrors,
    frames: JudgedFrames,
    subgroups: tuple[Subgroup, ...],
    seed: int,
) -> AccuracyRecord:
    other = row != outcomes.reference
    return AccuracyRecord(
        data=outcomes.data.name,
        protocol=frames.protocol,
        frames=outcomes.data.frames,
        groups=outcomes.data.groups,
        metric=metric,
        value=score_interval(outcomes, row, metric, seed) if outcomes.labelled else None,
        drop_points=drop(outcomes, row, metric).interval() if outcomes.labelled and other else None,
        agreement=agreement(outcomes, row) if other else None,
        output_error=errors.of(row) if other else None,
        classes=outcomes.classes,
        confusion=_confusion(outcomes, row),
        subgroups=subgroups,
        unit="frame" if frames.data.tile is None else "tile",
    )


def _confusion(outcomes: Outcomes, row: str) -> tuple[tuple[int, ...], ...]:
    if outcomes.task != "classification" or not outcomes.labelled:
        return ()
    predicted = outcomes.probabilities[row].argmax(axis=1)
    counts = confusion_matrix(outcomes.targets, predicted, len(outcomes.classes))
    return tuple(tuple(map(int, line)) for line in counts)
