"""Which frames may calibrate a network, and which may be looked at while choosing how to quantise it; never the test part."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.calibration.look import picture
from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.data.leakage import refuse_test_frames, unseen
from edgeneuro.data.make_split import make_split
from edgeneuro.data.split import salted_hash, split_unit
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export.source import FloatModel

log = logging.getLogger("edgeneuro")


def own_data(model: FloatModel) -> DataSet | None:
    """The data set a checkpoint was trained on, None for a bare ONNX file."""
    if model.data is None:
        return None
    try:
        return open_data(model.data, label_column=model.label_column, group_column=model.group_column)
    except DataError as error:
        raise DataError(f"{error} (this is what {model.name} was trained on; give its folder with --data)") from error


def split_of(model: FloatModel, data: DataSet | None, seed: int) -> Split | None:
    """The checkpoint's own split; for a bare ONNX file one is drawn over the labelled frames."""
    if model.split is not None:
        return model.split
    return make_split(data, protocol="grouped", fold=0, seed=seed) if data is not None and data.classes else None


def training_frames(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet:
    """Where calibration frames come from by default: `data` if the model was trained on it, else its own data set."""
    if data is not None and split is not None and split.part(data.samples, "training"):
        return data
    own = own_data(model)
    if own is None:
        raise UsageError(
            f"{model.name}: does not say what it was trained on; name a folder of frames with --calibration"
        )
    return own


def calibration_frames(
    source: DataSet, split: Split | None, count: int, rng: np.random.Generator, *, images: bool = True
) -> tuple[DataSet, Split | None]:
    """Up to `count` frames of `source`, none from validation or test groups, and the split with their groups noted.

    images: whether they are chosen by what is seen on them too. Raises DataError when nothing is left.
    """
    samples = source.samples
    if split is not None:
        kept_back = {*split.validation, *split.test}
        samples = tuple(sample for sample in samples if split.hash_of(sample) not in kept_back)
    if not samples:
        raise DataError(
            f"{source.name}: all {len(source)} frames belong to validation or test groups of this model; "
            "give other recordings with --calibration"
        )
    chosen = choose_samples(samples, count, rng, partial(picture, source) if images else None)
    if split is not None:
        units = {split_unit(sample, split.protocol) for sample in chosen}
        split = replace(split, calibration=tuple(sorted(salted_hash(split.salt, unit) for unit in units)))
    return source.subset(chosen), split


def calibration_part(
    model: FloatModel, frames: DataSet, data: DataSet | None, split: Split | None, count: int, seed: int
) -> tuple[DataSet, Split | None]:
    """Calibration frames as the network sees them, checked against the test part: by group where they have labels, else by
    content, of whole frames where tiles of them were chosen."""
    rng = np.random.default_rng(seed)
    chosen, noted = calibration_frames(model.seen(frames), split, count, rng, images=model.preprocess is not None)
    if data is not None and split is not None and not frames.classes:
        whole = chosen if chosen.tile is None else _cut_from(chosen, frames)
        refuse_test_frames(whole, data.subset(split.part(data.samples, "test")))
    return chosen, noted


def _cut_from(tiles: DataSet, frames: DataSet) -> DataSet:
    """Those of `frames` in whose files the tiles lie."""
    sources = {sample.source for sample in tiles.samples}
    return frames.subset([sample for sample in frames.samples if sample.source in sources])


def choosing_part(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet | None:
    """Labelled frames on which layers may be compared, as the network sees them: of validation groups, so neither trained nor
    calibrated on, nor kept for the end. None where there are no labels of the model's task. Raises DataError where the classes are not the
    model's."""
    if data is None or split is None or not data.classes or data.has_masks != (model.task == "segmentation"):
        return None
    _check_classes(model, data)
    held = split.part(data.samples, "validation")
    return model.seen(data.subset(held)) if held else None


def test_part(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet | None:
    """Labelled frames that neither training nor calibration saw, as the network sees them; None where there are no labels, or
    nothing to label.

    Raises DataError for labels of another task or other classes.
    """
    if data is None or split is None or not data.classes or model.task == "tensors":
        return None
    if data.has_masks != (model.task == "segmentation"):
        raise DataError(
            f"{data.name}: has {'masks' if data.has_masks else 'one label a frame'}, {model.name} is a {model.task}; "
            "give a data set of its task"
        )
    _check_classes(model, data)
    left = unseen(data, split)
    log.info("%s: %s", data.name, left.summary)
    return model.seen(left.dataset)


def _check_classes(model: FloatModel, data: DataSet) -> None:
    if model.classes and data.classes != model.classes:
        raise DataError(
            f"{data.name}: has classes {', '.join(data.classes)}, {model.name} tells apart {', '.join(model.classes)}; "
            "give the data set it was trained for"
        )
