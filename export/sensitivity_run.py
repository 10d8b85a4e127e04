"""The whole of `edgeneuro sensitivity`: from a model and frames to a report and a keep-float list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data import DataSet, Split
from edgeneuro.errors import ModelFileError, UsageError
from edgeneuro.export.accuracy import AGREEMENT
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.forms import FORMS, ONNXRUNTIME, Form, form_named
from edgeneuro.export.keep_float import GraphIdentity, KeepFloat
from edgeneuro.export.lowered import FLOAT_GRAPH
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.parts import calibration_part, choosing_part, own_data, split_of, training_frames
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import with_placement
from edgeneuro.export.sensitivity import (
    TOP,
    Progress,
    SensitivityReport,
    TaskMetric,
    sensitivity,
)
from edgeneuro.export.source import FloatModel, load_source, with_classes
from edgeneuro.manifest import DataIdentity
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed

DEFAULT_TARGET = "onnxruntime-x86-vnni"


@dataclass(frozen=True, kw_only=True)
class SensitivitySettings:
    """target: name of the form. top, budget: as of `sensitivity`. calibration_frames: at most so many fix the ranges;
    frames: so many of them are compared with float. labelled_frames: at most so many for the metric. seed: of their
    choice. options: what an .onnx file does not say of itself."""

    target: str = DEFAULT_TARGET
    top: int = TOP
    budget: int | None = None
    calibration_frames: int = 300
    frames: int = 16
    labelled_frames: int = 200
    seed: int = 0
    options: FileOptions = NOTHING_SAID


@dataclass(frozen=True, kw_only=True)
class MeasuredSensitivity:
    """The report with what it was measured on, and the list for `build-engine --keep-float`. labelled: the frames of
    the metric; None where it is agreement with float, or nothing."""

    model: str
    calibration: DataIdentity
    labelled: DataIdentity | None
    report: SensitivityReport
    keep_float: KeepFloat


def measure_sensitivity(
    source: str,
    settings: SensitivitySettings,
    *,
    data: DataSet | None = None,
    calibration: DataSet | None = None,
    step: Callable[[str], None] = lambda name: None,
    progress: Progress = lambda done, most: None,
) -> MeasuredSensitivity:
    """source, data, calibration: as `edgeneuro.export.build.build_engine` takes them, but test groups are never scored:
    the metric is measured on validation groups. step: told the name of each step; progress: as of `sensitivity`.

    Raises UsageError for an unknown target or one without INT8, DataError, ModelFileError, CheckpointError.
    """
    form = _int8_form(settings.target)
    step("reading the float network")
    model = load_source(source, settings.options)
    data = data if data is not None else own_data(model)
    split = split_of(model, data, settings.seed)
    frames = calibration if calibration is not None else training_frames(model, data, split)
    chosen, split = calibration_part(model, frames, data, split, settings.calibration_frames, settings.seed)
    nodes = _placement(model, form)
    step(f"reading {len(chosen)} calibration frames")
    feeds = [model.feed(model.read(chosen, sample)) for sample in chosen.samples]
    step("collecting ranges")
    ranges = model.plan if model.plan is not None else calibrated_plan(model.graph, feeds)
    plan = with_placement(ranges, form.target, nodes)
    labelled = _labelled(model, data, split, settings)
    compared = chosen.subset(chosen.samples[: settings.frames])
    feeds = feeds[: settings.frames]
    metric = _metric(model, compared, feeds, labelled, data)
    step("measuring layers")
    report = sensitivity(
        model.graph,
        plan,
        form,
        feeds,
        metric=metric,
        top=settings.top,
        budget=settings.budget,
        progress=progress,
    )
    return MeasuredSensitivity(
        model=model.name,
        calibration=DataIdentity.of(chosen),
        labelled=DataIdentity.of(labelled) if labelled is not None else None,
        report=report,
        keep_float=keep_float_list(report, model),
    )


def keep_float_list(report: SensitivityReport, model: FloatModel) -> KeepFloat:
    """The layers that the report keeps in float, each with what it costs in INT8."""
    alone = {row.node: row.error for row in report.rows}
    return KeepFloat(
        model=GraphIdentity.of(model.graph, model.name),
        form=report.form,
        nodes={
            node: f"alone in INT8 it changes the outputs by {alone[node]:.2g} of their standard deviation ({report.form})"
            for node in report.keep_float
        },
    )


def _int8_form(target: str) -> Form:
    form = form_named(target)
    if not form.operators:
        names = ", ".join(name for name, other in FORMS.items() if other.operators)
        raise UsageError(f"--target {target}: has no layers in INT8, expected one of {names}")
    return form


def _placement(model: FloatModel, form: Form) -> tuple[str, ...]:
    """What the checkpoint was trained with, else what the rules for `form` place. Raises ModelFileError for nothing."""
    brought = model.plan.placement.get(form.target, ()) if model.plan else ()
    nodes, reasons = (brought, {}) if brought else placement_by_rule(model.graph, form)
    if not nodes:
        why = "; ".join(f"{node}: {reason}" for node, reason in list(reasons.items())[:3])
        raise ModelFileError(
            f"{model.name}: has no layer for INT8 on {form.name} ({why or 'none with constant weights'}), so none can "
            "cost anything; expected convolutions or fully connected layers, try another --target"
        )
    return nodes


def _labelled(
    model: FloatModel, data: DataSet | None, split: Split | None, settings: SensitivitySettings
) -> DataSet | None:
    """At most settings.labelled_frames frames for the metric, spread over classes and groups."""
    held = choosing_part(model, data, split) if model.task != "tensors" else None
    if held is None:
        return None
    rng = np.random.default_rng(settings.seed)
    return held.subset(choose_samples(held.samples, settings.labelled_frames, rng))


def _metric(
    model: FloatModel, chosen: DataSet, feeds: Sequence[Feed], labelled: DataSet | None, data: DataSet | None
) -> TaskMetric:
    """The primary metric on the `labelled` frames; without them, agreement on the frames `chosen`, whose feeds they are."""
    if labelled is not None:
        chosen = labelled
        feeds = [model.feed(model.read(labelled, sample)) for sample in labelled.samples]
    with closing(open_backend(ONNXRUNTIME, model.graph.SerializeToString(), threads=None)) as backend:
        shape = backend.run(feeds[0])[model.output_name].shape
        classes = with_classes(model, shape, data)
        baseline = Baseline.of(backend, chosen, feeds, task=model.task, classes=classes, reference=FLOAT_GRAPH)
    return TaskMetric(name=model.primary_metric if labelled is not None else AGREEMENT, baseline=baseline)
