"""Which frames fix the ranges."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.calibration.look import Look, look_at
from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame

log = logging.getLogger("edgeneuro")

LOOKED_AT = 4
"""Frames looked at for each one chosen, so that a large set is not read whole."""
NEAR_BLACK_QUOTA = 0.05
"""Of the chosen frames; at least one where there is one. They make every range smaller that is a mean over frames."""
SETTINGS = ("depth", "gain", "probe", "device", "scanner", "frequency", "preset", "mode")
"""Words in the name of a table's column that tell how a frame was recorded."""
PARTS = 4
"""Brightness, spread and numeric settings are told apart in as many equal steps from the smallest to the largest, so that
what is rare counts as much as what is common."""

Kind = tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Candidate:
    sample: Sample
    kind: Kind
    near_black: bool = False


def choose_samples(
    samples: Sequence[Sample],
    count: int,
    rng: np.random.Generator,
    read: Callable[[Sample], Frame] | None = None,
) -> tuple[Sample, ...]:
    """Up to `count` samples: classes in turn, of a class the groups in turn, of these the kind of frame taken least.

    The kind is brightness and spread of the frame, both in PARTS steps, and its recording settings where the table has
    them. Of near-identical neighbours in a recording one is taken; near-black frames fill NEAR_BLACK_QUOTA at most, as
    long as there are others. read: pixels of a sample, of at most LOOKED_AT * count of them, each once; None where
    samples are no images: then groups, classes and settings decide. The rest is by `rng`; the order of `samples` does
    not matter. Raises DataError when there are none, FrameError for what cannot be read.
    """
    if not samples:
        raise DataError("calibration: got no frames, expected at least one; name a folder with --calibration")
    seen = _by_turns(_shuffled(samples, rng), LOOKED_AT * count)
    settings = _settings(seen)
    if read is None:
        return _chosen([_Candidate(sample=sample, kind=settings(sample)) for sample in seen], count)
    pairs = _different(seen, read)
    qualities = _qualities([look for _, look in pairs])
    candidates = [
        _Candidate(sample=sample, kind=(*quality, *settings(sample)), near_black=look.near_black)
        for (sample, look), quality in zip(pairs, qualities, strict=True)
    ]
    return _chosen(candidates, count)


def _chosen(candidates: Sequence[_Candidate], count: int) -> tuple[Sample, ...]:
    black = [candidate for candidate in candidates if candidate.near_black]
    turns = _Turns([candidate for candidate in candidates if not candidate.near_black])
    quota = max(1, round(NEAR_BLACK_QUOTA * count), count - (len(candidates) - len(black)))
    few = _Turns(black).take(min(quota, count))
    chosen = [*turns.take(count - len(few)), *few]
    log.info("calibration: %d frames chosen of %d, %d near-black", len(chosen), len(candidates), len(few))
    return tuple(chosen)


class _Turns:
    """Candidates taken one by one: classes in turn, then the group, then the kind that was taken least, then the first."""

    def __init__(self, candidates: Sequence[_Candidate]) -> None:
        self._left: dict[int | None, list[_Candidate]] = defaultdict(list)
        for candidate in sorted(candidates, key=lambda candidate: _class(candidate.sample)):
            self._left[candidate.sample.target].append(candidate)
        self._groups: Counter[tuple[int | None, str]] = Counter()
        self._kinds: Counter[Kind] = Counter()

    def take(self, count: int) -> list[Sample]:
        """Up to `count` more samples."""
        chosen: list[Sample] = []
        while len(chosen) < count and any(self._left.values()):
            for left in self._left.values():
                if left and len(chosen) < count:
                    chosen.append(self._next(left))
        return chosen

    def _next(self, left: list[_Candidate]) -> Sample:
        taken = [(self._groups[item.sample.target, item.sample.group], self._kinds[item.kind]) for item in left]
        best = left.pop(taken.index(min(taken)))
        self._groups[best.sample.target, best.sample.group] += 1
        self._kinds[best.kind] += 1
        return best.sample


def _class(sample: Sample) -> int:
    return -1 if sample.target is None else sample.target


def _shuffled(samples: Sequence[Sample], rng: np.random.Generator) -> list[Sample]:
    ordered = sorted(samples, key=_place)
    return [ordered[number] for number in rng.permutation(len(ordered))]


def _by_turns(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The first `count` when every group gives its first sample, then its second, and classes alternate."""
    in_group: Counter[tuple[int | None, str]] = Counter()
    ranked = []
    for sample in samples:
        ranked.append((in_group[sample.target, sample.group], sample))
        in_group[sample.target, sample.group] += 1
    ranked.sort(key=lambda item: item[0])
    in_class: Counter[int | None] = Counter()
    turns = []
    for _, sample in ranked:
        turns.append((in_class[sample.target], sample))
        in_class[sample.target] += 1
    turns.sort(key=lambda item: item[0])
    return [sample for _, sample in turns[:count]]


def _place(sample: Sample) -> tuple[str, tuple[tuple[bool, int, str], ...], int]:
    """Order within a recording: numbers in file names count as numbers."""
    parts = re.split(r"(\d+)", sample.source)
    numbered = tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return sample.group, numbered, sample.index


def _different(samples: Sequence[Sample], read: Callable[[Sample], Frame]) -> list[tuple[Sample, Look]]:
    """Samples with their looks, without those that look like the one kept before them in their recording."""
    kept: dict[int, Look] = {}
    last: tuple[str, Look] | None = None
    for number in sorted(range(len(samples)), key=lambda number: _place(samples[number])):
        look = look_at(read(samples[number]))
        group = samples[number].group
        if last is None or last[0] != group or not look.nearly_same(last[1]):
            kept[number] = look
            last = group, look
    log.info(
        "calibration: %d of %d frames looked at are near-identical to others", len(samples) - len(kept), len(samples)
    )
    return [(samples[number], kept[number]) for number in sorted(kept)]


def _qualities(looks: Sequence[Look]) -> list[Kind]:
    """(step of brightness, step of spread) of each."""
    brightness = _parts([look.brightness for look in looks])
    spread = _parts([look.spread for look in looks])
    return list(zip(brightness, spread, strict=True))


def _parts(values: Sequence[float]) -> list[int]:
    ends = np.linspace(min(values), max(values), PARTS + 1)[1:-1]
    return [int(part) for part in np.searchsorted(ends, values, side="right")]


def _settings(samples: Sequence[Sample]) -> Callable[[Sample], Kind]:
    """What tells a sample's recording settings: its own words, or the step where a column holds many numbers."""
    values: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        for name, value in sample.tags.items():
            if set(SETTINGS) & set(re.split(r"[^a-z]+", name.lower())):
                values[name].add(value)
    columns = {name: _numbered(sorted(found)) for name, found in sorted(values.items())}
    return lambda sample: tuple(columns[name].get(sample.tags.get(name, ""), -1) for name in columns)


def _numbered(values: Sequence[str]) -> dict[str, int]:
    """Each value -> its kind: a number of its own, or the step where there are many and all are numbers."""
    if len(values) > PARTS:
        try:
            return dict(zip(values, _parts([float(value) for value in values]), strict=True))
        except ValueError:
            pass
    return {value: number for number, value in enumerate(values)}
