"""The main job: from a float network to a bundle with float and INT8 graphs, and what INT8 costs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edgeneuro.data import DataSet, Split
from edgeneuro.errors import OutputError, UsageError
from edgeneuro.export.bundle import make_bundle
from edgeneuro.export.calibrate import Calibrated, Gauge, calibrate
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.forms import ONNXRUNTIME
from edgeneuro.export.gate import Margin, require_pass
from edgeneuro.export.golden import golden_feeds, golden_outputs
from edgeneuro.export.hold_plan import divide
from edgeneuro.export.keep_float import KeepFloat
from edgeneuro.export.make_plan import DEFAULT_METHOD
from edgeneuro.export.parts import calibration_part, choosing_part, own_data, split_of, test_part, training_frames
from edgeneuro.export.plan import Plan
from edgeneuro.export.prebuilt import FLAVOUR
from edgeneuro.export.source import FloatModel, load_source, with_classes
from edgeneuro.export.targets import bundle_forms
from edgeneuro.files import refuse_existing, write_bytes
from edgeneuro.manifest import Manifest, Precision
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.backends.trt.records import BuildSettings as DeviceSettings


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """precision: of the graphs beside the float one; "mixed" is INT8 and FP16. backends: those to lower for, empty for all
    that can be checked here. method: of the ranges. calibration_frames: at most so many. threads: the device's, for the
    placement search. search_s: time for that search, in seconds for each target. seed: of the choice of frames.
    keep_float: layers that have to stay in float. margin: the gate's, None builds unjudged; by: judge by this column too.
    plan: one recorded earlier, used in place of calibration and search. device: of the engines that TensorRT-RTX builds
    into the bundle, where it is among the backends."""

    precision: Precision = "int8"
    backends: tuple[str, ...] = ()
    method: str = DEFAULT_METHOD
    calibration_frames: int = 300
    threads: int = 1
    search_s: float = 8.0
    seed: int = 0
    keep_float: KeepFloat | None = None
    margin: Margin | None = None
    by: str | None = None
    plan: Plan | None = None
    device: DeviceSettings = field(default_factory=DeviceSettings)

    @property
    def quantises(self) -> bool:
        """Whether anything is quantised, so that calibration frames are needed."""
        return self.precision in ("int8", "fp8", "mixed")


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Which frames do what. chosen: fix the ranges. choosing: layers are compared on them. judged: seen by nothing
    before. split: with the groups of `chosen` noted."""

    chosen: DataSet | None
    choosing: DataSet | None
    judged: DataSet | None
    split: Split | None


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

    source, options: as `load_source` takes them. data: labelled frames; None opens the set the checkpoint was trained
    on. Its groups unseen in training and calibration measure accuracy. calibration: frames that fix the ranges; None
    takes them from the data the model was trained on, from groups that are in no test. progress: told the name of each
    step. Raises OutputError, UsageError, DataError, ModelFileError, CheckpointError, GateError where settings.margin is
    not shown to hold: then nothing is written.
    """
    refuse_existing(out, force=force)
    if out.is_dir():
        raise OutputError(f"{out}: is a folder, expected the name of a file; give --out {out / 'NAME.edge'}")
    forms = bundle_forms(settings.precision, settings.backends)
    progress("reading the float network")
    model = load_source(source, options)
    kept = settings.keep_float.reasons(model.graph, model.name, "--keep-float") if settings.keep_float else {}
    data = data if data is not None else own_data(model)
    frames = _frames(model, settings, data, calibration)
    classes = _classes(model, data)
    calibrated: Calibrated | None = None
    if frames.chosen is not None:
        calibrated = calibrate(
            model,
            frames.chosen,
            forms,
            method=settings.method,
            threads=settings.threads,
            search_s=settings.search_s,
            recorded=settings.plan,
            kept_float=kept,
            gauge=_gauge(settings, frames, classes),
            progress=progress,
        )
    progress("checking the graphs and measuring accuracy")
    built = make_bundle(
        model,
        forms,
        classes,
        calibrated=calibrated,
        split=frames.split,
        judged=frames.judged,
        margin=settings.margin,
        by=settings.by,
        prebuilt=settings.device if FLAVOUR in settings.backends else None,
        progress=progress,
    )
    if built.manifest.gate is not None:
        require_pass(built.manifest.gate, str(out))
    write_bytes(out, built.content)
    return built.manifest


def _frames(model: FloatModel, settings: BuildSettings, data: DataSet | None, calibration: DataSet | None) -> Frames:
    split = split_of(model, data, settings.seed)
    if not settings.quantises:
        return Frames(chosen=None, choosing=None, judged=test_part(model, data, split), split=split)
    source = calibration if calibration is not None else training_frames(model, data, split)
    choosing = choosing_part(model, data, split)
    unlabelled = settings.margin is not None and choosing is None
    parts = divide(source, settings.seed) if unlabelled else None
    chosen, split = calibration_part(
        model, parts.calibration if parts else source, data, split, settings.calibration_frames, settings.seed
    )
    judged = test_part(model, data, split)
    if parts is not None:
        choosing, judged = model.seen(parts.choosing), judged or model.seen(parts.judged)
    return Frames(chosen=chosen, choosing=choosing, judged=judged, split=split)


def _gauge(settings: BuildSettings, frames: Frames, classes: tuple[str, ...]) -> Gauge | None:
    if settings.margin is None:
        return None
    if frames.choosing is None:
        raise UsageError(f"--max-drop {settings.margin.asked}: there are no frames to choose layers on; give --data")
    return Gauge(margin=settings.margin, choosing=frames.choosing, classes=classes, by=settings.by)


def _classes(model: FloatModel, data: DataSet | None) -> tuple[str, ...]:
    """The class names, from the shape of what the float network gives."""
    with closing(open_backend(ONNXRUNTIME, model.graph.SerializeToString(), threads=None)) as backend:
        outputs = golden_outputs(backend, golden_feeds(model, {}))
    return with_classes(model, outputs[model.output_name].shape[1:], data)
