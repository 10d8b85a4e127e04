"""A plan whose graphs stay inside the margin of accuracy: `hold_margin` for every target of a bundle.

Each target has its own placement, its own rounding and so its own sensitive layers; one after the other has its layers
ranked (edgeneuro.export.sensitivity) and returned to float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import onnx

from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.export.forms import Form
from edgeneuro.export.gate import Margin
from edgeneuro.export.hold_margin import hold_margin
from edgeneuro.export.lowered import FLOAT_GRAPH, lowered_graphs
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.plan import Plan
from edgeneuro.export.sensitivity import sensitivity
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Feed


@dataclass(frozen=True, kw_only=True)
class HeldPlan:
    """plan: with the placement that held. kept_float: layer -> why it went back, of all targets. history: one line a
    measurement. notes: targets where layers went back, for people."""

    plan: Plan
    kept_float: Mapping[str, str]
    history: tuple[str, ...]
    notes: tuple[str, ...]


def hold_plan(
    model: onnx.ModelProto,
    plan: Plan,
    forms: Sequence[Form],
    feeds: Sequence[Feed],
    baseline: Baseline,
    margin: Margin,
    metric: str,
    *,
    by: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> HeldPlan:
    """Return layers of `plan` to float, target by target, until the margin holds on the frames of `baseline`.

    model: float. plan: with placement. forms: of the bundle. feeds: a few calibration frames, by which layers are
    ranked. baseline, margin, metric, by: as of `hold_margin`; its frames are in neither training nor the test part.
    """
    held = HeldPlan(plan=plan, kept_float={}, history=(), notes=())
    for target in dict.fromkeys(form.target for form in forms if form.operators and plan.placement.get(form.target)):
        own = [form for form in forms if form.target == target]
        held = _hold_target(model, held, own, feeds, baseline, margin, metric, by, progress)
    return held


def _hold_target(
    model: onnx.ModelProto,
    held: HeldPlan,
    forms: Sequence[Form],
    feeds: Sequence[Feed],
    baseline: Baseline,
    margin: Margin,
    metric: str,
    by: str | None,
    progress: Callable[[str], None],
) -> HeldPlan:
    """forms: all of one target."""
    plan, target = held.plan, forms[0].target
    widest = next(form for form in forms if form.operators)

    @contextmanager
    def opened(kept: tuple[str, ...]) -> Iterator[Mapping[str, Backend]]:
        lowered = lowered_graphs(model, forms, _without(plan, target, dict.fromkeys(kept, "")))
        with ExitStack() as stack:
            yield {
                path: stack.enter_context(closing(graph.open()))
                for path, graph in lowered.items()
                if path != FLOAT_GRAPH
            }

    def rank() -> Sequence[str]:
        progress(f"ranking the layers of {target} by sensitivity")
        return sensitivity(model, plan, widest, feeds).ranking

    found = hold_margin(
        opened, rank, baseline, margin, metric, by=by, progress=lambda step: progress(f"{target}: {step}")
    )
    kept = {node: f"{target}: {why}" for node, why in found.kept_float.items()}
    both = {node: f"{held.kept_float[node]}; {why}" for node, why in kept.items() if node in held.kept_float}
    notes = (f"{target}: {len(kept)} layers back in float to hold --max-drop {margin.asked}",) if kept else ()
    if found.all_float:
        notes = (f"{target}: no INT8 layers hold --max-drop {margin.asked}; kept in float",)
    return HeldPlan(
        plan=_without(plan, target, found.kept_float),
        kept_float={**held.kept_float, **kept, **both},
        history=(*held.history, *(f"{target}: {line}" for line in found.history)),
        notes=(*held.notes, *notes),
    )


def _without(plan: Plan, target: str, kept: Mapping[str, str]) -> Plan:
    """`plan` with the layers of `kept` in float on `target`, for the reasons given."""
    nodes = tuple(node for node in plan.placement[target] if node not in kept)
    reasons = {**plan.kept_float.get(target, {}), **kept}
    return replace(
        plan,
        placement={**plan.placement, target: nodes},
        kept_float={**plan.kept_float, target: reasons} if reasons else plan.kept_float,
    )


@dataclass(frozen=True, kw_only=True)
class Divided:
    """Frames without labels, divided by group: what fixes the ranges, what layers are chosen on, what is judged."""

    calibration: DataSet
    choosing: DataSet
    judged: DataSet


def divide(frames: DataSet, seed: int) -> Divided:
    """Half of the groups to calibrate, a quarter to choose layers on, a quarter to judge: for an engine without a
    labelled frame, whose gate would else judge the very frames its ranges come from. Raises DataError for fewer than
    four groups."""
    groups = sorted({sample.group for sample in frames.samples})
    if len(groups) < 4:
        raise DataError(
            f"{frames.name}: has {len(groups)} group(s), expected at least 4 to calibrate, choose layers and judge on "
            "different ones; give more recordings, or labelled ones with --data"
        )
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    half, rest = len(order) // 2, len(order) - len(order) // 4

    def part(names: Sequence[str]) -> DataSet:
        members = set(names)
        return frames.subset([sample for sample in frames.samples if sample.group in members])

    return Divided(calibration=part(order[:half]), choosing=part(order[half:rest]), judged=part(order[rest:]))
