"""Frames in flight: in order, never more than asked for, errors in their place."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from edgeneuro.errors import BackendError, ShapeError
from edgeneuro.runtime.backends.common import in_flight
from edgeneuro.spec import Array, Feed


def feed(number: int) -> Feed:
    return {"x": np.array([number])}


class Work:
    """Jobs that are counted."""

    def __init__(self) -> None:
        self.taken = 0
        self.running: list[int] = []
        self.most = 0

    def feeds(self, count: int) -> Iterator[Feed]:
        for number in range(count):
            self.taken += 1
            yield feed(number)

    def start(self, given: Feed) -> int:
        self.running.append(int(given["x"][0]))
        self.most = max(self.most, len(self.running))
        return self.running[-1]

    def finish(self, job: int) -> dict[str, Array]:
        self.running.remove(job)
        return {"y": np.array([2 * job])}


def answers(results: Iterator[dict[str, Array]]) -> list[int]:
    return [int(result["y"][0]) for result in results]


@pytest.mark.parametrize("streams", [1, 2, 3, 9])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_every_feed_has_its_answer_in_order(streams: int, count: int) -> None:
    work = Work()
    assert answers(in_flight(work.feeds(count), streams, work.start, work.finish)) == [2 * i for i in range(count)]
    assert work.most == min(streams, count)


def test_a_source_is_never_read_further_ahead_than_there_are_streams() -> None:
    work = Work()
    results = in_flight(work.feeds(100), 3, work.start, work.finish)
    for asked in range(1, 6):
        next(results)
        assert work.taken == asked + 2
        assert len(work.running) == 2


def test_what_is_still_computed_is_waited_for_when_nobody_asks_further() -> None:
    work = Work()
    results = in_flight(work.feeds(100), 3, work.start, work.finish)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert work.running == []
    assert work.taken == 3


def test_a_feed_that_fails_is_raised_after_the_results_before_it() -> None:
    work = Work()

    def feeds() -> Iterator[Feed]:
        yield from (feed(0), feed(1))
        raise ShapeError("tensor 'x': odd")

    results = in_flight(feeds(), 4, work.start, work.finish)
    assert [int(next(results)["y"][0]) for _ in range(2)] == [0, 2]
    with pytest.raises(ShapeError, match="odd"):
        next(results)


def test_a_frame_that_fails_while_it_is_computed_is_raised_in_its_place_and_no_result_follows() -> None:
    def compute(given: Feed) -> dict[str, Array]:
        if given["x"][0] == 1:
            raise BackendError("openvino: failed")
        return {"y": 2 * given["x"]}

    with ThreadPoolExecutor(2) as pool:
        feeds = (feed(number) for number in range(6))
        results = in_flight(feeds, 2, lambda given: pool.submit(compute, given), Future.result)
        assert int(next(results)["y"][0]) == 0
        with pytest.raises(BackendError, match="failed"):
            next(results)
        assert list(results) == []
