"""How many channels each segment keeps: one ranking of all channels, cut where the operations fit."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.costs import Costs
from edgeneuro.export.prune.coupling import Slot
from edgeneuro.export.prune.importance import Floats
from edgeneuro.export.prune.segments import Segment

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What can be cut, and by how much.

    segments: none of them fixed. scores: (channel,) of each. costs: of the network before. multiple: widths that change
    become multiples of it; a segment narrower than it stays whole, or goes where it may.
    """

    segments: Sequence[Segment]
    scores: Sequence[Floats]
    costs: Costs
    multiple: int

    def solve(self, target: int) -> list[Ints]:
        """Channels that go, (gone,) of each segment, so that at most `target` multiply-accumulates are left.

        From the ranking of all channels the smallest number is struck off with which the target is met; a segment loses that
        share of its channels that was struck off, times its strength, in multiples. What room is left goes to the most
        important channels that fit. Raises UsageError where the target cannot be met, naming the least that can.
        """
        ranking = self._ranking()
        least = self._macs(self._kept(ranking, len(ranking)))
        if least > target:
            raise UsageError(
                f"--target-macs: {target:,} multiply-accumulates cannot be reached; at least {least:,} "
                f"({least / self.costs.macs:.3f}) are left with these guards and widths in multiples of {self.multiple}; "
                "ask for that much, guard fewer layers, or take a smaller --round-to"
            )
        struck = bisect_left(range(len(ranking)), True, key=lambda n: self._macs(self._kept(ranking, n)) <= target)
        kept = self._filled(self._kept(ranking, struck), target)
        return [self._order(i)[: len(segment) - kept[i]] for i, segment in enumerate(self.segments)]

    def lost(self, kept: Ints) -> Counter[Slot]:
        """Slot -> channels that go."""
        lost: Counter[Slot] = Counter()
        for segment, stay in zip(self.segments, kept, strict=True):
            if stay < len(segment):
                lost.update({slot: (len(segment) - int(stay)) * at.shape[1] for slot, at in segment.places.items()})
        return lost

    def _macs(self, kept: Ints) -> int:
        return self.costs.without(self.lost(kept))[0]

    def _order(self, segment: int) -> Ints:
        """Channels of a segment, least important first."""
        return np.argsort(self.scores[segment], kind="stable")

    def _ranking(self) -> Ints:
        """The segment of each channel, least important channel first. Of equally important ones those come first that are
        earlier within theirs, so that segments lose alike."""
        sizes = [len(segment) for segment in self.segments]
        if not sizes:
            return np.zeros(0, np.int64)
        scores = np.concatenate([np.sort(scores) for scores in self.scores])
        places = np.concatenate([np.arange(size) / size for size in sizes])
        return np.repeat(np.arange(len(sizes)), sizes)[np.lexsort((places, scores))]

    def _kept(self, ranking: Ints, struck: int) -> Ints:
        """(segment,) channels that stay with the first `struck` of the ranking gone."""
        counts = np.bincount(ranking[:struck], minlength=len(self.segments))
        kept = np.zeros(len(self.segments), np.int64)
        for i, (segment, count) in enumerate(zip(self.segments, counts, strict=True)):
            size = len(segment)
            stay = size - size * min(1.0, segment.strength * count / size)
            rounded = int(stay / self.multiple + 0.5) * self.multiple
            kept[i] = min(size, max(self._least(segment), rounded))
        return self._in_multiples(kept)

    def _least(self, segment: Segment) -> int:
        return min(self.multiple, len(segment)) if segment.essential else 0

    def _in_multiples(self, kept: Ints) -> Ints:
        """`kept`, less where a width that changes would not be a multiple because of a segment that is whole."""
        kept = kept.copy()
        while True:
            lost = self.lost(kept)
            uneven = {slot for slot, gone in lost.items() if (self.costs.width(slot) - gone) % self.multiple}
            before = kept.copy()
            for i, segment in enumerate(self.segments):
                if not uneven.isdisjoint(segment.places):
                    kept[i] = max(min(self._least(segment), kept[i]), kept[i] // self.multiple * self.multiple)
            if (kept == before).all():
                return kept

    def _filled(self, kept: Ints, target: int) -> Ints:
        """`kept` with channels given back, most important first, while they fit."""
        refused: set[int] = set()
        while True:
            steps = {
                i: min(len(segment), (kept[i] // self.multiple + 1) * self.multiple)
                for i, segment in enumerate(self.segments)
                if i not in refused and kept[i] < len(segment)
            }
            if not steps:
                return kept
            best = max(steps, key=lambda i: float(np.sort(self.scores[i])[::-1][kept[i] : steps[i]].mean()))
            more = kept.copy()
            more[best] = steps[best]
            if self._macs(more) <= target and (self._in_multiples(more) == more).all():
                kept = more
            else:
                refused.add(best)
