"""What a run that goes on from a checkpoint takes over from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeneuro.data import DataSet
from edgeneuro.data.recordings.session import refuse_other_session
from edgeneuro.errors import CheckpointError
from edgeneuro.training.checkpoint import read_config
from edgeneuro.training.settings import Keep, TrainSettings


def settings_of(
    checkpoint: Path,
    *,
    epochs: int,
    seed: int,
    patience: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    image_size: int | None = None,
    crop: float | None = None,
    keep: Keep = "best",
    data: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> TrainSettings:
    """Model, options, protocol, fold, and what is None here, as in `checkpoint`. patience: never stops early where None.
    learning_rate: the model's own where None. A model of the siamese recipe has one branch now, which learns from single
    frames, by the same focal loss. label_column, group_column: go with `data`. Raises CheckpointError, UsageError.
    """
    config = read_config(checkpoint)
    seen = config.preprocess
    here = data is not None
    return TrainSettings(
        model=config.model,
        data=data if here else config.data,
        label_column=label_column if here else config.label_column,
        group_column=group_column if here else config.group_column,
        protocol=config.protocol,
        fold=config.fold,
        seed=seed,
        epochs=epochs,
        patience=epochs if patience is None else patience,
        batch_size=config.batch_size if batch_size is None else batch_size,
        image_size=seen.height if image_size is None and seen is not None else image_size,
        depth=None if seen is None else seen.depth,
        learning_rate=learning_rate,
        crop=config.crop if crop is None else crop,
        training_share=config.training_share,
        channels=config.channels,
        keep=keep,
        augmentation=config.augmentation,
        siamese=replace(config.siamese, pairs=False) if config.siamese else None,
        masks=config.masks,
        options=config.options,
    )


def refuse_other_data(checkpoint: Path, training: DataSet) -> None:
    """Raise CheckpointError unless `training`, the training part of a run, is as large as that of `checkpoint`; DataError where it is
    of another session of neurons."""
    config = read_config(checkpoint)
    refuse_other_session(config.session, training.session, str(checkpoint))
    groups = len({sample.group for sample in training.samples})
    expected = config.trained_on
    if (len(training), groups) != (expected.frames, expected.groups):
        raise CheckpointError(
            f"{checkpoint}: was trained on {expected.frames} frames of {expected.groups} groups, {training.name} has "
            f"{len(training)} of {groups} in the same split; give the same data with --data"
        )
