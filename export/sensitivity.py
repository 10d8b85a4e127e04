"""Which layers pay for INT8: the output error and the task's metric with single layers quantised, and with them back.

A layer is toggled by lowering the plan again with another placement. The layers that carry most of the error are found
by group testing, which stands on squared output errors nearly adding up: rounding errors of different layers have no
mean and do not know of each other. They add up less where ranges clip, where the network saturates, where neighbours
share a tensor, and where outputs are so few that errors of two layers point the same way or the opposite way by chance.
Groups then have less error than their members together; the search needs only that they have no less than each one,
and goes layer by layer where that is seen to fail. Whether taking the found layers back helps is measured, not assumed.

Layers are looked at *in* INT8 among float ones, not the reverse: two neighbours share the tensor between them, and taking
one of them back to float leaves that tensor in INT8 for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import onnx

from edgeneuro.errors import DataError, ModelFileError, UsageError
from edgeneuro.export.accuracy import AGREEMENT, drop, score
from edgeneuro.export.forms import ONNXRUNTIME, Form
from edgeneuro.export.group_testing import Group, Heaviest, find_heaviest, least_budget, worst_case
from edgeneuro.export.lower import lower
from edgeneuro.export.outcomes import Baseline, Outcomes
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.targets import open_checked, runs_here
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Feed

TOP = 5
"""Layers looked for unless told otherwise."""

LOWERED = "int8"
"""The quantised network beside the float one."""

Progress = Callable[[int, int], None]
"""Told how many graphs were run, and how many it will be at most as far as is known."""


@dataclass(frozen=True, kw_only=True)
class TaskMetric:
    """What the network is there for. name: a metric, or edgeneuro.export.accuracy.AGREEMENT where there are no labels.
    baseline: the float network's answers to frames of groups that are in no test."""

    name: str
    baseline: Baseline


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer. error: of the outputs when only this layer is in INT8; error_without: when all others are; both as
    edgeneuro.export.outputs.relative_error. drop_points: what the metric loses when only this layer is in INT8, in
    percentage points. The last two are measured for the most sensitive layers only."""

    node: str
    operator: str
    error: float
    error_without: float | None = None
    drop_points: float | None = None


@dataclass(frozen=True, kw_only=True)
class Together:
    """Layers that were not told apart. error: of the outputs when just these are in INT8."""

    nodes: tuple[str, ...]
    error: float


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """value: of the float network, 0..1; 1 for agreement, which is with itself. What it loses in percentage points: with
    every placed layer in INT8, and with those of keep_float back in float."""

    name: str
    frames: int
    value: float
    drop_points: float
    drop_points_kept: float


@dataclass(frozen=True, kw_only=True)
class SensitivityReport:
    """Where the error of a placement comes from.

    form: how the layers were quantised; emulated: operator by operator, because its own runtime is not here. layers:
    in the placement. evaluations: graphs lowered and run, those for the metric included. error: of the outputs with
    the whole placement in INT8. additivity: the squared errors of all groups together / that of the whole; 1 where they
    add up, far above 2 where errors of layers undo each other. found: the most sensitive, most sensitive first.
    complete: no group that is left has more error than they have. cancels: groups of layers hid what their members
    cost, so these were measured one by one. keep_float: as many of `found`, from the first, as give the smallest error
    when they are in float, none where every one makes it larger; error_kept: that error. rows: layers measured singly;
    together: the others. ranking: all layers, most sensitive first; those of `together` by their share.
    """

    form: str
    emulated: bool
    layers: int
    frames: int
    evaluations: int
    error: float
    additivity: float
    found: tuple[str, ...]
    complete: bool
    cancels: bool
    keep_float: tuple[str, ...]
    error_kept: float
    rows: tuple[Layer, ...]
    together: tuple[Together, ...]
    ranking: tuple[str, ...]
    metric: MetricChange | None = None


def sensitivity(
    model: onnx.ModelProto,
    plan: Plan,
    form: Form,
    feeds: Sequence[Feed],
    *,
    metric: TaskMetric | None = None,
    top: int = TOP,
    budget: int | None = None,
    progress: Progress = lambda done, most: None,
) -> SensitivityReport:
    """Find the `top` layers of plan.placement[form.target] that cost the outputs most.

    model: float. feeds: a few calibration frames. budget: at most so many graphs are run; None allows what is needed
    where few layers carry the error, O(top * log(layers)), and one more a layer where groups hide it.
    Raises UsageError for a budget that is too small, DataError without frames, ModelFileError for a placement without
    layers, a plan that does not fit, outputs that are no numbers.
    """
    nodes = _checked(plan, form, feeds)
    count = min(top, len(nodes))
    after = _after_search(count, metric)
    searching = None if budget is None else _search_budget(budget, after, len(nodes), count)
    most = budget if budget is not None else worst_case(len(nodes), count) + after
    bench = _Bench(model, plan, form, feeds, lambda done: progress(done, max(done, most)))
    found = find_heaviest(nodes, lambda part: bench.error(part) ** 2, count=count, budget=searching)
    without = {node: bench.error(_without(nodes, (node,))) for node in found.found}
    in_float = _best_start(bench, nodes, found.found)
    kept = _without(nodes, in_float)
    change, drops = _metric_change(bench, metric, nodes, kept, found.found) if metric else (None, {})
    error = bench.error(nodes)
    return SensitivityReport(
        form=form.name,
        emulated=not runs_here(form),
        layers=len(nodes),
        frames=len(feeds),
        evaluations=bench.evaluations,
        error=error,
        additivity=sum(group.error for group in found.groups) / error**2 if error > 0 else 1.0,
        found=found.found,
        complete=found.complete,
        cancels=found.cancels,
        keep_float=in_float,
        error_kept=bench.error(kept),
        rows=_rows(model, found, without, drops),
        together=tuple(
            Together(nodes=group.items, error=_root(group)) for group in found.groups if len(group.items) > 1
        ),
        ranking=tuple(node for group in found.groups for node in group.items),
        metric=change,
    )


def _checked(plan: Plan, form: Form, feeds: Sequence[Feed]) -> tuple[str, ...]:
    """The layers to measure."""
    nodes = plan.placement.get(form.target, ())
    if not nodes:
        raise ModelFileError(
            f"sensitivity: no layer of the model is placed in INT8 on {form.target}, so none can cost anything; "
            "expected convolutions or fully connected layers with constant weights"
        )
    if not feeds:
        raise DataError("sensitivity: got no frames, expected at least one; name a folder with --calibration")
    return nodes


def _rows(
    model: onnx.ModelProto, found: Heaviest, without: Mapping[str, float], drops: Mapping[str, float]
) -> tuple[Layer, ...]:
    """The layers that were measured singly, largest error first. without, drops: of those that were found."""
    operators = {node.name: node.op_type for node in model.graph.node}
    singly = {group.items[0]: _root(group) for group in found.groups if len(group.items) == 1}
    return tuple(
        Layer(
            node=node,
            operator=operators[node],
            error=error,
            error_without=without.get(node),
            drop_points=drops.get(node),
        )
        for node, error in singly.items()
    )


def _after_search(count: int, metric: TaskMetric | None) -> int:
    """Graphs run beside the search: all layers, all but each found one, all but the first 2, 3, ...; then the metric's:
    all, all but those kept in float, each found one alone."""
    return 2 * count + (2 + count if metric else 0)


def _search_budget(budget: int, after: int, layers: int, count: int) -> int:
    least = after + least_budget(layers, count)
    if budget < least:
        raise UsageError(
            f"--budget {budget}: is too small to look for {count} of {layers} layers, expected at least {least}; "
            "or look for fewer with --top"
        )
    return budget - after


def _without(nodes: tuple[str, ...], in_float: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(node for node in nodes if node not in in_float)


def _best_start(bench: _Bench, nodes: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    """The start of `found` that, in float, leaves the smallest error."""
    starts = [found[:count] for count in range(len(found) + 1)]
    return min(starts, key=lambda start: bench.error(_without(nodes, start)))


def _root(group: Group) -> float:
    return float(np.sqrt(group.error))


def _metric_change(
    bench: _Bench, metric: TaskMetric, nodes: tuple[str, ...], kept: tuple[str, ...], found: tuple[str, ...]
) -> tuple[MetricChange, dict[str, float]]:
    """The metric with everything in INT8, with the found layers back in float, and with each of them alone in INT8."""
    whole = bench.outcomes(nodes, metric.baseline)
    rest = whole if kept == nodes else bench.outcomes(kept, metric.baseline)
    change = MetricChange(
        name=metric.name,
        frames=len(metric.baseline.feeds),
        value=1.0 if metric.name == AGREEMENT else score(whole, metric.baseline.reference, metric.name),
        drop_points=_drop(whole, metric.name),
        drop_points_kept=_drop(rest, metric.name),
    )
    return change, {node: _drop(bench.outcomes((node,), metric.baseline), metric.name) for node in found}


def _drop(outcomes: Outcomes, metric: str) -> float:
    return drop(outcomes, LOWERED, metric).value


class _Bench:
    """Runs the network with any part of the placement in INT8; errors are kept, so nothing is measured twice."""

    def __init__(
        self,
        model: onnx.ModelProto,
        plan: Plan,
        form: Form,
        feeds: Sequence[Feed],
        progress: Callable[[int], None],
    ) -> None:
        self.model, self.plan, self.form, self.feeds, self.progress = model, plan, form, feeds, progress
        self.evaluations = 0
        self.errors: dict[tuple[str, ...], float] = {}
        with closing(open_backend(ONNXRUNTIME, model.SerializeToString(), threads=None)) as backend:
            self.expected = stacked_outputs(backend, feeds)

    def error(self, part: tuple[str, ...]) -> float:
        """Of the outputs with `part`, in graph order, in INT8."""
        if part not in self.errors:
            with self._lowered(part) as backend:
                error = relative_error(stacked_outputs(backend, self.feeds), self.expected)
            if not np.isfinite(error):
                raise ModelFileError(
                    f"sensitivity: with {_named(part)} in INT8 on {self.form.name} some outputs are no numbers; "
                    "calibrate with frames like those the network was trained on"
                )
            self.errors[part] = error
        return self.errors[part]

    def outcomes(self, part: tuple[str, ...], baseline: Baseline) -> Outcomes:
        """What the network says with `part` in INT8, beside the float network."""
        with self._lowered(part) as backend:
            return baseline.beside({LOWERED: backend})

    @contextmanager
    def _lowered(self, part: tuple[str, ...]) -> Iterator[Backend]:
        graph = lower(self.model, with_placement(self.plan, self.form.target, part), self.form)
        with closing(open_checked(self.form, graph.SerializeToString())) as backend:
            yield backend
        self.evaluations += 1
        self.progress(self.evaluations)


def _named(part: tuple[str, ...]) -> str:
    if not part:
        return "nothing"
    return f"{part[0]!r}" if len(part) == 1 else f"{part[0]!r} and {len(part) - 1} more layers"
