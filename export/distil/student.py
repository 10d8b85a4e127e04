"""What learns: a model of the table with fresh weights, or a checkpoint that goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import InputError, UsageError
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.only_classifiers import refuse_masks
from edgeneuro.export.prune.start import pruned_start
from edgeneuro.export.source import FloatModel
from edgeneuro.models import MODELS
from edgeneuro.models.build import build_decoder, build_model
from edgeneuro.training.checkpoint import load_model, read_config
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.responses.network import sizes_for
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.start import Start

EPOCHS = 30
LEARNING_RATE_SHARE = 0.5
"""Both from a checkpoint; of the model's own learning rate. A student that was cut down is far from its optimum, and a
teacher's targets are another loss than the one it was trained with."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """network: as training begins, or alike in shape; in evaluation mode. start: None for fresh weights."""

    settings: TrainSettings
    start: Start | None
    dataset: DataSet
    split: Split
    network: nn.Module


def open_student(name: str, settings: DistilSettings, teacher: FloatModel) -> Student:
    """name: of a model of the table, or a checkpoint folder. Raises InputError for anything else, UsageError for settings
    that the checkpoint decides and for a model that finds where things are, DataError, CheckpointError."""
    remedy = "train it from masks with `edgeneuro train`"
    if Path(name).is_dir():
        refuse_masks(read_config(Path(name)).model, "--student", remedy)
        student = _going_on(Path(name), settings)
    elif name in MODELS:
        refuse_masks(name, "--student", remedy)
        student = _fresh(name, settings, teacher)
    else:
        raise InputError(
            f"--student {name!r}: is no folder and no model; expected a checkpoint folder as `edgeneuro train` writes, or "
            f"one of {', '.join(MODELS)}"
        )
    if student.settings.entry.responses != (teacher.session is not None):
        raise UsageError(
            f"--student {name}: takes {_kind(student.settings.entry.responses)}, its teacher {teacher.name} "
            f"{_kind(teacher.session is not None)}, expected the same; choose another teacher"
        )
    if teacher.seen(student.dataset).drawing != student.dataset.drawing:
        raise UsageError(
            f"--student {name}: looks at other drawings of neurons than its teacher {teacher.name}, expected the same; "
            "train either again, with --drawing as of the other"
        )
    return student


def _kind(responses: bool) -> str:
    return "responses of neurons" if responses else "frames"


def _fresh(name: str, settings: DistilSettings, teacher: FloatModel) -> Student:
    """Data, protocol, fold and seed are the teacher's where nothing else is said."""
    said: dict[str, Any] = {
        field: getattr(settings, field)
        for field in (
            "data",
            "fold",
            "seed",
            "epochs",
            "patience",
            "batch_size",
            "image_size",
            "learning_rate",
            "initial",
            "crop",
            "keep",
        )
        if getattr(settings, field) is not None
    }
    columns = settings if settings.data is not None else teacher
    own = {"fold": teacher.split.fold, "seed": teacher.split.seed} if teacher.split else {}
    plain = TrainSettings.of(
        name,
        label_column=columns.label_column,
        group_column=columns.group_column,
        protocol=teacher.split.protocol if teacher.split else "grouped",
        options=settings.options,
        **{"data": teacher.data, **own, **said},
    )
    dataset = _data(plain)
    if dataset.has_neurons:
        dataset = teacher.seen(dataset)
        plain = replace(plain, drawing=dataset.drawing)
    with torch.random.fork_rng(devices=[]):
        network = _built(plain, dataset).eval()
    return Student(
        settings=plain,
        start=None,
        dataset=dataset,
        split=make_split(dataset, protocol=plain.protocol, fold=plain.fold, seed=plain.seed),
        network=network,
    )


def _going_on(checkpoint: Path, settings: DistilSettings) -> Student:
    for field, option in (("fold", "--fold"), ("initial", "--initial"), ("options", "--option")):
        if getattr(settings, field) not in (None, {}):
            raise UsageError(f"{option}: is the checkpoint's own where --student is one; leave it out")
    plain = settings_of(
        checkpoint,
        epochs=EPOCHS if settings.epochs is None else settings.epochs,
        seed=settings.seed or 0,
        patience=settings.patience,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        image_size=settings.image_size,
        crop=settings.crop,
        keep=settings.keep,
        data=settings.data,
        label_column=settings.label_column,
        group_column=settings.group_column,
    )
    if plain.learning_rate is None:
        plain = replace(plain, learning_rate=LEARNING_RATE_SHARE * plain.entry.learning_rate)
    start = pruned_start(checkpoint, None, image_size=settings.image_size)
    dataset = _data(plain).drawn_as(None if start.preprocess is None else start.preprocess.drawing)
    return Student(settings=plain, start=start, dataset=dataset, split=start.split, network=load_model(checkpoint))


def _built(settings: TrainSettings, dataset: DataSet) -> nn.Module:
    """With fresh weights."""
    classes = len(dataset.classes)
    if settings.entry.responses:
        sizes = sizes_for(settings.entry, dataset)
        return build_decoder(settings.model, classes=classes, sizes=sizes, **settings.options)
    return build_model(settings.model, classes=classes, channels=settings.input_channels, **settings.options)


def _data(settings: TrainSettings) -> DataSet:
    return open_data(settings.source, label_column=settings.label_column, group_column=settings.group_column)
