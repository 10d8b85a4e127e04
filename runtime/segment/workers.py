"""Who makes the parts of a mask: this process, or the workers of a Dask cluster."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edgeneuro.errors import InputError
from edgeneuro.runtime.cluster import open_client
from edgeneuro.runtime.cpu import core_count
from edgeneuro.runtime.segment.work import forget

log = logging.getLogger("edgeneuro")

Made = TypeVar("Made")

AHEAD = 2
"""Parts given out for each thread of the workers: while one is made the next is there, and memory here stays constant."""


class Workers(Protocol):
    """threads: that each part may compute with, None for all there are."""

    threads: int | None

    def each(self, work: Callable[..., Made], parts: Iterable[tuple[Any, ...]]) -> Iterator[Made]:
        """`work` of every part's arguments, in whatever order they are done. Raises what `work` does; InputError where the workers
        are lost."""
        ...


@contextmanager
def open_workers(
    *, scheduler: str | None = None, workers: int | None = None, threads: int | None = None
) -> Iterator[Workers]:
    """scheduler: address of a running one; else so many `workers` on this machine, each a process; else this process alone.

    threads: of each worker; None shares this machine's processors out, and is one on a scheduler's. Raises UsageError, InputError.
    """
    if scheduler is None and workers is None:
        try:
            yield Here(threads)
        finally:
            forget()
        return
    shared = max(1, core_count() // workers) if workers is not None else 1
    with (
        tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder,
        open_client(Path(folder), scheduler=scheduler, workers=workers or 1, dashboard=True) as client,
    ):
        if scheduler is not None and not client.nthreads():
            log.warning("--scheduler %s: has no workers yet; waits for some: dask worker %s", scheduler, scheduler)
        # a cluster goes on living: what an earlier run opened there may have changed since
        client.run(forget, on_error="ignore")
        yield OnDask(client, threads or shared)
        client.run(forget, on_error="ignore")


class Here:
    """Implements Workers."""

    def __init__(self, threads: int | None) -> None:
        self.threads = threads

    def each(self, work: Callable[..., Made], parts: Iterable[tuple[Any, ...]]) -> Iterator[Made]:
        """One after the other."""
        for part in parts:
            yield work(*part)


class OnDask:
    """Implements Workers. A part whose worker dies is given to another one by the scheduler, three times at most."""

    def __init__(self, client: Any, threads: int) -> None:
        self.client = client
        self.threads: int | None = threads

    def each(self, work: Callable[..., Made], parts: Iterable[tuple[Any, ...]]) -> Iterator[Made]:
        """A few at a time, so that neither this process nor the scheduler holds millions."""
        from distributed import CancelledError, KilledWorker, as_completed
        from distributed.comm.core import CommClosedError

        waiting = iter(parts)
        running: Any = as_completed(loop=self.client.loop)  # type: ignore[no-untyped-call]
        try:
            self._give(work, waiting, running)
            for future in running:
                made: Made = future.result()
                future.release()
                self._give(work, waiting, running)
                yield made
        except KilledWorker as error:
            raise InputError(
                "workers: every worker that a part was given to died; is there enough memory? Try a smaller --chunk, and go on "
                "with --resume"
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise InputError(
                f"workers: the scheduler was lost ({error}); start it again and go on with --resume"
            ) from error

    def _give(self, work: Callable[..., Made], waiting: Iterator[tuple[Any, ...]], running: Any) -> None:
        """So many parts that every thread there is now has AHEAD of them."""
        room = AHEAD * max(1, sum(self.client.nthreads().values())) - running.count()
        for part in islice(waiting, max(0, room)):
            running.add(self.client.submit(work, *part, pure=False))
