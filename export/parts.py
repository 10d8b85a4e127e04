"""Which frames may calibrate a network, and which may be looked at while choosing how to quantise it; never the test part."""

from __future__ import annotations

import numpy as np

from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.data.leakage import refuse_test_frames
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export.calibrate import calibration_frames
from edgeneuro.export.source import FloatModel


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


def calibration_part(
    frames: DataSet, data: DataSet | None, split: Split | None, count: int, seed: int
) -> tuple[DataSet, Split | None]:
    """Calibration frames, checked against the test part: by group where they have labels, else by content."""
    chosen, noted = calibration_frames(frames, split, count, np.random.default_rng(seed))
    if data is not None and split is not None and not frames.classes:
        refuse_test_frames(chosen, data.subset(split.part(data.samples, "test")))
    return chosen, noted


def choosing_part(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet | None:
    """Labelled frames on which layers may be compared: of validation groups, so neither trained nor calibrated on, nor
    kept for the end. None where there are no labels of the model's task. Raises DataError where the classes are not the
    model's."""
    if data is None or split is None or not data.classes or data.has_masks != (model.task == "segmentation"):
        return None
    if model.classes and data.classes != model.classes:
        raise DataError(
            f"{data.name}: has classes {', '.join(data.classes)}, {model.name} tells apart {', '.join(model.classes)}; "
            "give the data set it was trained for"
        )
    held = split.part(data.samples, "validation")
    return data.subset(held) if held else None
