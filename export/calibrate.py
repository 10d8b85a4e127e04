"""From calibration frames to a plan with placement, and the record of both for the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edgeneuro.calibration.cache import identity
from edgeneuro.calibration.ranges import Range
from edgeneuro.data.sample import DataSet
from edgeneuro.export.cached_plan import cached_plans
from edgeneuro.export.forms import ONNXRUNTIME, Form
from edgeneuro.export.gate import Margin
from edgeneuro.export.golden import input_ranges
from edgeneuro.export.hold_plan import HeldPlan, hold_plan
from edgeneuro.export.lowered import FLOAT_GRAPH
from edgeneuro.export.make_plan import DEFAULT_METHOD
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.place import SEARCH_FRAMES, place, timed_again
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Calibration, DataIdentity
from edgeneuro.preprocess import frame_depth
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed, Item


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The plan with its placements, the manifest's record of the frames, and what the user should know.

    input_ranges: of the network's inputs over the frames. held: how layers were returned to float for the gate.
    """

    plan: Plan
    record: Calibration
    input_ranges: Mapping[str, Range]
    notes: tuple[str, ...] = ()
    held: HeldPlan | None = None


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """What `--max-drop` measures layers by while they are chosen. choosing: frames neither trained on nor judged on.
    classes: the model's. by: also by this column of the data set."""

    margin: Margin
    choosing: DataSet
    classes: tuple[str, ...]
    by: str | None = None


def calibrate(
    model: FloatModel,
    chosen: DataSet,
    forms: Sequence[Form],
    *,
    method: str = DEFAULT_METHOD,
    threads: int,
    search_s: float,
    recorded: Plan | None,
    kept_float: Mapping[str, str],
    gauge: Gauge | None = None,
    progress: Callable[[str], None],
) -> Calibrated:
    """Ranges over the `chosen` frames, then for each target of `forms` the placement that is fastest.

    method: of the ranges. threads, search_s: of the search. recorded: a plan used as it is, so that a build can be
    repeated to the byte; one without placement, as training writes it, has its placement searched. kept_float: node ->
    why it has to stay. gauge: layers go back to float until it holds; None leaves the placement as it is.
    """
    progress(f"reading {len(chosen)} calibration frames")
    raw = [model.read(chosen, sample) for sample in chosen.samples]
    feeds = [model.feed(item) for item in raw]
    plan = recorded or model.plan
    notes: tuple[str, ...] = ()
    if plan is None:
        progress("collecting ranges")
        plans, told = cached_plans(model, feeds, [method])
        for line in told:
            progress(line)
        plan = plans[method]
    record = _record(model, chosen, raw, feeds, plan.method)
    if not plan.placement:
        placed = place(
            model, plan, forms, feeds, threads=threads, search_s=search_s, kept_float=kept_float, progress=progress
        )
        plan, notes = placed.plan, (*notes, *placed.notes)
    held: HeldPlan | None = None
    if gauge is not None:
        held = hold_plan(
            model.graph,
            plan,
            forms,
            feeds[:SEARCH_FRAMES],
            _baseline(model, gauge),
            gauge.margin,
            model.primary_metric,
            by=gauge.by,
            progress=progress,
        )
        checked = timed_again(model, plan, held.plan, forms, feeds, threads=threads, search_s=search_s)
        plan, notes = checked.plan, (*notes, *held.notes, *checked.notes)
    return Calibrated(plan=plan, record=record, input_ranges=input_ranges(feeds), notes=notes, held=held)


def _record(model: FloatModel, chosen: DataSet, raw: Sequence[Item], feeds: Sequence[Feed], method: str) -> Calibration:
    resized = model.preprocess is not None and model.preprocess.tiled is None
    frames = [item for item in raw if resized and isinstance(item, np.ndarray)]
    return Calibration(
        data=DataIdentity.of(chosen),
        method=method,
        identity=identity(feeds),
        bit_depths=tuple(sorted({frame_depth(frame) for frame in frames})),
        smallest_side_px=min((min(frame.shape[:2]) for frame in frames), default=0),
        largest_side_px=max((max(frame.shape[:2]) for frame in frames), default=0),
    )


def _baseline(model: FloatModel, gauge: Gauge) -> Baseline:
    """The float graph on the frames that layers are chosen by."""
    data = gauge.choosing
    feeds = [model.feed(model.read(data, sample)) for sample in data.samples]
    with closing(open_backend(ONNXRUNTIME, model.graph.SerializeToString(), threads=None)) as backend:
        return Baseline.of(backend, data, feeds, task=model.task, classes=gauge.classes, reference=FLOAT_GRAPH)
