"""What a run works on, and whether a folder holds the same run already."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeneuro.data import DataSet, Split
from edgeneuro.data.make_split import make_split
from edgeneuro.data.split import Part
from edgeneuro.errors import CheckpointError, OutputError
from edgeneuro.files import refuse_existing
from edgeneuro.manifest import DataIdentity
from edgeneuro.records import from_json, to_json
from edgeneuro.training.checkpoint import IMAGENET, CheckpointConfig, Initial, MadeFrom, read_config
from edgeneuro.training.initial import weights_digest
from edgeneuro.training.keeper import saved_run
from edgeneuro.training.resume import read_state
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.start import Start

NO_TEACHER: Mapping[str, Any] = MappingProxyType({})
NO_PSEUDO: Mapping[str, Any] = MappingProxyType({})
STATE = Path(".resume") / "state.safetensors"
"""In the output folder while training is unfinished."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Kept in the state of an unfinished run, so that a resumed run is the same one.

    settings: with nothing left to defaults. data: the whole set. made_from: where it started, None for fresh weights.
    taught: by which teacher, empty without one. pseudo: the record of PseudoScenes, empty without.
    """

    settings: TrainSettings
    data: DataIdentity
    split: Split
    made_from: MadeFrom | None = None
    taught: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)


def prepare_folder(out: Path, *, force: bool, resume: bool) -> None:
    """Make the folder. Without `resume` raise OutputError for one that holds files, unless `force`, which drops an
    unfinished run there."""
    unfinished = (out / STATE).parent
    if out.exists() and not (force or resume) and (not out.is_dir() or any(out.iterdir())):
        if unfinished.exists():
            raise OutputError(f"{out}: holds an unfinished run; give --resume to go on, or --force to start afresh")
        refuse_existing(out, force=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if force and not resume and unfinished.exists():
            shutil.rmtree(unfinished)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error


def new_run(
    settings: TrainSettings,
    dataset: DataSet,
    start: Start | None = None,
    taught: Mapping[str, Any] = NO_TEACHER,
    pseudo: Mapping[str, Any] = NO_PSEUDO,
) -> Run:
    """A run with a split of its own, or with that of the checkpoint it starts from. Raises DataError."""
    if start is not None:
        return Run(
            settings=settled(settings),
            data=DataIdentity.of(dataset),
            split=start.split,
            made_from=start.made_from,
            taught=taught,
            pseudo=pseudo,
        )
    split = make_split(
        dataset,
        protocol=settings.protocol,
        fold=settings.fold,
        seed=settings.seed,
        training_share=settings.training_share,
    )
    return Run(settings=settled(settings), data=DataIdentity.of(dataset), split=split, taught=taught, pseudo=pseudo)


def resumed_run(
    settings: TrainSettings,
    dataset: DataSet,
    state: Path,
    start: Start | None = None,
    taught: Mapping[str, Any] = NO_TEACHER,
    pseudo: Mapping[str, Any] = NO_PSEUDO,
) -> Run:
    """The run that `state` belongs to. Raises CheckpointError when settings, data, start, teacher or pseudo-labels are others."""
    run = from_json(Run, saved_run(read_state(state)), str(state))
    refuse_other_start(state, run.made_from, start)
    there, wanted = (
        replace(settled(one), data=run.settings.data) for one in (run.settings, settings)
    )  # it may have moved
    refuse_other_settings(state, to_json(there), to_json(wanted))
    refuse_other_settings(state, to_json(run.data), to_json(DataIdentity.of(dataset)))
    refuse_other_teacher(state, run.taught, taught)
    refuse_other_pseudo(state, run.pseudo, pseudo)
    return replace(run, settings=settled(settings))


def finished_config(
    settings: TrainSettings,
    out: Path,
    start: Start | None = None,
    taught: Mapping[str, Any] = NO_TEACHER,
    pseudo: Mapping[str, Any] = NO_PSEUDO,
) -> CheckpointConfig:
    """Of the checkpoint in `out`. Raises CheckpointError when it was trained with other settings or from elsewhere."""
    config = read_config(out)
    refuse_other_start(out, config.made_from, start)
    refuse_other_teacher(out, config.taught, taught)
    refuse_other_pseudo(out, config.pseudo, pseudo)
    _refuse_other_initial(out, config.initial, settings.initial)
    wanted = {
        "model": settings.model,
        "options": dict(settings.options),
        "protocol": settings.protocol,
        "fold": settings.fold,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "patience": settings.patience,
        "batch_size": settings.batch_size,
        "learning_rate": settings.top_learning_rate,
        "crop": settings.crop,
        "training_share": settings.training_share,
        "keep": settings.keep,
        "channels": None if config.preprocess is None else settings.input_channels,
        "augmentation": settings.imaging,
        "siamese": to_json(settings.siamese),
        "self_cure": to_json(settings.self_cure),
        "masks": to_json(settings.masks),
        "label_noise": settings.label_noise,
        "precision": settings.precision,
    }
    there = to_json(config)
    if (seen := config.preprocess) is not None:
        there |= {"image_size": seen.height, "depth": seen.depth, "drawing": to_json(seen.drawing)}
        wanted |= {
            "image_size": settings.side_px,
            "depth": settings.planes,
            "drawing": to_json(settings.drawing or seen.drawing),
        }
    refuse_other_settings(out, {name: there[name] for name in wanted}, wanted)
    return config


def refuse_other_start(where: Path, there: MadeFrom | None, start: Start | None) -> None:
    """Raise CheckpointError unless both start from the same weights, made smaller or rounded alike, or both from none."""
    wanted = start.made_from if start else None
    if there != wanted:
        raise CheckpointError(
            f"{where}: was trained {_started(there)}, now got {_started(wanted)}; resume with the same one, or "
            "give --force or another --out"
        )


def _started(made_from: MadeFrom | None) -> str:
    if made_from is None:
        return "from scratch"
    how = f"quantised for {made_from.quantised_for}" if made_from.quantised_for else "in float"
    if made_from.pruned:
        how = "pruned with " + ", ".join(f"{key} {value}" for key, value in made_from.pruned.items())
    return f"from weights {made_from.checkpoint[:12]}... {how}"


def refuse_other_teacher(where: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless both were taught alike, or both without a teacher."""
    if dict(there) != dict(wanted):
        differing = next(key for key in {**there, **wanted} if there.get(key) != wanted.get(key))
        raise CheckpointError(
            f"{where}: was taught with {differing.replace('_', ' ')} {there.get(differing)!r}, now got "
            f"{wanted.get(differing)!r}; resume with the same teacher and lesson, or give --force or another --out"
        )


def refuse_other_pseudo(where: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless both learnt from the same pseudo-labels, or both from none."""
    if to_json(there) != to_json(wanted):
        raise CheckpointError(
            f"{where}: was trained beside {_pseudo(there)}, now got {_pseudo(wanted)}; resume with the same, or give --force "
            "or another --out"
        )


def _pseudo(record: Mapping[str, Any]) -> str:
    return f"pseudo-labels of {dict(record)}" if record else "no pseudo-labels"


def _refuse_other_initial(where: Path, there: Initial | None, wanted: str | None) -> None:
    """Raise CheckpointError unless the finished run `where` took over the weights that `wanted` names, or both none."""
    if wanted in (None, IMAGENET):
        same = (there.name if there else None) == wanted
    else:
        assert wanted is not None
        same = there is not None and there.sha256 == weights_digest(wanted)
    if not same:
        had = f"{there.name} {there.sha256[:12]}..." if there else "none"
        raise CheckpointError(
            f"{where}: was trained from initial weights {had}, now got {wanted or 'none'}; resume with the same, or give "
            "--force or another --out"
        )


def refuse_other_settings(where: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise CheckpointError naming the first setting that differs, within those that have settings of their own as well."""
    for name, value in wanted.items():
        had = there.get(name)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            every = {**had, **value}
            refuse_other_settings(
                where,
                {f"{name} {key}": had.get(key) for key in every},
                {f"{name} {key}": value.get(key) for key in every},
            )
        elif had != value:
            raise CheckpointError(
                f"{where}: was trained with {name.replace('_', ' ')} {had!r}, now got {value!r}; "
                "resume with the same settings, or give --force or another --out"
            )


def settled(settings: TrainSettings) -> TrainSettings:
    """`settings` with the model's defaults filled in and a folder of frames, or the file of a session, named from the root."""
    place = Path(settings.source).expanduser()
    return replace(
        settings,
        data=str(place.resolve()) if place.exists() else settings.source,
        image_size=settings.side_px,
        depth=settings.planes,
        learning_rate=settings.top_learning_rate,
        augmentation=settings.imaging,
    )


def part_of(dataset: DataSet, split: Split, part: Part) -> DataSet:
    """The samples of `dataset` in "training", "validation" or "test"."""
    return dataset.subset(split.part(dataset.samples, part))
