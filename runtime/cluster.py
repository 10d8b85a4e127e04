"""A Dask cluster: processes of this machine, or one that runs already."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeneuro.errors import InputError, UsageError

ANSWER_S = 20.0
"""A running scheduler has to answer within it."""

log = logging.getLogger("edgeneuro")


@contextmanager
def open_client(
    folder: Path, *, scheduler: str | None = None, workers: int = 1, dashboard: bool = False
) -> Iterator[Any]:
    """A client of distributed. scheduler: address of a running one, tcp://HOST:PORT; a local cluster of so many `workers` is started,
    and ended with its workers, where None. folder: for Dask's temporary files. dashboard: of the local cluster; where a dashboard is,
    the log says.

    Raises UsageError (no address), InputError (no answer).
    """
    import dask
    import distributed  # noqa: F401  (brings its defaults, which must be there before one of them is set for a while)

    with dask.config.set({"temporary-directory": str(folder), "distributed.comm.timeouts.connect": ANSWER_S}), _quiet():
        if scheduler is None:
            with _local(workers, dashboard) as cluster, _client(cluster) as client:
                _tell(client, dashboard)
                yield client
            return
        with _connected(scheduler) as client:
            _tell(client, dashboard)
            yield client


def _tell(client: Any, dashboard: bool) -> None:
    if dashboard and client.dashboard_link:
        log.info("dashboard: %s (needs bokeh on the scheduler's machine)", client.dashboard_link)


def _local(workers: int, dashboard: bool) -> Any:
    """Processes of one thread each that trust nobody but this one: temporary keys, on this machine's own address."""
    from distributed import LocalCluster

    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=True,
        dashboard_address="127.0.0.1:0",  # of the server that it has in any case; its own port may be another cluster's
        scheduler_kwargs={"dashboard": dashboard},
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        preload=[__name__],  # so that each worker calls dask_setup, also one that takes the place of another
    )


def dask_setup(_: Any) -> None:
    """Called by Dask in each local worker: a terminal's Ctrl-C is for the driver, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
