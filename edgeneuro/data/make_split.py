"""Training, validation and test parts that share no group."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split, salted_hash, split_unit
from edgeneuro.errors import DataError

_log = logging.getLogger(__name__)

FOLDS = 5
"""Of a data set whose table has no fold column; fewer where a class has fewer groups."""

VALIDATION_SHARE = 0.175
"""Of the groups of each class that are not in the test part; at least one."""

PUBLIC_FOLD = "public_fold_{}"
"""Tag with the part (Train, Validation, Test) of a frame in published image-wise fold lists, by number of the fold."""

Protocol = Literal["grouped", "leaky"]
Counts = Mapping[str, NDArray[np.int64]]
"""Unit -> frames of each class."""


def make_split(
    dataset: DataSet, *, protocol: Protocol = "grouped", fold: int = 0, seed: int = 0, training_share: float = 1.0
) -> Split:
    """Divide a data set with labels or masks; the same arguments give the same split.

    training_share: of the groups of each class that would be learnt from, for learning curves; what is left out belongs to
    no part, validation and test stay as they are, and a smaller share is part of a larger one. At least one group a class.

    protocol "grouped": the test part is the samples whose table says `fold`; without such a column, one of our own
    seeded folds, classes balanced by frames. Validation is drawn from the other groups, class by class.
    protocol "leaky": published fold lists where the data set has them (tags `PUBLIC_FOLD`), else the same with single
    frames as units and the table's folds ignored. Frames of one patient stand on both sides; only to compare with
    published numbers.
    Raises DataError for unlabelled data, an unknown fold, a group in two folds, a class with too few groups.
    """
    if dataset.has_masks:
        dataset = _one_class(dataset)
    units = unit_counts(dataset, protocol)
    public = public_parts(dataset.samples) if protocol == "leaky" else {}
    if public:
        _check_fold(dataset.name, fold, public)
        parts = {part: set(members) for part, members in public[fold].items()}
    else:
        parts = _draw(dataset, units, protocol, fold, np.random.default_rng(seed))
    if training_share < 1.0:
        parts["training"] = _share(units, parts["training"], training_share, np.random.default_rng((seed, fold)))
    salt = hashlib.sha256(f"edgeneuro split {seed}".encode()).hexdigest()[:16]
    hashes = {part: tuple(sorted(salted_hash(salt, unit) for unit in members)) for part, members in parts.items()}
    return Split(protocol=protocol, fold=fold, seed=seed, salt=salt, **hashes)


def _one_class(dataset: DataSet) -> DataSet:
    """Frames with masks hold every class at once: for a split they are of one."""
    samples = tuple(replace(sample, target=0) for sample in dataset.samples)
    return replace(dataset, classes=("frames with masks",), samples=samples)


def _draw(
    dataset: DataSet, units: Counts, protocol: Protocol, fold: int, rng: np.random.Generator
) -> dict[str, set[str]]:
    """Units of each part, by the table's folds or our own."""
    folds = given_folds(dataset.samples) if protocol == "grouped" else {}
    folds = folds or own_folds(dataset, units, rng)
    _check_fold(dataset.name, fold, folds.values())
    test = {unit for unit in units if folds[unit] == fold}
    rest = {unit: counts for unit, counts in units.items() if unit not in test}
    for name, groups in zip(dataset.classes, _groups_per_class(rest, len(dataset.classes)), strict=True):
        if groups < 2:
            raise DataError(
                f"{dataset.name}: class {name!r} has {groups} group(s) left for training and validation when fold "
                f"{fold} is the test part, expected at least 2; record more, choose another --fold, or leave it out"
            )
    validation = draw_validation(rest, rng)
    for part, members in (("validation", validation), ("test", test)):
        held = sum((units[unit] for unit in members), np.zeros(len(dataset.classes), np.int64))
        for name in (name for name, frames in zip(dataset.classes, held, strict=True) if frames == 0):
            _log.warning("%s: class %r has no frames in the %s part of fold %d", dataset.name, name, part, fold)
    return {"training": set(rest) - validation, "validation": validation, "test": test}


def _share(units: Counts, members: Iterable[str], share: float, rng: np.random.Generator) -> set[str]:
    """`share` of `members`, class by class; a unit counts for the class that it has most frames of."""
    drawn = rng.permutation(sorted(members)).tolist()
    by_class: dict[int, list[str]] = {}
    for unit in drawn:
        by_class.setdefault(int(np.argmax(units[unit])), []).append(unit)
    return {unit for names in by_class.values() for unit in names[: max(1, math.ceil(share * len(names) - 1e-9))]}


def _check_fold(name: str, fold: int, known: Iterable[int]) -> None:
    numbers = sorted(set(known))
    if fold not in numbers:
        raise DataError(f"{name}: has no fold {fold}, expected --fold {' or '.join(map(str, numbers))}")


def public_parts(samples: Sequence[Sample]) -> dict[int, dict[str, list[str]]]:
    """Fold -> part -> frames of published fold lists, empty where the samples carry none."""
    names = {"Train": "training", "Validation": "validation", "Test": "test"}
    folds: dict[int, dict[str, list[str]]] = {}
    for fold in range(1, FOLDS + 1):
        tag = PUBLIC_FOLD.format(fold)
        if samples and all(sample.tags.get(tag) in names for sample in samples):
            folds[fold] = {part: [] for part in names.values()}
            for sample in samples:
                folds[fold][names[sample.tags[tag]]].append(split_unit(sample, "leaky"))
    return folds


def unit_counts(dataset: DataSet, protocol: Protocol) -> Counts:
    """Frames of each class in each unit, in order of first appearance. Raises DataError when labels are missing."""
    if len(dataset.classes) < 2 and not dataset.has_masks:
        raise DataError(
            f"{dataset.name}: has {len(dataset.classes)} classes, expected labelled frames of at least 2; "
            "add a labels.csv with file, label and group_id"
        )
    units: dict[str, NDArray[np.int64]] = {}
    for sample in dataset.samples:
        if sample.target is None:
            raise DataError(f"{dataset.name}: {sample.source} has no label, expected one for every frame of a split")
        unit = split_unit(sample, protocol)
        units.setdefault(unit, np.zeros(len(dataset.classes), np.int64))[sample.target] += 1
    return units


def given_folds(samples: Sequence[Sample]) -> dict[str, int]:
    """Group -> fold as the table says, empty where it says nothing. Raises DataError for a group in two folds."""
    folds: dict[str, int] = {}
    for sample in samples:
        if sample.fold is None:
            continue
        if folds.setdefault(sample.group, sample.fold) != sample.fold:
            raise DataError(
                f"group {sample.group!r}: its frames are in folds {folds[sample.group]} and {sample.fold}, expected "
                "one; a group must not be divided, correct the table"
            )
    without = next((sample for sample in samples if folds and sample.group not in folds), None)
    if without is not None:
        raise DataError(f"{without.source}: has no fold, expected one in every row or in none; complete the table")
    return folds


def own_folds(dataset: DataSet, units: Counts, rng: np.random.Generator) -> dict[str, int]:
    """Unit -> fold: large units first, each to the fold with fewest frames of its rarest class so far."""
    groups = _groups_per_class(units, len(dataset.classes))
    smallest = int(np.argmin(groups))
    if groups[smallest] < 3:
        raise DataError(
            f"{dataset.name}: class {dataset.classes[smallest]!r} has {groups[smallest]} group(s), expected at least 3 "
            "(one each for training, validation and test); record more, merge it with another class, or leave it out"
        )
    loads = np.zeros((min(FOLDS, int(groups[smallest])), len(dataset.classes)), np.int64)
    names = [list(units)[i] for i in rng.permutation(len(units))]
    folds = {}
    for name in sorted(names, key=lambda name: -int(units[name].sum())):
        counts = units[name]
        rarest = min(np.flatnonzero(counts), key=lambda target: groups[target])
        best = np.lexsort((loads.sum(axis=1), loads[:, rarest]))[0]
        loads[best] += counts
        folds[name] = int(best)
    return folds


def draw_validation(units: Counts, rng: np.random.Generator) -> set[str]:
    """Units for validation, rare classes first; a unit is taken only if each of its classes keeps one for training."""
    names = [list(units)[i] for i in rng.permutation(len(units))]
    present = np.array([units[name] > 0 for name in names])
    taken = np.zeros(len(names), bool)
    for target in np.argsort(present.sum(axis=0), kind="stable"):
        members = np.flatnonzero(present[:, target])
        wanted = max(1, round(VALIDATION_SHARE * len(members)))
        for member in members:
            if taken[members].sum() >= wanted:
                break
            left = present[~taken].sum(axis=0)
            if not taken[member] and (left[present[member]] >= 2).all():
                taken[member] = True
    return {name for name, chosen in zip(names, taken, strict=True) if chosen}


def _groups_per_class(units: Counts, classes: int) -> NDArray[np.int64]:
    if not units:
        return np.zeros(classes, np.int64)
    groups: NDArray[np.int64] = (np.array(list(units.values())) > 0).sum(axis=0)
    return groups
