"""Which trials train a decoder and which test it: grouped, which is honest, or leaky, as the study did.

Trials of one group (an image, a block of gratings) have to stay on one side: a decoder that has seen one trial of an image can know
the image again instead of its class, and slow drifts make trials of one block alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from edgeneuro.data.make_split import Protocol
from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.errors import DataError

FEW_GROUPS = 32
"""Up to so many, each group is left out in turn; with more, one part in PARTS tests, once."""
PARTS = 5


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Numbers of trials, in order; together the labelled ones that show a stimulus."""

    training: Numbers
    test: Numbers


@dataclass(frozen=True, kw_only=True)
class Folds:
    """protocol: "grouped", or "leaky" where trials of one group are on both sides. words: how trials were divided, for every table."""

    protocol: Protocol
    words: str
    folds: tuple[Fold, ...]

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)

    @property
    def tested(self) -> Numbers:
        """Numbers of the trials that are tested, fold after fold."""
        return np.concatenate([fold.test for fold in self.folds])


def split_trials(recording: Recording, *, protocol: Protocol = "grouped", seed: int = 0) -> Folds:
    """Each group left out in turn where there are up to FEW_GROUPS, else 80 % of the groups for training, 20 % for testing, every
    class in about that proportion. "leaky" has as many folds of as many trials, but drawn trial by trial.

    Raises DataError: fewer than two classes or groups, or a class that all training parts or one of them would lack.
    """
    labelled = np.flatnonzero(~recording.grey & (recording.labels != UNKNOWN))
    labels, groups = recording.labels[labelled], recording.groups[labelled]
    count = len(np.unique(groups))
    if len(np.unique(labels)) < 2 or count < 2:
        raise DataError(
            f"{recording.name}: has {len(labelled)} labelled trials of {len(np.unique(labels))} classes in {count} groups, expected "
            "two or more of each; give a class file, or other labels"
        )
    few = count <= FEW_GROUPS
    parts = count if few else PARTS
    divided = _divide(labels, groups, parts, protocol, seed, leave_out=few)
    folds = tuple(Fold(training=labelled[train], test=labelled[test]) for train, test in divided)
    for fold in folds:
        _refuse_unseen(recording, labelled, fold)
    return Folds(protocol=protocol, words=_words(protocol, len(folds), few), folds=folds if few else folds[:1])


def _divide(
    labels: Numbers, groups: Numbers, parts: int, protocol: Protocol, seed: int, *, leave_out: bool
) -> list[tuple[Numbers, Numbers]]:
    """Training and test places of each fold."""
    table = np.zeros((len(labels), 1))
    if protocol == "leaky":
        smallest = int(np.unique(labels, return_counts=True)[1].min())
        kept = max(2, min(parts, smallest))
        return list(StratifiedKFold(kept, shuffle=True, random_state=seed).split(table, labels))
    if leave_out:
        return list(LeaveOneGroupOut().split(table, labels, groups))
    return list(StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(table, labels, groups))


def _words(protocol: Protocol, parts: int, few: bool) -> str:
    if protocol == "leaky":
        return f"leaky: {'all' if few else 'one'} of {parts} parts held out, trial by trial"
    return (
        f"grouped: each of {parts} groups left out in turn"
        if few
        else f"grouped: one of {parts} parts of the groups held out"
    )


def _refuse_unseen(recording: Recording, labelled: Numbers, fold: Fold) -> None:
    unseen = np.setdiff1d(recording.labels[labelled], recording.labels[fold.training])
    if len(unseen):
        names = ", ".join(recording.classes[number] for number in unseen)
        raise DataError(
            f"{recording.name}: a training part has no trial of {names}, expected some of every class; merge such classes with others "
            "or leave them out"
        )
