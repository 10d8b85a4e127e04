"""Which frames make pairs: positive ones are of the same class, negative ones of different classes.

Two rules, after the patent application that edgeneuro.models.skin names: within a group every frame is matched with another
one of its class, and what is left is swapped; beside that, pairs are drawn at random. Which choice of frames is a group,
that matches are disjoint, and that random pairs are drawn by class, is ours.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def partners(labels: Numbers) -> Numbers:
    """A permutation of a group: the position of each element's partner.

    labels: (element,) class numbers. From the first to the last, each element that is still free and the next free one of
    its class become each other's partner. Of every class one element at most is left; those get each other as partners in
    reverse order, or, where they are odd in number and one would meet itself, each the next of them. Returns (element,).
    """
    partner, waiting = np.arange(len(labels)), dict[int, int]()
    for i, label in enumerate(labels.tolist()):
        if label in waiting:
            j = waiting.pop(label)
            partner[i], partner[j] = j, i
        else:
            waiting[label] = i
    left = np.array(sorted(waiting.values()), np.int64)
    partner[left] = np.roll(left, -1) if len(left) % 2 else left[::-1]
    return partner


def group_pairs(labels: Numbers) -> Numbers:
    """(pair, 2) positions in a group: each element and its partner, without one that would be its own.

    Pairs of matched elements are positive, the others negative.
    """
    pairs = np.stack([np.arange(len(labels)), partners(labels)], axis=1)
    return cast(Numbers, pairs[pairs[:, 0] != pairs[:, 1]])


def drawn_pairs(labels: Numbers, positive: int, negative: int, rng: np.random.Generator) -> Numbers:
    """(pair, 2) rows of `labels`, drawn with replacement: so many positive pairs, then so many negative ones.

    labels: (row,) class numbers. On both sides every class comes up equally often, however rare it is, and all rows of a
    class do. A row meets itself only where it is the only one of its class. With one class only, all pairs are positive.
    """
    count = positive + negative
    _, sizes = np.unique(labels, return_counts=True)
    by_class, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    first = rng.integers(len(sizes), size=count)
    shift = rng.integers(1, max(len(sizes), 2), size=count)
    shift[:positive] = 0
    second = (first + shift) % len(sizes)
    others = (first == second) & (sizes[second] > 1)  # among which the row itself is left out
    at, other = rng.integers(sizes[first]), rng.integers(sizes[second] - others)
    other += others & (other >= at)
    return np.stack([by_class[starts[first] + at], by_class[starts[second] + other]], axis=1)


def group_size(pairs: int, positive_ratio: float) -> int:
    """Elements of the group in a batch of so many pairs: half as many, and never more than may be positive."""
    return min(pairs // 2, round(positive_ratio * pairs))


def batch_pairs(
    labels: Numbers, group: Numbers, pairs: int, positive_ratio: float, rng: np.random.Generator
) -> Numbers:
    """(pair, 2) rows of `labels`: the pairs of `group`, filled up with drawn ones so that a share `positive_ratio` of them,
    to the nearest whole pair, is positive.

    labels: (row,) class numbers. group: (element,) rows, group_size of them or fewer. Negative pairs of the group that are
    too many are left out.
    """
    positive = round(positive_ratio * pairs)
    matched = group[group_pairs(labels[group])]
    alike = labels[matched[:, 0]] == labels[matched[:, 1]]
    kept = [matched[alike], matched[~alike][: pairs - positive]]
    drawn = drawn_pairs(labels, positive - len(kept[0]), pairs - positive - len(kept[1]), rng)
    return np.concatenate([*kept, drawn])


def batch_count(rows: int, pairs: int) -> int:
    """Batches of an epoch: a branch sees no more frames than there are, and one batch at least."""
    return max(1, rows // pairs)


def epoch_pairs(labels: Numbers, pairs: int, positive_ratio: float, rng: np.random.Generator) -> Numbers:
    """(batch_count * pairs, 2) rows of `labels`, one batch after the other. pairs: of a batch.

    Groups follow one another through a random order of all rows, so that none comes up in two of them.
    """
    order, size = rng.permutation(len(labels)), group_size(pairs, positive_ratio)
    groups = (order[batch * size : (batch + 1) * size] for batch in range(batch_count(len(labels), pairs)))
    return np.concatenate([batch_pairs(labels, group, pairs, positive_ratio, rng) for group in groups])


def class_shares(labels: Numbers, classes: int, pairs: int, positive_ratio: float) -> NDArray[np.float64]:
    """(class,) share of each class among the frames of `epoch_pairs`: in groups as it is in `labels`, in drawn pairs the
    same for all that are there."""
    counts = np.bincount(labels, minlength=classes)
    grouped = group_size(pairs, positive_ratio) / pairs
    shares: NDArray[np.float64] = grouped * counts / counts.sum() + (1.0 - grouped) * (counts > 0) / np.count_nonzero(
        counts
    )
    return shares
