"""A benchmark against its baseline: what counts as worse, what is noise, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, Comparison, Latency, Quiet, Report, Row
from edgeneuro.benchmarks.measure.against import Regressions, against, check_against, regression_lines
from edgeneuro.errors import RegressionError, UsageError
from edgeneuro.manifest import Interval
from edgeneuro.records import from_json, to_json
from tests.benchmarks.documents import STANET, sample_report

BASE = sample_report()
CHOSEN = next(row for row in BASE.rows if row.engine == STANET and row.chosen)


def with_rows(change: Callable[[Row], Row | None], report: Report = BASE) -> Report:
    """Every row changed, or left out where the change is None."""
    changed = (change(row) for row in report.rows)
    return replace(report, rows=tuple(row for row in changed if row is not None))


def only(name: str, **changes: Any) -> Callable[[Row], Row]:
    return lambda row: replace(row, **changes) if row.name == name else row


def slower(factor: float, report: Report = BASE) -> Report:
    """The chosen row takes `factor` times as long, compared with every other row of its run."""

    def compared(one: Comparison) -> Comparison:
        ratio = replace(one.ratio, **{key: factor * value for key, value in to_json(one.ratio).items()})
        return replace(one, ratio=ratio) if one.row == CHOSEN.name else one

    def timed(latency: Latency) -> Latency:
        return replace(
            latency,
            quantiles=tuple(
                replace(
                    one,
                    ms=factor * one.ms,
                    low=None if one.low is None else factor * one.low,
                    high=None if one.high is None else factor * one.high,
                )
                for one in latency.quantiles
            ),
        )

    steps = {step: timed(latency) for step, latency in CHOSEN.steps.items()}
    changed = with_rows(only(CHOSEN.name, steps=steps), report)
    return replace(changed, comparisons=tuple(compared(one) for one in report.comparisons))


def found(now: Report, was: Report = BASE, **options: Any) -> list[tuple[str, str]]:
    """Where and what has got worse."""
    return [(change.where, change.what) for change in against(now, was, **options).regressions]


def accuracy(**changes: Any) -> AccuracyRecord:
    assert CHOSEN.accuracy is not None
    return replace(CHOSEN.accuracy, **changes)


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def test_a_run_compared_with_itself_holds_and_says_how_much_was_compared() -> None:
    same = check_against(BASE, BASE)
    assert same.holds and not same.improvements
    ours = sum(row.tool == OURS for row in BASE.rows)
    assert same.checks > 5 * ours
    assert regression_lines(same)[0].startswith(
        f"no regression in {same.checks} checks against the baseline of 2026-11-24"
    )


def test_a_row_that_is_slower_beyond_noise_is_a_regression_by_ratio_and_by_time() -> None:
    assert found(slower(1.3)) == [
        (CHOSEN.name, "inference / float row"),
        (CHOSEN.name, "median inference"),
        (CHOSEN.name, "median total"),
    ]
    assert found(slower(1.3), ratios_only=True) == [(CHOSEN.name, "inference / float row")]


def test_what_the_intervals_or_the_tolerance_cover_is_no_regression() -> None:
    assert found(slower(1.04)) == [], "intervals are 1.1 % wide, but 5 % is tolerated"
    assert found(slower(1.04), tolerance=0.02) != []

    def wide(one: Comparison) -> Comparison:
        return replace(one, ratio=replace(one.ratio, low=0.5 * one.ratio.p50, high=1.5 * one.ratio.p50))

    unsure = replace(BASE, comparisons=tuple(wide(one) for one in BASE.comparisons))
    assert found(slower(1.3, unsure), ratios_only=True) == [], "30 % more, but neither run knows it so well"
    assert found(slower(1.3), unsure, ratios_only=True) == []


def test_a_faster_row_is_an_improvement_that_asks_for_a_new_baseline() -> None:
    better = against(slower(0.8), BASE, ratios_only=True)
    assert better.holds and [change.where for change in better.improvements] == [CHOSEN.name]
    text = "\n".join(regression_lines(better))
    assert "better: " in text and "renew the baseline, so that what was won is kept" in text


def test_a_noisy_run_gives_no_verdict_on_times_and_never_fails_for_them() -> None:
    noisy = Quiet(same=None, quiet=False, reasons=("another process used 40 % of the processors",))
    for now, was in ((replace(slower(9.0), quiet=noisy), BASE), (slower(9.0), replace(BASE, quiet=noisy))):
        quietly = against(now, was)
        assert quietly.holds
        (note,) = [note for note in quietly.notes if "no verdict on times" in note]
        assert "another process used 40 %" in note


def test_a_noisy_run_still_fails_for_what_is_counted() -> None:
    noisy = replace(BASE, quiet=Quiet(same=None, quiet=False, reasons=()))
    assert found(with_rows(only(CHOSEN.name, bytes=2 * (CHOSEN.bytes or 0)), noisy)) == [
        (CHOSEN.name, "bytes of the graph")
    ]


@pytest.mark.parametrize("what", ["processor", "cores"])
def test_another_machine_compares_ratios_only_and_says_so(what: str) -> None:
    elsewhere = replace(slower(1.3), machine={**BASE.machine, what: "another"})
    compared = against(elsewhere, BASE)
    assert [change.what for change in compared.regressions] == ["inference / float row"]
    assert any(note.startswith(f"Another machine ({what} another") for note in compared.notes)


def test_other_threads_are_not_compared_at_all() -> None:
    threads = replace(slower(1.3), conditions=replace(BASE.conditions, threads=2))
    compared = against(threads, BASE)
    assert compared.holds
    assert any("this run used 2 threads, the baseline 1 thread" in note for note in compared.notes)


def test_other_frames_leave_the_time_of_the_whole_frame_out() -> None:
    fed = replace(slower(1.3), protocol=replace(BASE.protocol, frames="16 synthetic frames"))
    assert [what for _, what in found(fed)] == ["inference / float row", "median inference"]


def test_a_median_without_an_interval_is_not_compared() -> None:
    def unbounded(row: Row) -> Row:
        steps = {
            step: replace(one, quantiles=tuple(replace(q, low=None, high=None) for q in one.quantiles))
            for step, one in row.steps.items()
        }
        return replace(row, steps=steps)

    assert [what for _, what in found(with_rows(unbounded, slower(1.3)))] == ["inference / float row"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"bytes": int(1.02 * (CHOSEN.bytes or 0))}, "bytes of the graph"),
        ({"int8_convolutions": (CHOSEN.int8_convolutions or 0) - 2}, "convolutions in float"),
        ({"accuracy": accuracy(value=interval(0.70, 0.6, 0.8))}, "balanced accuracy"),
        ({"accuracy": accuracy(agreement=interval(0.93, 0.9, 0.99))}, "agreement with float"),
        ({"accuracy": accuracy(drop_points=interval(4.0, -1.0, 9.0))}, "drop of balanced accuracy against float"),
    ],
)
def test_what_is_counted_or_answered_is_compared_row_by_row(changes: dict[str, Any], what: str) -> None:
    worse = with_rows(only(CHOSEN.name, **changes))
    assert found(worse) == [(CHOSEN.name, what)]
    assert against(BASE, worse).holds, "the other way round it is none"


@pytest.mark.parametrize(
    "changes",
    [
        {"bytes": int(1.005 * (CHOSEN.bytes or 0))},
        {"int8_convolutions": (CHOSEN.int8_convolutions or 0) - 1},
        {"accuracy": accuracy(value=interval(0.76, 0.7, 0.8))},
        {"accuracy": accuracy(drop_points=interval(3.0, 1.0, 5.0))},
    ],
)
def test_small_differences_are_none(changes: dict[str, Any]) -> None:
    assert found(with_rows(only(CHOSEN.name, **changes))) == []


def test_a_score_that_was_certain_may_still_move_by_a_point() -> None:
    certain = with_rows(only(CHOSEN.name, accuracy=accuracy(value=interval(1.0, 1.0, 1.0))))
    almost = with_rows(only(CHOSEN.name, accuracy=accuracy(value=interval(0.995, 0.99, 1.0))))
    lower = with_rows(only(CHOSEN.name, accuracy=accuracy(value=interval(0.98, 0.96, 1.0))))
    assert found(almost, certain) == []
    assert found(lower, certain) == [(CHOSEN.name, "balanced accuracy")]


def test_accuracy_on_other_frames_or_not_measured_is_said_and_not_compared() -> None:
    low = interval(0.1, 0.0, 0.2)
    other = against(with_rows(only(CHOSEN.name, accuracy=accuracy(value=low, frames=99))), BASE)
    assert other.holds and any(
        "accuracy was taken on other frames (balanced_accuracy, 99 frames" in n for n in other.notes
    )
    none = against(with_rows(only(CHOSEN.name, accuracy=None)), BASE)
    assert none.holds and any("accuracy was not measured; give --data" in note for note in none.notes)


def test_parameters_operations_and_file_size_are_those_of_the_engine() -> None:
    first, *rest = BASE.engines
    grown = replace(first, bytes=2 * first.bytes, compute=replace(first.compute, params=1 + first.compute.params))
    assert found(replace(BASE, engines=(grown, *rest))) == [(STANET, "bytes of the file"), (STANET, "parameters")]
    lighter = replace(first, compute=replace(first.compute, macs=first.compute.macs - 1))
    better = against(replace(BASE, engines=(lighter, *rest)), BASE)
    assert [change.what for change in better.improvements] == ["multiply-accumulates a frame"]


def test_a_row_that_vanished_is_a_regression_and_a_new_one_is_noted() -> None:
    without = with_rows(lambda row: None if row.name == CHOSEN.name else row)
    gone = against(without, BASE)
    assert not gone.holds and gone.vanished[0].startswith(f"{CHOSEN.name}: was measured, is not")
    new = against(BASE, without)
    assert new.holds and f"{CHOSEN.name}: is new, the baseline has no such row." in new.notes


def test_why_a_row_vanished_is_said_where_the_run_knows() -> None:
    without = with_rows(lambda row: None if row.name == CHOSEN.name else row)
    reason = {CHOSEN.name: "openvino is not installed; run: pip install 'edgeneuro[openvino]'"}
    (text,) = against(replace(without, not_measured=reason), BASE).vanished
    assert text == f"{CHOSEN.name}: {reason[CHOSEN.name]}"


def test_rivals_are_not_judged() -> None:
    alone = with_rows(lambda row: row if row.tool == OURS else None)
    compared = against(alone, BASE)
    assert compared.holds and "Rows of other tools are not judged." in compared.notes


def test_another_graph_in_a_rows_place_is_not_compared() -> None:
    reduced = against(with_rows(only(CHOSEN.name, path="graphs/other.onnx", bytes=10**9)), BASE)
    assert reduced.holds
    assert any("runs graphs/other.onnx, the baseline ran graphs/openvino.int8.onnx" in note for note in reduced.notes)


def test_other_versions_and_another_choice_are_noted() -> None:
    libraries = {**BASE.machine["libraries"], "openvino": "2099.1"}
    turned = with_rows(
        lambda row: replace(row, chosen=row.tool == OURS and row.backend == "onnxruntime" and row.precision == "int8")
    )
    notes = against(replace(turned, machine={**BASE.machine, "libraries": libraries}), BASE).notes
    assert "Other versions than in the baseline: openvino 2026.4.1 -> 2099.1." in notes
    assert any(f"in the baseline it took {CHOSEN.name}" in note for note in notes)


def test_a_baseline_of_other_engines_is_refused() -> None:
    other = replace(
        BASE,
        engines=tuple(replace(one, name=f"x-{one.name}") for one in BASE.engines),
        rows=tuple(replace(row, engine=f"x-{row.engine}") for row in BASE.rows),
    )
    with pytest.raises(UsageError, match=rf"the baseline is of x-{STANET}.*this run of {STANET}"):
        against(BASE, other)


def test_the_error_lists_what_was_what_is_what_passes_and_what_to_try() -> None:
    with pytest.raises(RegressionError) as caught:
        check_against(slower(1.3), BASE, ratios_only=True)
    assert caught.value.exit_code == 3
    first, worse, *rest = str(caught.value).splitlines()
    assert first.startswith("1 regression in ")
    was = next(one.ratio for one in BASE.comparisons if one.row == CHOSEN.name and "fp32 onnxruntime" in one.reference)
    assert f"{CHOSEN.name}: inference / float row: was {was.p50:.3f} [{was.low:.3f}, {was.high:.3f}]" in worse
    assert f"is {1.3 * was.p50:.3f}" in worse and "(+30.0 %)" in worse
    assert f"allowed: up to {1.05 * was.p50:.3f}" in worse and "run it once more" in worse
    assert any("renew the baseline" in line for line in rest)
    assert from_json(Regressions, caught.value.record, "record").regressions[0].where == CHOSEN.name
