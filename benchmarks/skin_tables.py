"""The tables of the study on skin lesions, from predictions alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.out_of_fold import Fold, pool, read_fold, tested
from edgeneuro.benchmarks.over_seeds import difference_over_seeds, mean_over_seeds
from edgeneuro.benchmarks.real_tables import group_notes, signed, written_notes
from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.benchmarks.scoring import Probabilities, Scores, score_levels
from edgeneuro.benchmarks.skin_variants import VARIANTS
from edgeneuro.data.sample import DataSet
from edgeneuro.data.subgroups import ordered_values, subgroup_values
from edgeneuro.metrics import RESAMPLES

METRIC = "balanced_accuracy"
REFERENCE = "siamese"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run: a variant, the fold that is its test part, the share of training lesions, the seed."""

    variant: str
    fold: int
    share: float
    seed: int

    @property
    def graph(self) -> str:
        """Name of its folder and of its float graph."""
        share = f"-{self.share:.0%}".rstrip("%") if self.share < 1.0 else ""
        return f"{self.variant}{share}{f'-seed{self.seed}' if self.seed else ''}"

    def path(self, folder: Path) -> Path:
        """Of its predictions."""
        return folder / self.graph / f"fold{self.fold}.npz"


def write_folds(runs: Sequence[Planned], dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """docs/results/skin_folds: the siamese network and its INT8 engine on every lesion, out of fold, and by subgroup."""
    parts = [read_fold(run.path(folder)) for run in runs]
    tables = pool(parts, dataset.samples, len(dataset.classes), str(folder))
    rows = [
        _whole(scores, parts)
        for scores in score_levels(tables, dataset.samples, dataset.classes, by=None, seed=0)[0].graphs
    ]
    rows += [row for column in dataset.subgroups for row in _subgroups(tables, dataset, column)]
    columns = {
        "subgroup": "lesions",
        "graph": "network",
        "frames": "images",
        "groups": "lesions, number",
        METRIC: "balanced accuracy",
        "macro_f1": "macro-F1",
        "auc": "area under ROC, mean of classes",
        "melanoma": "melanoma found at 90 % specificity",
        **{f"recall_{name}": f"recall {name}" for name in dataset.classes},
        "drop": "INT8 minus float, points",
    }
    _write("skin_folds", "siamese network by lesion, out of fold", rows, columns, parts, dataset, results)


def _whole(scores: Scores, parts: Sequence[Fold]) -> dict[str, Any]:
    row = _row("all", scores)
    row["macs_m"] = round(parts[0].facts["macs"] / 1e6, 1)
    row["folds"] = [dict(part.facts) for part in parts]
    return row


def _subgroups(tables: Mapping[str, Probabilities], dataset: DataSet, column: str) -> Iterator[dict[str, Any]]:
    """Every value of a column that has images of more than one class."""
    values = np.array(subgroup_values(dataset.samples, column, dataset.subgroups[column]))
    for value in ordered_values(values.tolist(), dataset.subgroups[column]):
        rows = np.flatnonzero(values == value)
        samples = [dataset.samples[row] for row in rows]
        part = {name: table[rows] for name, table in tables.items()}
        level, *_ = score_levels(part, samples, dataset.classes, by=None, seed=0)
        for scores in level.graphs:
            yield {**_row(f"{column} {value}", scores), "frames": level.units, "groups": level.groups}


def _row(subgroup: str, scores: Scores) -> dict[str, Any]:
    curves = scores.curves
    melanoma = curves.sensitivity.get("mel")
    return {
        "subgroup": subgroup,
        "graph": scores.name,
        **{name: percent(interval) for name, interval in scores.metrics.items()},
        "auc": None if curves.auc is None else percent(curves.auc),
        "melanoma": None if melanoma is None else percent(melanoma),
        **{f"recall_{name}": None if found is None else percent(found) for name, found in scores.recall.items()},
        "drop": None if scores.drop_points is None else signed(scores.drop_points[METRIC]),
    }


def write_runs(
    name: str, title: str, runs: Sequence[Planned], dataset: DataSet, folder: Path, results: Path = RESULTS
) -> None:
    """docs/results/NAME: variants beside the siamese network with the same share of the training lesions, over seeds."""
    rows: list[dict[str, Any]] = []
    every: list[Fold] = []
    by_share = {share: list(found) for share, found in groupby(runs, key=lambda run: run.share)}
    for found in by_share.values():
        folds = {run: read_fold(run.path(folder)) for run in found}
        every += folds.values()
        rows += list(_compared(folds, dataset))
    columns = {
        "share": "training lesions, %",
        "title": "network",
        "runs": "seeds",
        METRIC: "balanced accuracy",
        "macro_f1": "macro-F1",
        "against": "balanced accuracy minus the siamese network's, points",
        "macs_m": "MMACs",
    }
    _write(name, title, rows, columns, every, dataset, results)


def _compared(folds: Mapping[Planned, Fold], dataset: DataSet) -> Iterator[dict[str, Any]]:
    """One row a variant. folds: of one share."""
    by_variant: dict[str, list[Planned]] = {}
    for run in folds:
        by_variant.setdefault(run.variant, []).append(run)
    samples = tested([next(iter(folds.values()))], dataset)
    targets = np.array([sample.target for sample in samples], np.int64)
    groups = [sample.group for sample in samples]
    predicted = {run: fold.tables[run.graph].argmax(1) for run, fold in folds.items()}
    for variant, runs in by_variant.items():
        mine, theirs = ([predicted[run] for run in by_variant[name]] for name in (variant, REFERENCE))
        how: dict[str, Any] = {"groups": groups, "classes": len(dataset.classes), "seed": 0}
        macs = folds[runs[0]].facts["macs"]
        yield {
            "share": 100 * runs[0].share,
            "title": VARIANTS[variant].title,
            "variant": variant,
            "runs": len(runs),
            **{name: percent(mean_over_seeds(name, targets, mine, **how)) for name in (METRIC, "macro_f1")},
            "against": None
            if variant == REFERENCE
            else signed(difference_over_seeds(METRIC, targets, theirs, mine, **how)),
            "macs_m": None if macs is None else round(macs / 1e6, 1),
            "each": [dict(folds[run].facts) for run in runs],
        }


def _write(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    folds: Sequence[Fold],
    dataset: DataSet,
    results: Path,
) -> None:
    dates = sorted(fold.facts["date"] for fold in folds)
    seconds = np.array([fold.facts["seconds"] for fold in folds])
    write_result(
        name,
        title=f"{dataset.name}: {title}",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.skin_study {dataset.name} --part {name.removeprefix('skin_')}",
            "data": f"{dataset.name}, {dataset.licence}; {_counts(dataset)}",
            "protocol": "grouped by lesion, the table's fold column; the epoch and the branch are chosen on validation lesions",
            "intervals": f"percent, 95 %, {RESAMPLES} resamples of lesions, over several seeds also of runs; INT8 minus float by "
            "jackknife over lesions (docs/gate.md)",
            "input": f"{folds[0].facts['settings']['image_size']} px",
            "runs": f"{len(folds)}, {seconds.sum() / 60:.0f} min in all, {dates[0]} to {dates[-1]}",
            "notes": [*group_notes(dataset), *written_notes(results / f"{name}.notes.md")],
        },
        folder=results,
    )  # fmt: skip


def _counts(dataset: DataSet) -> str:
    targets: NDArray[np.int64] = np.array([sample.target for sample in dataset.samples], np.int64)
    counts = np.bincount(targets, minlength=len(dataset.classes))
    return ", ".join(f"{name} {count}" for name, count in zip(dataset.classes, counts, strict=True))
