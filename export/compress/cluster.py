"""Where trials run: processes of this machine, or a Dask cluster that runs already.

A trial whose worker dies is run again on another by Dask's scheduler, and goes on from its folder. Every worker must see the
folder of the search, the base's checkpoint and the data under the same paths.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any, Protocol

from edgeneuro.errors import EdgeNeuroError, InputError, OutputError
from edgeneuro.export.compress.progress import LOCK, PROPOSAL, Reporter, held
from edgeneuro.export.compress.records import BaseFacts, Candidate, Outcome, SearchSettings
from edgeneuro.files import write_bytes
from edgeneuro.runtime.cluster import open_client

RunTrial = Callable[[SearchSettings, BaseFacts, int, Candidate, Path, Callable[[int, float], bool]], Outcome]
"""As edgeneuro.export.compress.trial.run_trial; the last argument is told the score after an epoch and answers whether to stop."""


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
    with open_client(folder, scheduler=scheduler, workers=workers) as client:
        if scheduler is not None:
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
