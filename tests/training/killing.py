"""Ending a run from inside, as a kill would."""

from collections.abc import Callable

from edgeneuro.training.keeper import OnProgress, Progress


class Killed(BaseException):
    """Ends training as abruptly as a test can without losing its own process."""


def kill_when(reached: Callable[[Progress], bool]) -> OnProgress:
    """Raises Killed in the first step of training for which `reached` holds."""

    def progress(done: Progress) -> None:
        if done.stage == "training" and reached(done):
            raise Killed

    return progress
