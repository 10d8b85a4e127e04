"""The frames of a run: its parts as the student wants them, and the training part as a teacher does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgeneuro.data import DataSet, Split
from edgeneuro.errors import UsageError
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.frames import Frames, TeacherFrames, joined, read_frames
from edgeneuro.training.keeper import OnProgress, Progress
from edgeneuro.training.label_noise import with_label_noise
from edgeneuro.training.teaching import Teaching, held_out_reads, refuse_held_out


@dataclass(frozen=True, kw_only=True)
class RunFrames:
    """labelled: "training", "validation" and "test". training: what is trained on, the labelled frames and after them
    the unlabelled ones. teacher: its view of those, None without a teacher."""

    labelled: Mapping[str, Frames]
    training: Frames
    teacher: TeacherFrames | None


def read_run(
    dataset: DataSet,
    split: Split,
    parts: Mapping[str, DataSet],
    preprocess: Preprocess,
    teaching: Teaching | None,
    progress: OnProgress,
    *,
    label_noise: float,
    seed: int,
) -> RunFrames:
    """Every frame that a run needs, in memory. preprocess: the student's size and channels. label_noise, seed: of the
    training frames' labels, as edgeneuro.training.settings.TrainSettings has them.

    Raises DataError (an unlabelled frame of the validation or test part), FrameError, UsageError (a teacher whose frames
    have other proportions).
    """
    view = _teacher_view(preprocess, teaching) if teaching else None
    own = view is not None and _size(view) != _size(preprocess)
    unlabelled = teaching.unlabelled if teaching else ()
    taught = [parts["training"], *unlabelled]
    reading = Reading(
        progress,
        total=sum(map(len, (*parts.values(), *unlabelled, *(taught if own else ()))))
        + held_out_reads(unlabelled, dataset, split),
    )
    refuse_held_out(unlabelled, dataset, split, reading.step)
    labelled = {name: read_frames(part, preprocess, reading.step) for name, part in parts.items()}
    own_labels = labelled["training"]
    labelled["training"] = replace(
        own_labels, targets=with_label_noise(own_labels.targets, label_noise, len(dataset.classes), seed)
    )
    more = [read_frames(data, preprocess, reading.step, labelled=False) for data in unlabelled]
    training = joined([labelled["training"], *more])
    if view is None:
        return RunFrames(labelled=labelled, training=training, teacher=None)
    frames = joined([read_frames(data, view, reading.step, labelled=False) for data in taught]) if own else training
    return RunFrames(labelled=labelled, training=training, teacher=TeacherFrames(frames=frames, preprocess=view))


def _teacher_view(student: Preprocess, teaching: Teaching) -> Preprocess:
    """The teacher's preprocessing of frames that are kept in 8 bits, as all are here. Raises UsageError."""
    view = teaching.teacher.preprocess
    if view is None:
        raise UsageError("teacher: takes responses of neurons, expected a network that takes frames")
    if view.height * student.width != view.width * student.height:
        raise UsageError(
            f"teacher: takes frames of {view.width} x {view.height} px, the student of {student.width} x "
            f"{student.height}; turned by the same angle they would differ, choose a teacher of the same proportions"
        )
    return view if view.bit_depth == 8 else replace(view, bit_depth=8, max_value=view.max_value / 257)


def _size(preprocess: Preprocess) -> tuple[int, int, int]:
    return preprocess.height, preprocess.width, preprocess.channels


class Reading:
    """Counts frames read."""

    def __init__(self, progress: OnProgress, total: int) -> None:
        self.progress = progress
        self.done = 0
        self.total = total

    def step(self) -> None:
        self.done += 1
        self.progress(Progress(stage="reading", done=self.done, total=self.total))
