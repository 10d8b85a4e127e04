"""Labels as they could have been if responses said nothing about them: exchanged, but only as far as the design allows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeneuro.data.recordings.recording import Numbers


def exchange(labels: Numbers, groups: Numbers, rng: np.random.Generator) -> Numbers:
    """(trial,) permuted labels. Where all trials of each group have one label, as those of an image do, groups exchange labels;
    else trials within each group do, as those of a block of gratings."""
    names, first, of_trial = np.unique(groups, return_index=True, return_inverse=True)
    if (labels == labels[first][of_trial]).all():
        return labels[first][rng.permutation(len(names))][of_trial]
    order = np.lexsort((rng.random(len(labels)), of_trial))
    exchanged = np.empty_like(labels)
    exchanged[np.argsort(of_trial, kind="stable")] = labels[order]
    return exchanged


def exchanges(labels: Numbers, groups: Numbers, count: int, seed: int) -> Iterator[Numbers]:
    """`count` exchanges, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield exchange(labels, groups, rng)


def p_value(score: float, by_chance: list[float]) -> float:
    """Share of permutations that reach the score, the true labels counted as one of them, so that it is never 0.

    Source: Phipson and Smyth 2010, 10.2202/1544-6115.1585."""
    reached = sum(other >= score - 1e-12 for other in by_chance)
    return (1 + reached) / (1 + len(by_chance))
