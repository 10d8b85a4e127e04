"""Work of others that may take for ever, ended after a while."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgeneuro.errors import BackendError

_AGAIN_S = 5.0
"""The library may have swallowed the first interruption."""


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Interrupt the block after `seconds` and raise BackendError, whatever the interrupted library makes of it.

    what: is done, for the message. Signals reach the main thread only, of systems that have them: elsewhere no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    except Exception as error:
        if time.monotonic() - started >= seconds:
            raise BackendError(f"{what}: did not finish in {seconds:g} s and was given up") from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("time is up")
