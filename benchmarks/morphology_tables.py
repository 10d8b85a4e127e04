"""The tables of the study on neuron morphology, from predictions alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.morphology_variants import (
    FLOOR,
    METHODS,
    NOISY,
    REFERENCE,
    SIDES,
    SIDES_TABLE,
    Method,
    fused,
)
from edgeneuro.benchmarks.out_of_fold import Fold, pool, read_fold, tested
from edgeneuro.benchmarks.over_seeds import difference_over_seeds, mean_over_seeds
from edgeneuro.benchmarks.real_tables import group_notes, signed, written_notes
from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.metrics import RESAMPLES

METRIC = "balanced_accuracy"
SEEDS = (0, 1, 2)
NOISE = (0.0, 0.1, 0.2, 0.3)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run: a method, the fold that is its test part, the seed, the share of wrong training labels."""

    method: str
    fold: int
    seed: int = 0
    label_noise: float = 0.0

    @property
    def graph(self) -> str:
        """Name of its folder and of its graph."""
        noise = f"-noise{100 * self.label_noise:.0f}" if self.label_noise else ""
        return f"{self.method}{noise}{f'-seed{self.seed}' if self.seed else ''}"

    def path(self, folder: Path) -> Path:
        """Of its predictions."""
        return folder / self.graph / f"fold{self.fold}.npz"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A method with a seed, every neuron out of fold. tables: by name of the graph without the seed."""

    tables: Mapping[str, Probabilities]
    folds: Sequence[Fold]


def folds_of(dataset: DataSet) -> list[int]:
    """Numbers of the table's folds. Raises DataError where it has none."""
    folds = sorted({sample.fold for sample in dataset.samples if sample.fold is not None})
    if not folds:
        raise DataError(f"{dataset.name}: has no fold column, expected one; add the column `fold` to its table")
    return folds


def finished(method: str, dataset: DataSet, folder: Path) -> dict[int, Whole]:
    """Seed -> the method on every neuron, for seeds whose folds are all there."""
    found = {}
    for seed in SEEDS:
        runs = [Planned(method=method, fold=fold, seed=seed) for fold in folds_of(dataset)]
        if all(run.path(folder).exists() for run in runs):
            folds = [read_fold(run.path(folder)) for run in runs]
            pooled = pool(folds, dataset.samples, len(dataset.classes), str(folder / runs[0].graph))
            tables = {name.replace(runs[0].graph, method): table for name, table in pooled.items()}
            found[seed] = Whole(tables=tables, folds=folds)
    return found


def write_methods(dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """docs/results/morphology_DATA: every method whose folds are all there, and networks fused with the forest."""
    reference = finished(REFERENCE, dataset, folder)
    if not reference:
        raise DataError(
            f"{folder}: has no {REFERENCE}, which all others are compared with; run it first, --method {REFERENCE}"
        )
    rows, every = [], []
    for method in METHODS.values():
        wholes = reference if method.name == REFERENCE else finished(method.name, dataset, folder)
        if wholes:
            rows += [_row(dataset, *found, reference) for found in _rows(method, wholes, reference)]
            every += [fold for whole in wholes.values() for fold in whole.folds]
    columns = {
        "title": "method",
        "seeds": "seeds",
        "accuracy": "accuracy",
        METRIC: "balanced accuracy",
        "macro_f1": "macro-F1",
        "against": "balanced accuracy minus the first row's, points",
        "macs_m": "MMACs",
    }
    write_table("morphology", "methods", "twelve types of neurons, out of fold", rows, columns, every, dataset, results)


Found = tuple[str, Method, Sequence[Whole], Sequence[Probabilities]]


def _rows(method: Method, wholes: Mapping[int, Whole], reference: Mapping[int, Whole]) -> Iterator[Found]:
    """A method as it is; a network also from several sides, and fused with the forest of the same seed."""
    runs = list(wholes.values())
    yield method.title, method, runs, [whole.tables[method.name] for whole in runs]
    if method.drawing is None:
        return
    several = [whole.tables[f"{method.name}{SIDES_TABLE}"] for whole in runs]
    yield f"{method.title}, {SIDES} sides", method, runs, several
    forests = [reference.get(seed, next(iter(reference.values()))).tables[REFERENCE] for seed in wholes]
    both = [fused([network, forest]) for network, forest in zip(several, forests, strict=True)]
    yield f"{method.title}, {SIDES} sides, fused with the forest", method, runs, both


def _row(
    dataset: DataSet,
    title: str,
    method: Method,
    runs: Sequence[Whole],
    tables: Sequence[Probabilities],
    reference: Mapping[int, Whole],
) -> dict[str, Any]:
    predicted = [table.argmax(1) for table in tables]
    theirs = [whole.tables[REFERENCE].argmax(1) for whole in reference.values()]
    same = title == METHODS[REFERENCE].title
    macs = runs[0].folds[0].facts.get("macs")
    targets = _targets(dataset.samples)
    return {
        "title": title,
        "method": method.name,
        "seeds": len(runs),
        **scores(dataset, dataset.samples, predicted),
        "against": None if same else against(dataset, dataset.samples, predicted, theirs),
        "macs_m": None if macs is None else round(macs / 1e6, 1),
        "recall": {
            name: round(float(np.mean([np.mean(found[targets == row] == row) for found in predicted])), 4)
            for row, name in enumerate(dataset.classes)
        },
        "folds": [dict(fold.facts) for whole in runs for fold in whole.folds],
    }


def scores(dataset: DataSet, samples: Sequence[Sample], predicted: Sequence[NDArray[np.int64]]) -> dict[str, str]:
    targets, groups = _targets(samples), [sample.group for sample in samples]
    return {
        name: percent(mean_over_seeds(name, targets, predicted, groups, len(dataset.classes), seed=0))
        for name in ("accuracy", METRIC, "macro_f1")
    }


def against(
    dataset: DataSet,
    samples: Sequence[Sample],
    mine: Sequence[NDArray[np.int64]],
    theirs: Sequence[NDArray[np.int64]],
    metric: str = METRIC,
) -> str:
    targets, groups = _targets(samples), [sample.group for sample in samples]
    return signed(difference_over_seeds(metric, targets, theirs, mine, groups, len(dataset.classes), seed=0))


def _targets(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([sample.target for sample in samples], np.int64)


def write_noise(dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """docs/results/morphology_noise_DATA: networks that learnt from wrong labels, on the folds that all of them have."""
    rows: list[dict[str, Any]] = []
    every: list[Fold] = []
    for noise in NOISE:
        names = [method.name for method in NOISY]
        runs = {
            name: [Planned(method=name, fold=fold, label_noise=noise) for fold in folds_of(dataset)] for name in names
        }
        there = {name: [run.path(folder).exists() for run in found] for name, found in runs.items()}
        shared = np.all([found for found in there.values() if any(found)] or [[False]], axis=0)
        if not shared.any():
            continue
        folds = {
            name: [read_fold(run.path(folder)) for run, use in zip(runs[name], shared, strict=True) if use]
            for name in names
            if any(there[name])
        }
        every += [fold for found in folds.values() for fold in found]
        rows += _noise_rows(noise, folds, dataset)
    columns = {
        "noise": "wrong training labels, %",
        "title": "network",
        "folds_used": "folds",
        "accuracy": "accuracy",
        METRIC: "balanced accuracy",
        "against": "balanced accuracy minus plain ResNet-18's, points",
        "right_above_wrong": "right label weighs more than wrong one, chance",
        "relabelled": "relabelled",
        "restored": "of them back to their own",
    }
    title = "learning from wrong labels"
    write_table("morphology_noise", "noise", title, rows, columns, every, dataset, results)


def _noise_rows(noise: float, folds: Mapping[str, Sequence[Fold]], dataset: DataSet) -> Iterator[dict[str, Any]]:
    first = next(iter(folds.values()))
    samples = tested(first, dataset)
    plain = NOISY[0].name
    graphs = {name: Planned(method=name, fold=0, label_noise=noise).graph for name in folds}
    predicted = {
        name: np.concatenate([fold.tables[graphs[name]].argmax(1) for fold in found]) for name, found in folds.items()
    }
    reference = predicted.get(plain)
    for name, found in folds.items():
        facts = [fold.facts for fold in found]
        above = [fact["right_above_wrong"] for fact in facts if "right_above_wrong" in fact]
        yield {
            "noise": 100 * noise,
            "title": METHODS[name].title,
            "method": name,
            "folds_used": len(found),
            **scores(dataset, samples, [predicted[name]]),
            "against": None
            if reference is None or name == plain
            else against(dataset, samples, [predicted[name]], [reference]),
            "right_above_wrong": round(float(np.mean(above)), 3) if above else None,
            **{key: sum(fact[key] for fact in facts) if above else None for key in ("relabelled", "restored")},
            "folds": [dict(fact) for fact in facts],
        }


def write_table(
    name: str,
    part: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    folds: Sequence[Fold],
    dataset: DataSet,
    results: Path,
) -> None:
    """docs/results/NAME_DATA. folds: all that the rows are made of."""
    dates = sorted(fold.facts["date"] for fold in folds) or ["no run yet"]
    seconds = float(sum(fold.facts["seconds"] for fold in folds))
    groups = len({sample.group for sample in dataset.samples})
    sizes = sorted({fold.facts["settings"]["image_size"] for fold in folds if "image_size" in fold.facts["settings"]})
    write_result(
        f"{name}_{dataset.name}",
        title=f"{dataset.name}: {title}",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.morphology_study {dataset.name} --part {part}",
            "data": f"{dataset.name}, {dataset.licence}; {len(dataset)} neurons in {groups} groups",
            "protocol": "grouped, the table's folds; out-of-fold predictions pooled. Forests and support vector machines learn from "
            "all other folds, networks from 82 % of their groups and choose the epoch on the rest",
            "intervals": f"percent, 95 %, {RESAMPLES} resamples of groups, over several seeds also of runs",
            "several sides": f"mean of log-probabilities of {SIDES} pictures about the axis to the pia, none below {FLOOR:g}; "
            "fused: the same with the forest of the same seed",
            "pictures": f"{', '.join(map(str, sizes))} px" if sizes else "none yet",
            "runs": f"{len(folds)}, {seconds / 60:.0f} min in all, {dates[0]} to {dates[-1]}",
            "notes": [*group_notes(dataset), *written_notes(results / f"{name}_{dataset.name}.notes.md")],
        },
        folder=results,
    )
