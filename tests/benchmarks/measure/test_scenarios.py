"""MLPerf's scenarios on made-up rows."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from edgeneuro.benchmarks.document import Scenario, ScenarioResult
from edgeneuro.benchmarks.measure.scenarios import Runner, run_scenario
from edgeneuro.errors import UsageError
from edgeneuro.spec import Feed

FEEDS: tuple[Feed, ...] = tuple({"x": np.full((1, 1), i, np.float32)} for i in range(5))
Asked = list[tuple[str, tuple[int, ...]]]


def rows(asked: Asked, **streams: int) -> dict[str, Runner]:
    """Rows that answer at once and note what they were asked."""

    def runner(name: str) -> Runner:
        def run(feeds: Sequence[Feed]) -> None:
            asked.append((name, tuple(int(feed["x"][0, 0]) for feed in feeds)))

        return Runner(streams=streams[name], run=run)

    return {name: runner(name) for name in streams}


def ran(
    scenario: Scenario, runners: dict[str, Runner], *, queries: int, budget_s: float = 60.0
) -> dict[str, ScenarioResult]:
    rng = np.random.default_rng(0)
    return run_scenario(scenario, runners, FEEDS, queries=queries, budget_s=budget_s, rng=rng, track=iter)


def test_a_multi_stream_query_is_the_same_eight_frames_for_every_row_in_turn() -> None:
    asked: Asked = []
    found = ran("multi-stream", rows(asked, a=1, b=2), queries=20)
    pairs = [asked[i : i + 2] for i in range(4, len(asked), 2)]  # two rounds were warm-up
    assert len(pairs) == 20
    assert all({first[0], second[0]} == {"a", "b"} and first[1] == second[1] for first, second in pairs)
    assert {len(frames) for _, frames in asked} == {8}
    assert {pair[0][0] for pair in pairs} == {"a", "b"} and len({pair[0][1] for pair in pairs}) == 20
    assert (found["b"].samples, found["b"].queries, found["b"].streams) == (8, 20, 2)
    assert found["b"].latency is not None and found["b"].latency.queries == 20
    assert not found["b"].conforms
    assert found["b"].missing == "20 queries; MLPerf's early stopping asks for 662 to claim p99"


@pytest.mark.parametrize("scenario, queries", [("single-stream", 64), ("multi-stream", 662)])
def test_a_scenario_conforms_from_the_query_on_that_early_stopping_asks_for(scenario: Scenario, queries: int) -> None:
    percentile = 90.0 if scenario == "single-stream" else 99.0
    for asked, conforms in ((queries - 1, False), (queries, True)):
        found = ran(scenario, rows([], a=1), queries=asked)["a"]
        assert (found.conforms, found.missing == "") == (conforms, conforms)
        assert found.latency is not None and (found.latency.at(percentile).claim_ms is not None) == conforms


def test_offline_is_divided_into_equal_blocks_for_all_rows() -> None:
    asked: Asked = []
    found = ran("offline", rows(asked, a=1, b=2), queries=100)
    assert {len(frames) for _, frames in asked} == {32}  # 16 for each of the larger row's two streams
    assert (found["a"].samples, found["a"].queries, found["a"].latency) == (32, 4, None)
    assert found["a"].missing == "128 frames; MLPerf asks for 24,576"
    ran("offline", rows(asked, c=4), queries=10)
    assert [len(frames) for name, frames in asked if name == "c"] == [10, 10, 10]  # no larger than asked for


def test_offline_conforms_with_as_many_frames_as_mlperf_asks() -> None:
    assert ran("offline", rows([], a=64), queries=24_576)["a"].conforms
    assert not ran("offline", rows([], a=64), queries=23_552)["a"].conforms


def test_throughput_is_frames_by_the_time_they_took() -> None:
    runners = {"slow": Runner(streams=1, run=lambda feeds: time.sleep(0.01))}
    found = ran("multi-stream", runners, queries=5)["slow"]
    assert found.latency is not None and found.latency.at(50.0).ms >= 10.0
    assert found.throughput == pytest.approx(8e3 / found.latency.mean_ms)


def test_a_budget_that_ends_it_is_said() -> None:
    found = ran("multi-stream", rows([], a=1), queries=1000, budget_s=0.0)["a"]
    assert (found.queries, found.conforms) == (1, False)
    assert "asks for 662 to claim p99; the time budget ended it after 0.0 s" in found.missing


def test_nothing_to_run_or_to_feed_is_refused() -> None:
    with pytest.raises(UsageError, match="offline: got 0 rows, 5 frames and 3 queries"):
        ran("offline", {}, queries=3)
    with pytest.raises(UsageError, match="1 rows, 5 frames and 0 queries"):
        ran("offline", rows([], a=1), queries=0)
