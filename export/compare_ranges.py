"""Range methods side by side: what each costs at the outputs, how much it clips, where they disagree.

Graphs are emulated operator by operator, so that the table is about ranges and no runtime's rounding; it is the same on
every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edgeneuro.calibration.observer import Statistics
from edgeneuro.calibration.ranges import Range
from edgeneuro.data.sample import DataSet
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import Form, form_named
from edgeneuro.export.lower import lower
from edgeneuro.export.lowered import FLOAT_GRAPH
from edgeneuro.export.observe import observe
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.outputs import relative_error
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.source import FloatModel, with_classes
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Array, Feed

COMPARED_FORMS = ("onnxruntime-x86-vnni", "tensorrt")
"""One with 256 steps and a zero point, one with 127 steps either side of zero: what a range has to serve."""
WORST = 8
"""Tensors in the report: those whose ranges differ most."""


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method. errors: form -> of the outputs, root mean square over the float outputs' standard deviation.
    agreement: form -> with float: share of frames of the same class, mean Dice of the masks, or 1 - relative distance.
    clipped: share of all values beyond their range."""

    name: str
    method: str
    errors: Mapping[str, float]
    agreement: Mapping[str, float]
    clipped: float


@dataclass(frozen=True, kw_only=True)
class TensorRow:
    """One tensor. ratio: of the widest range to the narrowest. ranges: by method."""

    tensor: str
    ratio: float
    ranges: Mapping[str, Range]


@dataclass(frozen=True, kw_only=True)
class RangeComparison:
    """layers: form -> how many nodes run in INT8. tensors: WORST of those with a range, the largest ratio first."""

    layers: Mapping[str, int]
    methods: tuple[MethodRow, ...]
    tensors: tuple[TensorRow, ...]


def compare_ranges(
    model: FloatModel,
    plans: Mapping[str, Plan],
    data: DataSet,
    feeds: Sequence[Feed],
    *,
    labelled: DataSet | None = None,
    step: Callable[[str], None] = lambda name: None,
) -> RangeComparison:
    """plans: by method, placement not needed: every node is placed that the rules of a form place. data, feeds: frames
    to compare on, and their network inputs. labelled: names the classes where `model` does not. step: told each step.

    Raises ModelFileError, DataError.
    """
    step("running the network in float")
    content = model.graph.SerializeToString()
    with closing(_Recorder(open_backend("onnxruntime", content, threads=None))) as recorder:
        classes = with_classes(model, recorder.run(feeds[0])[model.output_name].shape, labelled)
        recorder.clear()
        baseline = Baseline.of(recorder, data, feeds, task=model.task, classes=classes, reference=FLOAT_GRAPH)
        expected = recorder.stacked()
    seen = observe(model.graph, sorted(next(iter(plans.values())).ranges), feeds)
    forms = [form_named(name) for name in COMPARED_FORMS]
    nodes = {form.name: placement_by_rule(model.graph, form)[0] for form in forms}
    rows = []
    for name, plan in plans.items():
        step(f"running {name} in INT8")
        measured = {
            form.name: _measured(model, with_placement(plan, form.target, nodes[form.name]), form, baseline, expected)
            for form in forms
        }
        rows.append(
            MethodRow(
                name=name,
                method=plan.method,
                errors={form: error for form, (error, _) in measured.items()},
                agreement={form: agreement for form, (_, agreement) in measured.items()},
                clipped=_clipped(plan, seen),
            )
        )
    return RangeComparison(
        layers={form: len(placed) for form, placed in nodes.items()}, methods=tuple(rows), tensors=worst_tensors(plans)
    )


def worst_tensors(plans: Mapping[str, Plan]) -> tuple[TensorRow, ...]:
    """The WORST tensors by disagreement of their ranges; none where fewer than two methods are compared."""
    if len(plans) < 2:
        return ()
    rows = []
    for tensor in next(iter(plans.values())).ranges:
        ranges = {name: plan.ranges[tensor] for name, plan in plans.items()}
        widths = [max(limits.high, 0.0) - min(limits.low, 0.0) for limits in ranges.values()]
        ratio = max(widths) / max(min(widths), float(np.finfo(np.float32).tiny))
        rows.append(TensorRow(tensor=tensor, ratio=ratio, ranges=ranges))
    return tuple(sorted(rows, key=lambda row: -row.ratio)[:WORST])


def _measured(
    model: FloatModel, plan: Plan, form: Form, baseline: Baseline, expected: Mapping[str, Array]
) -> tuple[float, float]:
    """Output error, agreement."""
    with closing(_Recorder(open_emulated(lower(model.graph, plan, form)))) as recorder:
        outcomes = baseline.beside({form.path: recorder})
        return relative_error(recorder.stacked(), expected), float(outcomes.agreement[form.path].mean())


def _clipped(plan: Plan, seen: Mapping[str, Statistics]) -> float:
    outside = sum(found.outside(plan.ranges[name].low, plan.ranges[name].high) for name, found in seen.items())
    return outside / sum(int(found.counts.sum()) for found in seen.values())


class _Recorder:
    """A backend that keeps every output."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.inputs, self.outputs = backend.inputs, backend.outputs
        self._runs: list[dict[str, Array]] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As the backend's."""
        self._runs.append(self._backend.run(feeds))
        return self._runs[-1]

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """As the backend's, one after the other."""
        return map(self.run, feeds)

    def stacked(self) -> dict[str, Array]:
        """Output name -> (frame, ...)."""
        return {name: np.concatenate([run[name] for run in self._runs]) for name in self._runs[0]}

    def clear(self) -> None:
        """Forget what was kept."""
        self._runs.clear()

    def close(self) -> None:
        """As the backend's."""
        self._backend.close()
