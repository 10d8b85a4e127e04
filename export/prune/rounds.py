"""How far each of several rounds of cutting and training goes, and where its checkpoint lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeneuro.training.keeper import OnProgress, Progress

ROUNDS = "rounds"
"""Folder in the output for the checkpoints of all rounds but the last."""


def round_folder(out: Path, number: int, rounds: int) -> Path:
    """Of round `number`, from 1: OUT/rounds/1, 2, ...; the last one is OUT itself."""
    return out if number == rounds else out / ROUNDS / str(number)


def share_to_keep(macs: int, target: float, left: int) -> float:
    """Share of `macs` to keep in the next of `left` rounds, so that equal shares lead to `target` multiply-accumulates.

    Geometric: each round takes the same share of what it finds. 1 or more where nothing is left to take, because an
    earlier round had to take more than was asked.
    """
    return float((target / macs) ** (1.0 / left))


def of_all_rounds(progress: OnProgress, number: int, rounds: int, epochs: int) -> OnProgress:
    """`progress` for round `number` of `rounds`: epochs and batches are counted over all of them."""

    def tell(done: Progress) -> None:
        if done.stage == "reading":
            progress(done)
            return
        row = None if done.row is None else replace(done.row, epoch=done.row.epoch + (number - 1) * epochs)
        progress(replace(done, done=done.done + (number - 1) * done.total, total=rounds * done.total, row=row))

    return tell
