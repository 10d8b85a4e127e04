"""The measurements of the quantisation study as rows for docs/results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeneuro.benchmarks.document import Ratio
from edgeneuro.benchmarks.quantisation_accuracy import CLOSE, Accuracy
from edgeneuro.benchmarks.quantisation_checks import Check
from edgeneuro.benchmarks.quantisation_graphs import FLOAT, OURS, RUNTIMES, Graphs
from edgeneuro.benchmarks.quantisation_outputs import EMULATED
from edgeneuro.benchmarks.quantisation_times import Timed, Times
from edgeneuro.benchmarks.report.words import points
from edgeneuro.manifest import Interval
from edgeneuro.records import to_json

FAMILY: Mapping[str, str] = {"stanet": "depthwise", "lite0": "depthwise", "mobilenet-v2": "depthwise"}
"""Others are of the ResNet kind."""
ALLOWED_DROP = {"depthwise": 0.5, "resnet": 0.3}
"""Points."""
ALLOWED_AGREEMENT = 0.99
ALLOWED_TIME = {"stanet": 1 / 1.4}
"""Of float on ONNX Runtime."""
ALLOWED_OVER_FLOOR = {"unet": 1.5}

COLUMNS = {
    "net": "network",
    "tool": "quantised by",
    "convolutions": "convolutions",
    "int8_onnxruntime": "in INT8: ONNX Runtime",
    "int8_openvino": "OpenVINO",
    "int8_tensorrt": "TensorRT-RTX",
    "error_onnxruntime": "output error: ONNX Runtime",
    "error_openvino": "OpenVINO",
    "error_tensorrt": "TensorRT, emulated",
    "time_onnxruntime": "time / float: ONNX Runtime",
    "time_openvino": "OpenVINO",
    "accepted": "taken by TensorRT-RTX",
    "quantisation_s": "quantised in, s",
}
ACCURACY_COLUMNS = {
    "net": "network",
    "data": "test data",
    "metric": "metric",
    "tool": "quantised by",
    "runtime": "runtime",
    "score": "score, %",
    "drop": "drop, points",
    "agreement": "agreement, %",
    "within": "within the bar",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All of one network. facts: as the case states them. errors: tool and runtime -> error of the outputs.
    close_calls: of our graph on ONNX Runtime, as edgeneuro.benchmarks.quantisation_accuracy counts them."""

    name: str
    metric: str
    macs: int
    convolutions: int
    facts: Mapping[str, Any]
    graphs: Graphs
    checks: tuple[Check, ...]
    errors: Mapping[tuple[str, str], float]
    accuracies: tuple[Accuracy, ...]
    close_calls: tuple[float, float] | None
    times: Times

    def error(self, check: Check | None) -> float | None:
        """Of a graph that its runtime builds."""
        return self.errors.get((check.tool, check.runtime)) if check is not None and check.builds else None


def rows(measured: Measured) -> list[dict[str, Any]]:
    """One row a tool, with what each runtime made of its graph; float is what the others are compared with."""
    tools = [name for name in dict.fromkeys(item.tool for item in measured.checks) if name != FLOAT]
    return [_row(measured, tool) for tool in tools]


def _row(measured: Measured, tool: str) -> dict[str, Any]:
    checks = {item.runtime: item for item in measured.checks if item.tool == tool}
    timed = {item.runtime: item for item in measured.times.timed if item.tool == tool}
    row: dict[str, Any] = {"net": measured.name, "tool": tool, "convolutions": measured.convolutions}
    for runtime in RUNTIMES:
        found = checks.get(runtime)
        row[f"int8_{runtime}"] = None if found is None else found.int8_convolutions
        row[f"error_{runtime}"] = measured.error(found)
        row[f"time_{runtime}"] = spread(timed[runtime].to_float) if runtime in timed else None
    tensorrt = checks.get("tensorrt")
    row["accepted"] = None if tensorrt is None else tensorrt.accepted
    row["quantisation_s"] = measured.graphs.seconds.get(tool)
    row["checks"] = [to_json(item) for item in checks.values()]
    row["times"] = [to_json(item) for item in timed.values()]
    return row


def accuracy_rows(measured: Measured) -> list[dict[str, Any]]:
    """One row for every graph on every runtime that builds it, float included."""
    builds = {(item.tool, item.runtime) for item in measured.checks if item.builds}
    return [_accuracy_row(measured, item) for item in measured.accuracies if (item.tool, item.runtime) in builds]


def _accuracy_row(measured: Measured, item: Accuracy) -> dict[str, Any]:
    allowed = ALLOWED_DROP[FAMILY.get(measured.name, "resnet")]
    is_float = item.tool == FLOAT
    within = item.drop.value <= allowed and item.agreement.value >= ALLOWED_AGREEMENT
    return {
        "net": measured.name,
        "data": f"{measured.facts['data']}, {item.frames} frames of {item.groups} groups",
        "metric": measured.metric.replace("_", " "),
        "tool": item.tool,
        "runtime": item.runtime + (", emulated" if item.runtime in EMULATED else ""),
        "score": 100 * item.score,
        "drop": None if is_float else points(item.drop),
        "agreement": None if is_float else percent(item.agreement),
        "within": within if item.tool == OURS else None,
        "allowed_drop": allowed,
        "measured": to_json(item),
    }


def changes(measured: Measured) -> Iterator[str]:
    """On which frames our graph and float part."""
    if measured.close_calls is not None:
        everywhere, changed = (100 * share for share in measured.close_calls)
        yield (
            f"{measured.name}: float's two best classes are less than {CLOSE} apart in probability on {everywhere:.1f} % of the "
            f"test frames, and on {changed:.0f} % of those that our graph on ONNX Runtime gives another class."
        )


def bars(measured: Measured) -> Iterator[str]:
    """What was asked for and what was measured, one sentence each."""
    ours = {item.runtime: item for item in measured.checks if item.tool == OURS}
    timed = {item.runtime: item for item in measured.times.timed if item.tool == OURS}
    floor = measured.times.floor
    name = measured.name
    if name in ALLOWED_TIME and "onnxruntime" in timed:
        ratio = timed["onnxruntime"].to_float
        yield (
            f"{name}: INT8 on ONNX Runtime is {1 / ratio.p50:.2f} times as fast as its own FP32 there "
            f"(asked for: {1 / ALLOWED_TIME[name]:.1f}; {_met(ratio.p50 <= ALLOWED_TIME[name])})."
        )
    if floor.ratio is not None:
        asked = ALLOWED_OVER_FLOOR.get(name)
        told = "" if asked is None else f" (asked for: at most {asked}; {_met(floor.ratio <= asked)})"
        yield (
            f"{name}: {floor.ratio:.2f} times the INT8 floor of {floor.floor_ms:.2f} ms, which is "
            f"{measured.macs / 1e6:,.0f} M multiply-accumulates at {floor.peak_gmac_s:.0f} G/s, the peak measured in the "
            f"same rounds ({floor.kernel}){told}."
        )
    for runtime in RUNTIMES:
        yield from _best(measured, runtime, ours.get(runtime), timed.get(runtime))


def _best(measured: Measured, runtime: str, ours: Check | None, timed: Timed | None) -> Iterator[str]:
    """Whether a rival is more exact or faster than this project's graph on a runtime."""
    if ours is None:
        yield f"{measured.name} on {runtime}: no placement in INT8, so the float graph is what runs."
        return
    if not ours.accepted:
        yield f"{measured.name} on {runtime}: refuses our graph, {ours.refused}."
    own = measured.error(ours)
    rivals = [item for item in measured.checks if item.runtime == runtime and item.tool not in (OURS, FLOAT)]
    errors = {item: error for item in rivals if item.accepted and (error := measured.error(item)) is not None}
    best = min(errors, key=errors.__getitem__, default=None)
    if best is not None and own is not None and errors[best] < own:
        yield (
            f"{measured.name} on {runtime}: {best.tool} is nearer to float, error {errors[best]:.4f} against "
            f"{own:.4f}, with {best.int8_convolutions} convolutions in INT8 against {ours.int8_convolutions}."
        )
    faster = [item for item in measured.times.timed if item.runtime == runtime and item.to_ours is not None]
    for item in faster:
        assert item.to_ours is not None
        if item.to_ours.p50 < 1.0:
            yield (
                f"{measured.name} on {runtime}: {item.tool} takes {spread(item.to_ours)} of our time"
                f"{', within noise' if item.to_ours.p90 >= 1.0 else ''}."
            )


def refusals(measured: Measured) -> Iterator[str]:
    """Why a tool or a runtime refused, one sentence each."""
    for tool, reason in measured.graphs.refused.items():
        yield f"{measured.name}: {tool} failed: {reason}"
    told: set[tuple[str, str | None]] = set()
    for item in measured.checks:
        if item.refused and (item.tool, item.refused) not in told:
            told.add((item.tool, item.refused))
            yield f"{measured.name}: {item.tool} on {item.runtime}: {item.refused}"


def spread(ratio: Ratio) -> str:
    """ "0.42 [0.40, 0.45]": median and the middle four fifths of the rounds."""
    return f"{ratio.p50:.2f} [{ratio.p10:.2f}, {ratio.p90:.2f}]"


def percent(interval: Interval) -> str:
    """ "99.40 [98.90, 99.80]" of shares."""
    return f"{100 * interval.value:.2f} [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"


def _met(yes: bool) -> str:
    return "met" if yes else "missed"


def unique(lines: Sequence[str]) -> list[str]:
    """Each line once, in order."""
    return list(dict.fromkeys(lines))
