"""The tables of everything that found neurites in one data set, from kept counts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.morphology_tables import folds_of
from edgeneuro.benchmarks.neurite_scoring import (
    CENTRE_LINES,
    COUNTS,
    MEASURES,
    VOXELS,
    difference,
    mean_f1,
    pooled_f1,
)
from edgeneuro.benchmarks.neurite_variants import VARIANTS
from edgeneuro.benchmarks.out_of_fold import Fold, pool, read_fold
from edgeneuro.benchmarks.real_tables import written_notes
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.data.sample import DataSet
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES
from edgeneuro.metrics.tubes import TOLERANCES
from edgeneuro.spec import Array

SCORES = {
    "dice": "Dice, mean of frames",
    VOXELS: "voxel F1",
    **{f"within {radius}": f"F1 within {radius}" for radius in TOLERANCES},
    CENTRE_LINES: "clDice",
}
DIFFERENCES = {
    "against_few": ("few", "voxel F1 minus that of few labels, points"),
    "against_long": ("few-long", "minus that of few labels, trained as long"),
    "against_one_shot": ("one-shot", "minus that of pseudo-labels once"),
}
"""Column -> variant that it compares with, and heading."""
EFFORT = {"labelled": "labelled frames", "corrected": "corrected frames"}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A method with every frame out of fold. runs: seed -> its folds."""

    name: str
    title: str
    runs: Mapping[int, Sequence[Fold]]

    @property
    def folds(self) -> list[Fold]:
        """Of all seeds."""
        return [fold for folds in self.runs.values() for fold in folds]

    def counts(self, dataset: DataSet, table: str) -> Array:
        """(run, frame, COUNTS) of `table`, frames as in the data set. Raises DataError."""
        return np.stack([pool(folds, dataset.samples, COUNTS, self.title)[table] for folds in self.runs.values()])


def run_name(method: str, seed: int) -> str:
    """Name of a folder of folds."""
    return f"{method}-seed{seed}" if seed else method


def round_table(number: int) -> str:
    """Name of the table of voxels after round `number`, counted from 1."""
    return f"voxels, round {number}"


def finished(dataset: DataSet, folder: Path) -> dict[str, Whole]:
    """By name, those in `folder` whose folds are all there for some seed; variants in their order, then the others."""
    found: dict[str, dict[int, list[Fold]]] = {}
    for path in sorted(folder.glob("*/")):
        files = [path / f"fold{number}.npz" for number in folds_of(dataset)]
        if all(file.exists() for file in files):
            name, _, seed = path.name.partition("-seed")
            found.setdefault(name, {})[int(seed or 0)] = [read_fold(file) for file in files]
    ordered = sorted(found, key=lambda name: [*VARIANTS, name].index(name))
    return {name: Whole(name=name, title=_title(found[name]), runs=found[name]) for name in ordered}


def write_table(dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """`results`/neurites_DATA: a row for each method in `folder` whose folds are all there."""
    wholes = finished(dataset, folder)
    rows = [row(dataset, whole, wholes) for whole in wholes.values()]
    learnt = any(name in VARIANTS for name in wholes)
    differences = {key: heading for key, (_, heading) in DIFFERENCES.items()} if learnt else {}
    write_result(
        f"neurites_{dataset.name}",
        title=f"{dataset.name}: neurites found, out of fold",
        rows=rows,
        columns={
            "title": "method",
            **({"seeds": "seeds"} if learnt else {}),
            **SCORES,
            **differences,
            **(EFFORT if learnt else {}),
            "chosen": "settings (in how many folds)",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.neurite_{'study' if learnt else 'baselines'} {dataset.name}",
            **_about(dataset, [fold for whole in wholes.values() for fold in whole.folds]),
            "protocol": "grouped, the table's folds; methods without learning are chosen by mean Dice on the first frame of each group of "
            "the other folds, networks keep the epoch and the round that are best on validation groups, whose labels they use besides "
            "those counted here; every frame is judged once",
            "notes": written_notes(results / f"neurites_{dataset.name}.notes.md"),
        },
        folder=results,
    )


def row(dataset: DataSet, whole: Whole, others: Mapping[str, Whole]) -> dict[str, Any]:
    """Of one method, every frame in one of its folds, beside those of `others` that it is compared with. Raises DataError."""
    groups = [sample.group for sample in dataset.samples]
    facts = [fold.facts for fold in whole.folds]
    chosen = [str(fact["chosen"]) for fact in facts if "chosen" in fact]
    voxels = whole.counts(dataset, VOXELS)
    compared = {
        key: points(hundredfold(difference(voxels, others[other].counts(dataset, VOXELS), groups)))
        for key, (other, _) in DIFFERENCES.items()
        if whole.name in VARIANTS and other in others and other != whole.name
    }
    return {
        "title": whole.title,
        "seeds": len(whole.runs),
        "dice": percent(mean_f1(voxels, groups)),
        **{measure: percent(pooled_f1(whole.counts(dataset, measure), groups)) for measure in MEASURES},
        **compared,
        **{key: _spread([int(fact.get(key, 0)) for fact in facts]) for key in EFFORT if "labelled" in facts[0]},
        "chosen": "; ".join(f"{name} ({chosen.count(name)})" for name in sorted(set(chosen))) or None,
        "folds": [dict(fact) for fact in facts],
    }


def cross_folder(folds: Path, other: DataSet, trained_on: DataSet) -> Path:
    """Of counts on `other` by networks of another set."""
    return folds / other.name / f"from-{trained_on.name}"


def write_cross(other: DataSet, trained_on: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """`results`/neurites_OTHER_from_DATA: networks of one data set on every frame of another; the one of each fold is a run."""
    groups = [sample.group for sample in other.samples]
    wholes = finished(trained_on, folder)
    rows = []
    for whole in wholes.values():
        runs = {
            measure: np.stack([pool([fold], other.samples, COUNTS, whole.title)[measure] for fold in whole.folds])
            for measure in MEASURES
        }
        rows.append(
            {
                "title": whole.title,
                "seeds": len(whole.runs),
                "networks": len(whole.folds),
                "dice": percent(mean_f1(runs[VOXELS], groups)),
                **{measure: percent(pooled_f1(counts, groups)) for measure, counts in runs.items()},
            }
        )
    name = f"neurites_{other.name}_from_{trained_on.name}"
    write_result(
        name,
        title=f"{other.name}: neurites found by networks of {trained_on.name}, unadapted",
        rows=rows,
        columns={"title": "method", "networks": "networks", **SCORES},
        context={
            "script": f"python -m edgeneuro.benchmarks.neurite_study {trained_on.name} --test-on {other.name.removesuffix('-negative')}"
            + (" --negative" if other.name.endswith("-negative") else ""),
            **_about(other, [fold for whole in wholes.values() for fold in whole.folds]),
            "protocol": f"the network of every fold of {trained_on.name} on all frames; means over networks",
            "notes": written_notes(results / f"{name}.notes.md"),
        },
        folder=results,
    )


def hundredfold(share: Interval) -> Interval:
    """In points."""
    return Interval(value=100 * share.value, low=100 * share.low, high=100 * share.high)


def _about(dataset: DataSet, folds: Sequence[Fold]) -> dict[str, str]:
    groups = len({sample.group for sample in dataset.samples})
    seconds = sum(float(fold.facts["seconds"]) for fold in folds)
    return {
        "data": f"{dataset.name}, {dataset.licence}; {len(dataset)} frames in {groups} groups"
        + (", simulated" if dataset.simulated else ""),
        "measures": "F1 of all frames' counts together; within r: of points of centre lines, r voxels; ignored voxels count neither way",
        "intervals": f"percent, 95 %, {RESAMPLES} resamples of groups, where there are several runs of those as well",
        "runs": f"{seconds / 60:.0f} min in all",
    }


def _title(runs: Mapping[int, Sequence[Fold]]) -> str:
    return str(next(iter(runs.values()))[0].facts["title"])


def _spread(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
