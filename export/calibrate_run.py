"""The whole of `edgeneuro calibrate`: from a model and frames to ranges, and the methods side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.calibration.collect import Track
from edgeneuro.data import DataSet, Split
from edgeneuro.export.cached_plan import cached_plans
from edgeneuro.export.compare_ranges import RangeComparison, compare_ranges
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.make_plan import METHOD_NAMES, check_method
from edgeneuro.export.parts import calibration_part, choosing_part, own_data, split_of, training_frames
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.manifest import DataIdentity

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings:
    """method: one of METHOD_NAMES, or ALL. calibration_frames: at most so many fix the ranges; frames: so many others are
    compared. seed: of their choice. options: what an .onnx file does not say of itself."""

    method: str = ALL
    calibration_frames: int = 300
    frames: int = 64
    seed: int = 0
    options: FileOptions = NOTHING_SAID


@dataclass(frozen=True, kw_only=True)
class CalibrateReport:
    """calibration: the frames that fixed the ranges. compared: the frames errors are measured on. unseen: whether these
    are others than the calibration frames. notes: for people."""

    model: str
    calibration: DataIdentity
    compared: DataIdentity
    unseen: bool
    comparison: RangeComparison
    notes: tuple[str, ...]


def run_calibration(
    source: str,
    settings: CalibrateSettings,
    *,
    data: DataSet | None = None,
    calibration: DataSet | None = None,
    step: Callable[[str], None] = lambda name: None,
    track: Track = lambda feeds: feeds,
) -> tuple[CalibrateReport, Mapping[str, Plan]]:
    """source, data, calibration: as `edgeneuro.export.build.build_engine` takes them; no test group is looked at.
    step: told the name of each step. track: follows the passes over calibration frames.

    Returns the report and the plan of each method, without placement. Raises UsageError for an unknown method,
    DataError, ModelFileError, CheckpointError.
    """
    methods = METHOD_NAMES if settings.method == ALL else (check_method(settings.method),)
    step("reading the float network")
    model = load_source(source, settings.options)
    labelled = data if data is not None else own_data(model)
    split = split_of(model, labelled, settings.seed)
    frames = calibration if calibration is not None else training_frames(model, labelled, split)
    chosen, split = calibration_part(model, frames, labelled, split, settings.calibration_frames, settings.seed)
    step(f"collecting ranges over {len(chosen)} frames")
    feeds = [model.feed(model.read(chosen, sample)) for sample in chosen.samples]
    plans, notes = cached_plans(model, feeds, methods, track=track)
    held = _held(model, frames, labelled, split, chosen, settings)
    others = held or chosen.subset(chosen.samples[: settings.frames])
    compared = [model.feed(model.read(others, sample)) for sample in others.samples]
    report = CalibrateReport(
        model=model.name,
        calibration=DataIdentity.of(chosen),
        compared=DataIdentity.of(others),
        unseen=held is not None,
        comparison=compare_ranges(model, plans, others, compared, labelled=labelled, step=step),
        notes=(*notes, *(() if held else ("errors are measured on the calibration frames: there are no others",))),
    )
    return report, plans


def _held(
    model: FloatModel,
    frames: DataSet,
    labelled: DataSet | None,
    split: Split | None,
    chosen: DataSet,
    settings: CalibrateSettings,
) -> DataSet | None:
    """Frames to compare on: of validation groups; else those of the calibration source that were not chosen,
    of other groups where there are any."""
    rng = np.random.default_rng(settings.seed)
    held = choosing_part(model, labelled, split) if model.task != "tensors" else None
    if held is not None:
        return held.subset(choose_samples(held.samples, settings.frames, rng))
    frames = model.seen(frames)
    taken = {(sample.source, sample.index) for sample in chosen.samples}
    groups = {sample.group for sample in chosen.samples}
    kept_back = {*split.validation, *split.test} if split is not None else set()
    left = [
        sample
        for sample in frames.samples
        if (sample.source, sample.index) not in taken and (split is None or split.hash_of(sample) not in kept_back)
    ]
    left = [sample for sample in left if sample.group not in groups] or left
    return frames.subset(choose_samples(left, settings.frames, rng)) if left else None
