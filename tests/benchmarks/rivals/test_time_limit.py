"""Others' work is ended after a while, in the main thread, whatever they make of it."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from edgeneuro.benchmarks.rivals.time_limit import time_limit
from edgeneuro.errors import BackendError


def test_work_that_goes_on_is_interrupted() -> None:
    with pytest.raises(BackendError, match=r"compiling: did not finish in 0\.1 s"), time_limit(0.1, "compiling"):
        time.sleep(60)


def test_an_interruption_that_the_library_wraps_is_still_told_as_one() -> None:
    with pytest.raises(BackendError, match="compiling: did not finish"), time_limit(0.1, "compiling"):
        try:
            time.sleep(60)
        except TimeoutError as error:
            raise RuntimeError("backend failed") from error


def test_an_error_in_time_stays_what_it_is_and_nothing_is_left_to_go_off() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyError), time_limit(60.0, "compiling"):
        raise KeyError("x")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_work_goes_on_without_a_limit() -> None:
    done: list[bool] = []

    def work() -> None:
        with time_limit(0.01, "compiling"):
            time.sleep(0.05)
        done.append(True)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert done
