"""The main job: from a float network to a bundle with float and INT8 graphs, and what INT8 costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.data.leakage import refuse_test_frames, unseen
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import DataError, OutputError, UsageError
from edgeneuro.export.bundle import make_bundle
from edgeneuro.export.calibrate import Calibrated, calibrate, calibration_frames
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.export.targets import bundle_forms
from edgeneuro.files import refuse_existing, write_bytes
from edgeneuro.manifest import Manifest, Precision

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """precision: of the graphs beside the float one; "mixed" is INT8 and FP16. backends: those to lower for, empty for all
    that can be checked here. calibration_frames: at most so many. threads: the device's, for the placement search.
    search_s: time for that search, in seconds for each target. seed: of the choice of frames. kept_float: layer -> why it
    has to stay in float. plan: one recorded earlier, used in place of calibration and search."""

    precision: Precision = "int8"
    backends: tuple[str, ...] = ()
    calibration_frames: int = 300
    threads: int = 1
    search_s: float = 8.0
    seed: int = 0
    kept_float: Mapping[str, str] = field(default_factory=dict)
    plan: Plan | None = None

    @property
    def int8(self) -> bool:
        """Whether anything is quantised, so that calibration frames are needed."""
        return self.precision in ("int8", "mixed")


def build_engine(
    source: str,
    out: Path,
    *,
    settings: BuildSettings,
    options: FileOptions = NOTHING_SAID,
    data: DataSet | None = None,
    calibration: DataSet | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Manifest:
    """Write the bundle `out`, whole or not at all, and return its manifest.

    source, options: as `load_source` takes them. data: labelled frames; None opens the set the checkpoint was trained on. Its
    groups unseen in training and calibration measure accuracy. calibration: frames that fix the ranges; None takes
    them from the data the model was trained on, from groups that are in no test. progress: told the name of each step.
    Raises OutputError, UsageError, DataError, ModelFileError, CheckpointError.
    """
    refuse_existing(out, force=force)
    if out.is_dir():
        raise OutputError(f"{out}: is a folder, expected the name of a file; give --out {out / 'NAME.edge'}")
    forms = bundle_forms(settings.precision, settings.backends)
    progress("reading the float network")
    model = load_source(source, options)
    data = data if data is not None else _own_data(model)
    split = _split_of(model, data, settings.seed)
    calibrated: Calibrated | None = None
    if settings.int8:
        source_frames = calibration if calibration is not None else _training_frames(model, data, split)
        chosen, split = _calibration_part(source_frames, data, split, settings)
        calibrated = calibrate(
            model,
            chosen,
            forms,
            threads=settings.threads,
            search_s=settings.search_s,
            recorded=settings.plan,
            kept_float=settings.kept_float,
            progress=progress,
        )
    progress("checking the graphs and measuring accuracy")
    built = make_bundle(
        model, forms, calibrated=calibrated, split=split, test=_test_part(model, data, split), data=data
    )
    write_bytes(out, built.content)
    return built.manifest


def _own_data(model: FloatModel) -> DataSet | None:
    """The data set a checkpoint was trained on, None for a bare ONNX file."""
    if model.data is None:
        return None
    try:
        return open_data(model.data, label_column=model.label_column, group_column=model.group_column)
    except DataError as error:
        raise DataError(f"{error} (this is what {model.name} was trained on; give its folder with --data)") from error


def _split_of(model: FloatModel, data: DataSet | None, seed: int) -> Split | None:
    """The checkpoint's own split; for a bare ONNX file one is drawn over the labelled frames."""
    if model.split is not None:
        return model.split
    return make_split(data, protocol="grouped", fold=0, seed=seed) if data is not None and data.classes else None


def _training_frames(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet:
    """Where calibration frames come from by default: `data` if the model was trained on it, else its own data set."""
    if data is not None and split is not None and split.part(data.samples, "training"):
        return data
    own = _own_data(model)
    if own is None:
        raise UsageError(
            f"--int8: {model.name} does not say what it was trained on; name a folder of frames with --calibration"
        )
    return own


def _calibration_part(
    frames: DataSet, data: DataSet | None, split: Split | None, settings: BuildSettings
) -> tuple[DataSet, Split | None]:
    """Calibration frames, checked against the test part: by group where they have labels, else by content."""
    rng = np.random.default_rng(settings.seed)
    chosen, noted = calibration_frames(frames, split, settings.calibration_frames, rng)
    if data is not None and split is not None and not frames.classes:
        refuse_test_frames(chosen, data.subset(split.part(data.samples, "test")))
    return chosen, noted


def _test_part(model: FloatModel, data: DataSet | None, split: Split | None) -> DataSet | None:
    """Labelled frames that neither training nor calibration saw; None where there are no labels, or nothing to label."""
    if data is None or split is None or not data.classes or model.task == "tensors":
        return None
    if data.has_masks != (model.task == "segmentation"):
        raise DataError(
            f"{data.name}: has {'masks' if data.has_masks else 'one label a frame'}, {model.name} is a {model.task}; "
            "give a data set of its task"
        )
    if model.classes and data.classes != model.classes:
        raise DataError(
            f"{data.name}: has classes {', '.join(data.classes)}, {model.name} tells apart {', '.join(model.classes)}; "
            "give the data set it was trained for"
        )
    left = unseen(data, split)
    log.info("%s: %s", data.name, left.summary)
    return left.dataset
