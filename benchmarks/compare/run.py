"""The same frames through several executables, in lockstep: each frame is read once, and no output outlives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.accuracy import Track
from edgeneuro.benchmarks.compare.difference import Running
from edgeneuro.benchmarks.compare.frames import Frames, frames_for
from edgeneuro.benchmarks.compare.interface import Meaning, common_meaning
from edgeneuro.benchmarks.compare.open_files import Executables, open_files
from edgeneuro.benchmarks.compare.opened import Choice, Open
from edgeneuro.benchmarks.compare.records import Compared, Comparison, Limits
from edgeneuro.benchmarks.compare.verdict import drop_judgements, is_lossy, judge_float, judge_lossy
from edgeneuro.benchmarks.measure.output_error import check_outputs
from edgeneuro.benchmarks.results import machine
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.seen import seen_by
from edgeneuro.errors import BackendError, ShapeError
from edgeneuro.export.accuracy import agreement, drop, score_interval
from edgeneuro.export.gate import worst
from edgeneuro.export.outcomes import Answer, Collector, Outcomes, answer_of
from edgeneuro.feeds import make_feed
from edgeneuro.manifest import DataIdentity, Judgement
from edgeneuro.spec import Array, Feed, TensorSpec


def compare(
    paths: Sequence[Path],
    dataset: DataSet,
    *,
    limits: Limits,
    choice: Choice | None = None,
    max_frames: int | None = None,
    seed: int = 0,
    track: Track = iter,
) -> Comparison:
    """Every executable in `paths` against the reference, on frames of `dataset` that the network has not seen, or on their tiles.

    paths: .edge files, .onnx files and checkpoint folders. max_frames: so many at most, drawn by `seed`, which is of the
    resamples too. track: wraps the samples to show progress.
    Raises InputError: a file that is none of these, files that differ in what they take, give or mean; DataError (also for another session),
    FrameError; BackendError, ShapeError where the reference fails. An executable that fails at a frame fails alone.
    """
    with ExitStack() as stack:
        executables = open_files(paths, choice or Choice(), stack)
        meaning = common_meaning(executables.interfaces)
        seen = seen_by(dataset, meaning.preprocess, session=meaning.session, what=paths[0].name)
        frames = frames_for(executables.interfaces, meaning, seen, most=max_frames, seed=seed)
        measured = _measure(executables, meaning, frames, track)
    return _comparison(executables, meaning, frames, measured, limits, seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """differences: executable -> one an output. failed: executable -> why it could not answer a frame."""

    outcomes: Outcomes
    differences: Mapping[str, Sequence[Running]]
    failed: Mapping[str, str]


def _measure(executables: Executables, meaning: Meaning, frames: Frames, track: Track) -> _Measured:
    inputs, names = executables.interfaces[0].inputs, [spec.name for spec in executables.interfaces[0].outputs]
    reference = executables.reference
    others = {one.record.name: one for one in executables.others}
    collected = Collector(meaning.task, frames.data, meaning.classes, (reference.record.name, *others))
    running = {name: [Running(output) for output in names] for name in others}
    failed: dict[str, str] = {}
    for sample in track(frames.data.samples):
        feed = _feed(inputs, meaning, frames.data, sample)
        try:
            expected = _checked(reference, feed, None, names)
            answers: dict[str, Answer] = {reference.record.name: answer_of(expected, names[0], meaning.task)}
        except (BackendError, ShapeError) as error:
            raise type(error)(f"{reference.record.name}: at {sample.source}: {error}") from error
        for name in [name for name in others if name not in failed]:
            try:
                found = _checked(others[name], feed, expected, names)
                answers[name] = answer_of(found, names[0], meaning.task)
            except (BackendError, ShapeError) as error:
                failed[name] = f"at {sample.source}: {error}"
                collected.leave_out(name)
                continue
            for output in running[name]:
                output.add(expected[output.name], found[output.name])
        collected.add(sample, answers)
    return _Measured(outcomes=collected.outcomes(), differences=running, failed=failed)


def _feed(inputs: Sequence[TensorSpec], meaning: Meaning, data: DataSet, sample: Sample) -> Feed:
    """Pixels through the network's preprocessing where it takes frames, else arrays."""
    if meaning.preprocess is not None:
        return make_feed(inputs, meaning.preprocess, data.read(sample))
    try:
        return make_feed(inputs, None, data.item(sample))
    except ShapeError as error:
        raise ShapeError(
            f"{sample.source}: {error}; nothing compared here says how a frame becomes an input, so arrays are taken as "
            "they are: give .npy or .npz files, or name an .edge file or a checkpoint as well"
        ) from error


def _checked(one: Open, feed: Feed, expected: Mapping[str, Array] | None, names: Sequence[str]) -> Mapping[str, Array]:
    """Every output, of the reference's shapes, finite. Raises BackendError, ShapeError."""
    found = one.run(feed)
    check_outputs(one.record.name, found, found if expected is None else expected, names)
    for name in names:
        if found[name].dtype.kind == "f" and not np.isfinite(found[name]).all():
            raise BackendError(f"output {name!r} is NaN or infinite, expected finite numbers")
    return found


def _comparison(
    executables: Executables, meaning: Meaning, frames: Frames, measured: _Measured, limits: Limits, seed: int
) -> Comparison:
    outcomes = measured.outcomes
    judgements = drop_judgements(outcomes, limits, meaning.metric)
    metric = meaning.metric if outcomes.labelled else None
    compared = tuple(
        _compared(one, executables.reference, meaning, measured, judgements, limits, seed) for one in executables.others
    )
    reference = executables.reference.record
    return Comparison(
        task=meaning.task,
        classes=meaning.classes,
        metric=metric,
        reference=reference,
        reference_value=None if metric is None else score_interval(outcomes, reference.name, metric, seed),
        executables=compared,
        missing=executables.missing,
        data=DataIdentity.of(frames.data),
        protocol=frames.protocol,
        left_out=frames.left_out,
        drawn_from=frames.drawn_from,
        seed=seed,
        limits=limits,
        verdict=worst([one.verdict for one in compared]),
        notes=frames.notes,
        machine=machine(),
    )


def _compared(
    one: Open,
    reference: Open,
    meaning: Meaning,
    measured: _Measured,
    judgements: Mapping[str, Judgement],
    limits: Limits,
    seed: int,
) -> Compared:
    name, outcomes = one.record.name, measured.outcomes
    if name in measured.failed:
        return Compared(
            executable=one.record,
            outputs=(),
            agreement=None,
            value=None,
            drop_points=None,
            verdict="fail",
            judged_by=(measured.failed[name],),
        )
    outputs = tuple(output.result() for output in measured.differences[name])
    alike = None if meaning.task == "tensors" else agreement(outcomes, name)
    if is_lossy(one.record, reference.record):
        verdict, judged_by = judge_lossy(outputs, judgements.get(name), limits)
    else:
        verdict, judged_by = judge_float(outputs, alike, meaning.task, limits)
    return Compared(
        executable=one.record,
        outputs=outputs,
        agreement=alike,
        value=score_interval(outcomes, name, meaning.metric, seed) if outcomes.labelled else None,
        drop_points=drop(outcomes, name, meaning.metric).interval() if outcomes.labelled else None,
        verdict=verdict,
        judged_by=judged_by,
    )
