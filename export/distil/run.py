"""A small network learns from a large one: what `edgeneuro distil` does.

docs/distillation.md has the losses, their sources, and what is checked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeneuro.data import DataSet, open_data
from edgeneuro.errors import UsageError
from edgeneuro.export.distil.leaks import refuse_seen
from edgeneuro.export.distil.pairs import (
    Asked,
    last_pair,
    pairs_by_resolution,
    refuse_unknown,
    student_maps,
    teacher_maps,
)
from edgeneuro.export.distil.settings import DEFAULTS, DistilSettings
from edgeneuro.export.distil.student import Student, open_student
from edgeneuro.export.distil.teacher import OnnxTeacher
from edgeneuro.export.prune.count import count
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.export.specs import declared_shape
from edgeneuro.records import to_json
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.frames import read_frames
from edgeneuro.training.keeper import OnProgress
from edgeneuro.training.responses.trials import read_trials, recording_of
from edgeneuro.training.responses.work import score_trials
from edgeneuro.training.run import part_of
from edgeneuro.training.score import score
from edgeneuro.training.teaching import LessonSettings, Teaching, class_order

_log = logging.getLogger(__name__)


def distil(
    teacher: str,
    student: str,
    out: Path,
    settings: DistilSettings = DEFAULTS,
    *,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Train `student` with what `teacher` makes of the same frames, and write the checkpoint to the folder `out`.

    teacher: as edgeneuro.export.source.load_source takes it; it must not have learnt from the student's validation or test
    groups. student: name of a model of the table, for fresh weights; or a checkpoint folder, which keeps its split,
    preprocessing and whatever was cut from it. resume, force, threads, devices, progress: as
    edgeneuro.training.fit.train takes them, threads also of the teacher. step: told what is done before training.

    metrics.json also has `teacher`: `model`, `identity`, `unseen` (whether its split shows that it has not learnt from the
    student's validation and test groups), `notes` (what is to be known of it, warned of as well), `validation` and `test`
    (FrameScores on the same frames; null where its classes are not known); and `operations`: `macs` and `params` of
    `teacher` and `student`.

    Raises UsageError (settings, layers, classes that do not fit), DataError (a leak), CheckpointError, ModelFileError,
    InputError, OutputError.
    """
    for name, folder in (("--teacher", teacher), ("--student", student)):
        if out.resolve() == Path(folder).resolve():
            raise UsageError(f"--out {out}: is the folder of {name}; give another")
    step("reading the teacher")
    model = load_source(teacher, settings.teacher_options)
    if model.preprocess is not None and model.preprocess.tiled is not None:
        raise UsageError(
            f"--teacher {teacher}: looks at tiles, expected a network for whole frames; train from the masks"
        )
    learner = open_student(student, settings, model)
    classes, by_position = _classes(model, learner.dataset)
    if settings.soft_weight:
        class_order(classes, learner.dataset.classes)
    doubt = refuse_seen(model, learner.dataset, learner.split)
    said = [note for note in (doubt, by_position) if note]
    for note in said:
        _log.warning("%s", note)
    lesson = _lesson(settings, learner, model)
    layers = dict.fromkeys(pair.teacher for pair in (*lesson.hints, *lesson.attention))
    opened = OnnxTeacher(model, tuple(layers), classes=classes, threads=threads)
    step("scoring the teacher")
    teaching = Teaching(
        teacher=opened,
        settings=lesson,
        unlabelled=tuple(open_data(source).drawn_as(learner.dataset.drawing) for source in settings.unlabelled),
        notes={
            "teacher": {
                "model": model.name,
                "identity": opened.identity,
                "unseen": doubt is None,
                "notes": said,
                **_scores(opened, learner),
            },
            "operations": {
                "teacher": {"macs": model.compute.macs, "params": model.compute.params},
                "student": to_json(count(learner.network, _example(learner))),
            },
        },
    )
    return train(
        learner.settings,
        out,
        start=learner.start,
        teaching=teaching,
        resume=resume,
        force=force,
        threads=threads,
        devices=devices,
        progress=progress,
    )


def _classes(model: FloatModel, dataset: DataSet) -> tuple[tuple[str, ...], str | None]:
    """Of the teacher's logits, and what has to be said of them: those of a file without names are `dataset`'s, where they
    are as many."""
    if model.classes:
        return model.classes, None
    shape = declared_shape(model.graph.graph.output[0])
    if model.task != "classification" or shape[1:] != (len(dataset.classes),):
        return (), None
    said = (
        f"teacher {model.name}: names no classes; its logits are taken for {', '.join(dataset.classes)}, in this order"
    )
    return dataset.classes, said


def _lesson(settings: DistilSettings, student: Student, model: FloatModel) -> LessonSettings:
    """With the pairs of layers that are to be compared. Raises UsageError."""
    hints: Asked = settings.hints if settings.hint_weight else ()
    attention: Asked = settings.attention if settings.attention_weight else ()
    if hints == "auto" or attention == "auto":
        maps = student_maps(student.network, _example(student)), teacher_maps(model)
        hints = last_pair(*maps) if hints == "auto" else hints
        attention = pairs_by_resolution(*maps) if attention == "auto" else attention
    refuse_unknown(student.network, (*hints, *attention))
    return LessonSettings(
        temperature=settings.temperature,
        soft_weight=settings.soft_weight,
        hint_weight=settings.hint_weight,
        attention_weight=settings.attention_weight,
        hints=hints,
        attention=attention,
        mixing=settings.mixing,
    )


def _example(student: Student) -> Tensor:
    """(1, channel, height, width) of zeros, as the student is trained, or (1, neuron)."""
    if student.settings.entry.responses:
        return torch.zeros(1, recording_of(student.dataset).neurons)
    side = student.settings.side_px
    return torch.zeros(1, student.settings.input_channels, side, side)


class _Answers(nn.Module):
    """The teacher as a network: its logits, in the order of the student's classes."""

    def __init__(self, teacher: OnnxTeacher, order: tuple[int, ...]) -> None:
        super().__init__()
        self.teacher = teacher
        self.order = list(order)

    def forward(self, images: Tensor) -> Tensor:
        return self.teacher(images).logits[:, self.order]


def _scores(teacher: OnnxTeacher, student: Student) -> dict[str, Any]:
    """On the frames that the student is scored on."""
    dataset = student.dataset
    if sorted(teacher.classes) != sorted(dataset.classes):
        return {"validation": None, "test": None}
    answers, view = _Answers(teacher, class_order(teacher.classes, dataset.classes)), teacher.preprocess
    parts = {part: part_of(dataset, student.split, part) for part in ("validation", "test")}
    metric = student.settings.entry.primary_metric
    if view is None:
        return {
            name: to_json(score_trials(answers, read_trials(part), dataset.classes, metric))
            for name, part in parts.items()
        }
    if view.bit_depth == 16:  # frames are kept in 8 bits here
        view = replace(view, bit_depth=8, max_value=view.max_value / 257)
    return {
        name: to_json(score(answers, read_frames(part, view), view, dataset.classes, metric))
        for name, part in parts.items()
    }
