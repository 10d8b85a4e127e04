"""How a trial and the search that started it tell each other things: files in the trial's folder, which both can see.

proposal.json: what to try, by the search. progress.jsonl: one line an epoch, by the trial. stop: the epoch after which it was
found hopeless, by the search. outcome.json: how it ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.errors import UsageError
from edgeneuro.files import write_bytes

PROPOSAL, PROGRESS, STOP, OUTCOME, LOCK = "proposal.json", "progress.jsonl", "stop", "outcome.json", "lock"


@dataclass(frozen=True)
class Reporter:
    """Given to a trial. folder: the trial's."""

    folder: Path

    def __call__(self, epoch: int, score: float) -> bool:
        """Write down the score on the validation part, 0..1, after `epoch`, counted from 0; returns whether to stop."""
        path = self.folder / PROGRESS
        line = json.dumps({"epoch": epoch, "score": float(score)}, allow_nan=False) + "\n"
        with path.open("a+b") as file:
            if file.tell() and not path.read_bytes().endswith(b"\n"):  # of a worker that was killed while it wrote
                line = "\n" + line
            file.write(line.encode())
        return (self.folder / STOP).exists()


def read_progress(folder: Path) -> dict[int, float]:
    """epoch -> score, in order. A line that was not finished is left out; of an epoch done twice the first stands."""
    try:
        lines = (folder / PROGRESS).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    found: dict[int, float] = {}
    for line in lines:
        try:
            row = json.loads(line)
            found.setdefault(int(row["epoch"]), float(row["score"]))
        except (ValueError, KeyError, TypeError):
            continue
    return dict(sorted(found.items()))


def ask_to_stop(folder: Path, epoch: int) -> None:
    """Ends the trial after its next epoch. epoch: the one that decided it."""
    write_bytes(folder / STOP, f"{epoch}\n".encode())


def stopped_at(folder: Path) -> int | None:
    """The epoch that decided it, None for a trial that goes on."""
    try:
        return int((folder / STOP).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None


@contextmanager
def held(path: Path, *, wait: bool, message: str = "") -> Iterator[None]:
    """The lock file `path`, released by the system when its holder ends, also by kill -9. wait: for another holder to
    end; else UsageError with `message`. Without effect on Windows, which has no such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise UsageError(message) from error
        yield
