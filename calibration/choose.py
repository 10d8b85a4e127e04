"""Which frames fix the ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError


def choose_samples(samples: Sequence[Sample], count: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Up to `count` samples, spread over classes, then over the groups of a class, then at random within a group.

    Takes one frame from every group in turn, classes alternating, so that neighbouring frames of one video do not
    crowd out other patients. Raises DataError when there are none.
    """
    if not samples:
        raise DataError("calibration: got no frames, expected at least one; name a folder with --calibration")
    queues = [_by_group(samples, target, rng) for target in _classes(samples)]
    chosen: list[Sample] = []
    turn = 0
    while len(chosen) < min(count, len(samples)):
        queue = queues[turn % len(queues)]
        if queue:
            chosen.append(queue.pop(0))
        turn += 1
    return tuple(chosen)


def _classes(samples: Sequence[Sample]) -> list[int | None]:
    return sorted({sample.target for sample in samples}, key=lambda target: -1 if target is None else target)


def _by_group(samples: Sequence[Sample], target: int | None, rng: np.random.Generator) -> list[Sample]:
    """Samples of one class ordered so that each round holds one frame of every group that still has any."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.target == target:
            groups.setdefault(sample.group, []).append(sample)
    ranked: list[tuple[int, Sample]] = []
    for group in rng.permutation(sorted(groups)):
        order = rng.permutation(len(groups[group]))
        ranked.extend((place, groups[group][i]) for place, i in enumerate(order))
    return [sample for _, sample in sorted(ranked, key=lambda item: item[0])]
