"""Where trials run: processes of this machine, or a Dask cluster that runs already.

A trial whose worker dies is run again on another by Dask's scheduler, and goes on from its folder. Every worker must see the
folder of the search, the base's checkpoint and the data under the same paths.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any, Protocol

from edgeneuro.errors import EdgeNeuroError, InputError, OutputError, UsageError
from edgeneuro.export.compress.progress import LOCK, PROPOSAL, Reporter, held
from edgeneuro.export.compress.records import BaseFacts, Candidate, Outcome, SearchSettings
from edgeneuro.files import write_bytes

RunTrial = Callable[[SearchSettings, BaseFacts, int, Candidate, Path, Callable[[int, float], bool]], Outcome]
"""As edgeneuro.export.compress.trial.run_trial; the last argument is told the score after an epoch and answers whether to stop."""

ANSWER_S = 20.0
"""A running scheduler has to answer within it."""


class WorkerLost(Exception):
    """A trial took its worker down again and again."""


class Running(Protocol):
    """A trial that was given to a worker."""

    def done(self) -> bool:
        """Whether `result` is there. Raises InputError where the cluster is not."""
        ...

    def result(self) -> Outcome:
        """Raises WorkerLost, and EdgeNeuroError as `work` does."""
        ...


class Workers(Protocol):
    """What trials are given to."""

    def count(self) -> int:
        """Trials that can run at once, now."""
        ...

    def submit(self, run: RunTrial, *arguments: Any) -> Running:
        """arguments: of `run`, without its last."""
        ...


def work(
    run: RunTrial, settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path
) -> Outcome:
    """One trial in its folder, on a worker; a fault in it is its outcome.

    A worker that was given up although it still runs is waited for, so that no two write to one folder. Raises
    EdgeNeuroError where `run` does, for what would keep any trial from running, and where this worker does not see `folder`.
    """
    if not (folder / PROPOSAL).exists():
        raise OutputError(f"{folder}: is not there on worker {gethostname()}; put the study where all workers see it")
    with held(folder / LOCK, wait=True):
        try:
            return run(settings, base, number, candidate, folder, Reporter(folder))
        except EdgeNeuroError:
            raise
        except Exception as error:  # noqa: BLE001  (one trial of many: the others go on, its folder has the traceback)
            write_bytes(folder / "error.txt", traceback.format_exc().encode())
            reason = " ".join(f"{type(error).__name__}: {error}; see error.txt in its folder".split())
            return Outcome(number=number, candidate=candidate, state="failed", reason=reason)


@contextmanager
def open_cluster(folder: Path, *, scheduler: str | None = None, workers: int = 1) -> Iterator[Workers]:
    """scheduler: address of a running one, tcp://HOST:PORT; a local cluster of so many `workers` is started, and ended
    with its workers, where None. folder: of the search; Dask's temporary files go there.

    Raises UsageError (no address), InputError (no answer, no workers, workers of several threads, which share torch's state).
    """
    import dask
    import distributed  # noqa: F401  (brings its defaults, which must be there before one of them is set for a while)

    with dask.config.set({"temporary-directory": str(folder), "distributed.comm.timeouts.connect": ANSWER_S}), _quiet():
        if scheduler is None:
            with _local(workers) as cluster, _client(cluster) as client:
                yield DaskWorkers(client)
            return
        with _connected(scheduler) as client:
            _check_workers(client, scheduler)
            yield DaskWorkers(client)


class DaskWorkers:
    """Implements Workers."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def count(self) -> int:
        """One trial a worker."""
        return len(self.client.nthreads())

    def submit(self, run: RunTrial, *arguments: Any) -> DaskRunning:
        """Never merged with another, never forgotten while the search runs."""
        return DaskRunning(self.client.submit(work, run, *arguments, pure=False))


class DaskRunning:
    """Implements Running."""

    def __init__(self, future: Any) -> None:
        self.future = future

    def done(self) -> bool:
        """Raises InputError where the scheduler was lost, which cancels what it was given."""
        if self.future.status == "cancelled":
            raise InputError("scheduler: was lost; start it again and go on with --resume")
        return bool(self.future.done())

    def result(self) -> Outcome:
        """Raises WorkerLost, and EdgeNeuroError as `work` does."""
        from distributed import KilledWorker

        try:
            outcome: Outcome = self.future.result()
        except KilledWorker as error:
            raise WorkerLost("every worker it was given to died; is there enough memory?") from error
        return outcome


def _local(workers: int) -> Any:
    """Processes of one thread each that trust nobody but this one: temporary keys, on this machine's own address."""
    from distributed import LocalCluster

    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=True,
        dashboard_address="127.0.0.1:0",  # of the server that it has in any case; its own port may be another cluster's
        scheduler_kwargs={"dashboard": False},
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )


def _client(cluster: Any) -> Any:
    """cluster: of this process, or an address."""
    from distributed import Client

    return Client(cluster, timeout=ANSWER_S, set_as_default=False)  # type: ignore[no-untyped-call]


def _connected(scheduler: str) -> Any:
    try:
        return _client(scheduler)
    except ValueError as error:
        raise UsageError(
            f"--scheduler {scheduler}: is no address ({error}); expected e.g. tcp://10.0.0.5:8786"
        ) from error
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"--scheduler {scheduler}: does not answer; start it with `dask scheduler`, or leave --scheduler out to run here"
        ) from error


def _check_workers(client: Any, scheduler: str) -> None:
    threads = client.nthreads()
    if not threads:
        raise InputError(
            f"--scheduler {scheduler}: has no workers; start some with: dask worker {scheduler} --nthreads 1"
        )
    for address, count in threads.items():
        if count != 1:
            raise InputError(
                f"--scheduler {scheduler}: worker {address} has {count} threads, expected 1, since trials in one process "
                f"disturb each other; start it with: dask worker {scheduler} --nthreads 1"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's remarks on workers that come and go."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
