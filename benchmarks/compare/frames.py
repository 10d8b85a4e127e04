"""Which frames executables are compared on: unseen ones, and where a metric judges, labelled ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeneuro.benchmarks.accuracy import LeftOut, matched_classes
from edgeneuro.benchmarks.compare.interface import Interface, Meaning
from edgeneuro.benchmarks.measure.judge import renumbered
from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data.leakage import leak_statement, unseen
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Frames:
    """data: those to use, class numbers as the network has them. labelled: whether each has a class or a mask of the
    network's task. protocol: of the split the network was trained with, None where nobody says. drawn_from: how many there
    were before some were drawn, None where all are used."""

    data: DataSet
    labelled: bool
    protocol: Literal["grouped", "leaky"] | None
    left_out: LeftOut
    drawn_from: int | None
    notes: tuple[str, ...]


def frames_for(
    interfaces: Sequence[Interface], meaning: Meaning, dataset: DataSet, *, most: int | None, seed: int
) -> Frames:
    """Frames of `dataset` that none of the compared files has seen in training, validation or calibration.

    most: so many at most, groups and classes in turn, drawn by `seed`; None takes all. Reads no frame.
    Raises DataError: labels of another task or other classes, or nothing left.
    """
    labelled = meaning.task != "tensors" and bool(dataset.classes)
    usable = _labelled(interfaces, meaning, dataset) if labelled else dataset
    if not usable.samples:
        raise DataError(f"{dataset.name}: has no frames to compare on, expected at least one; give another --data")
    splits = [one.meaning.split for one in interfaces if one.meaning is not None and one.meaning.split is not None]
    left = usable
    for split in splits:
        left = unseen(left, split).dataset
    data = left
    if most is not None and most < len(left):
        data = left.subset(choose_samples(left.samples, most, np.random.default_rng(seed)))
    return Frames(
        data=data,
        labelled=labelled,
        protocol=_protocol(splits),
        left_out=LeftOut(
            frames=len(usable) - len(left),
            groups=len(_groups(usable) - _groups(left)),
            unlabelled=len(dataset) - len(usable),
            dropped=dict(dataset.dropped),
        ),
        drawn_from=len(left) if len(data) < len(left) else None,
        notes=tuple(_notes(meaning, usable, splits, labelled=labelled)),
    )


def _labelled(interfaces: Sequence[Interface], meaning: Meaning, dataset: DataSet) -> DataSet:
    """Its labelled frames, once their classes are known to be the network's."""
    name = next(one.label for one in interfaces if one.meaning is not None)
    matched_classes(name, meaning.task, meaning.classes, dataset)
    if meaning.task != "classification":
        return dataset
    return renumbered(dataset, meaning.classes)


def _groups(data: DataSet) -> set[str]:
    return {sample.group for sample in data.samples}


def _protocol(splits: Sequence[Split]) -> Literal["grouped", "leaky"] | None:
    """leaky as soon as one split is."""
    if not splits:
        return None
    return "leaky" if any(split.protocol == "leaky" for split in splits) else "grouped"


def _notes(meaning: Meaning, data: DataSet, splits: Sequence[Split], *, labelled: bool) -> Iterator[str]:
    if not labelled:
        why = (
            "Of tensors no label says whether they are right"
            if meaning.task == "tensors"
            else f"{data.name} has no labels"
        )
        yield f"{why}: executables are compared with the reference only."
    if not splits:
        yield "No file says what the network was trained on: all frames were used, seen or not."
    leaks = (leak_statement(data, split) for split in splits)
    yield from dict.fromkeys(leak for leak in leaks if leak is not None)
