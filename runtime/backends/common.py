"""What every backend needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from edgeneuro.errors import BackendError
from edgeneuro.runtime.onnx_wire import has_outside_weights
from edgeneuro.spec import Array, Feed

Job = TypeVar("Job")


def refuse_outside_weights(model: bytes, library: str) -> None:
    """Bytes that were verified must be all there is: a graph may not name files to read weights from.

    library: its name and version, for messages. Raises BackendError: weights kept outside, or not ONNX.
    """
    try:
        outside = has_outside_weights(model)
    except ValueError as error:
        raise BackendError(f"{library}: refuses the graph (not ONNX: {error}); build the engine again") from error
    if outside:
        raise BackendError(
            f"{library}: refuses the graph (it keeps weights in another file); save it with the "
            "weights inside, or build an engine from it with `edgeneuro build-engine`"
        )


def first_line(error: Exception) -> str:
    """A library's message, without what follows its first line."""
    return str(error).strip().partition("\n")[0]


def in_flight(
    feeds: Iterable[Feed],
    streams: int,
    start: Callable[[Feed], Job],
    finish: Callable[[Job], dict[str, Array]],
) -> Iterator[dict[str, Array]]:
    """Results in the order of `feeds`, while up to `streams` of them are computed.

    start: begins the work on one feed. finish: waits for it. No feed is taken before it can be started, so a camera is
    never drained. What goes wrong with a feed is raised in its place, after the results before it; whatever is still
    being computed at the end, also where the caller stops asking, is waited for.
    """
    jobs: deque[Job] = deque()
    items = iter(feeds)
    failed: Exception | None = None
    try:
        while failed is None:
            try:
                jobs.append(start(next(items)))
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001  (of whoever gives the feeds: raised below, in its place)
                failed = error
            if len(jobs) == streams:
                yield finish(jobs.popleft())
        while jobs:
            yield finish(jobs.popleft())
        if failed is not None:
            raise failed
    finally:
        while jobs:
            with suppress(BackendError):
                finish(jobs.popleft())
