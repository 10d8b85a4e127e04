"""The tables of the study on real frames, for docs/results/ and README.md, from pooled probabilities alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import RESULTS, machine, table, write_result
from edgeneuro.benchmarks.scoring import Level, Probabilities, Scores, score_levels
from edgeneuro.data.sample import DataSet
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES, macro_f1
from edgeneuro.records import to_json

TITLES = {
    "stanet-fp32": "STANet, FP32 engine",
    "stanet-int8": "STANet, INT8 engine",
    "lite0-probe": "EfficientNet-Lite0 (ImageNet), linear probe",
    "hog-lbp-svm": "HOG + LBP, PCA 80, RBF-SVM",
}


@dataclass(frozen=True, kw_only=True)
class Study:
    """name: of the result files. tables: graph -> (frame, class), out of fold, rows as dataset.samples; the first is the reference of differences.
    facts: method -> one mapping a fold, in order of folds; a graph is named after its method. by: column of exam units.
    """

    name: str
    dataset: DataSet
    tables: Mapping[str, Probabilities]
    facts: Mapping[str, Sequence[Mapping[str, Any]]]
    by: str
    seed: int
    script: str

    def facts_of(self, graph: str) -> Sequence[Mapping[str, Any]]:
        """Of the method that `graph` is named after."""
        return next(folds for method, folds in self.facts.items() if graph.startswith(method))

    def macs_m(self, graph: str) -> float | None:
        """Multiply-accumulates a frame, millions, None where the method did not count them."""
        macs = self.facts_of(graph)[0].get("macs")
        return None if macs is None else round(macs / 1e6, 1)


def write_tables(study: Study, *, readme: Path | None = None, folder: Path = RESULTS) -> None:
    """docs/results/NAME.json and .md, and the short table between the markers of `readme`.

    What people have found out about the numbers stands in NAME.notes.md beside them and is passed on.
    """
    dataset = study.dataset
    levels = score_levels(study.tables, dataset.samples, dataset.classes, by=study.by, seed=study.seed)
    rows = [_row(study, level, scores) for level in levels for scores in level.graphs]
    columns = {"method": "method", "unit": "by", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    columns |= {"macro_f1": "macro-F1"} | {f"recall_{name}": f"recall {name}" for name in dataset.classes}
    columns |= {"difference": "balanced accuracy minus the first row's, points", "agreement": "same class as the first"}
    notes = [*group_notes(dataset), *fold_notes(study), *written_notes(folder / f"{study.name}.notes.md")]
    write_result(
        study.name,
        title=f"{dataset.name}: out-of-fold accuracy",
        rows=rows,
        columns=columns,
        context=_context(study, levels, notes),
        folder=folder,
    )
    if readme is not None:
        inject(readme, study.name, short_table(study, levels))


def group_notes(dataset: DataSet) -> list[str]:
    """How few independent patients stand behind each class: the first reason for wide intervals."""
    notes = []
    for target, name in enumerate(dataset.classes):
        groups = Counter(sample.group for sample in dataset.samples if sample.target == target)
        total = sum(groups.values())
        share = 100 * max(groups.values()) / total
        notes.append(f"Class {name}: {total} frames of {len(groups)} groups; the largest holds {share:.0f} % of them.")
    return notes


def fold_notes(study: Study) -> list[str]:
    """Validation beside test, fold by fold, for methods that chose something by their validation groups."""
    dataset, notes = study.dataset, []
    targets = np.array([sample.target for sample in dataset.samples])
    numbers = np.array([-1 if sample.fold is None else sample.fold for sample in dataset.samples])
    for graph, probabilities in study.tables.items():
        folds = study.facts_of(graph)
        if any("validation_macro_f1" not in fact for fact in folds):
            continue
        predicted = np.argmax(probabilities, axis=1)
        pairs = []
        for number, fact in zip(np.unique(numbers), folds, strict=True):
            rows = numbers == number
            test = macro_f1(targets[rows], predicted[rows], len(dataset.classes))
            pairs.append(f"{fact['validation_macro_f1']:.2f} / {test:.2f} (epoch {fact['best_epoch']})")
        notes.append(f"{TITLES.get(graph, graph)}: macro-F1 on validation / test by fold: {', '.join(pairs)}.")
    return notes


def written_notes(path: Path) -> list[str]:
    """Its paragraphs, none where there is no such file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def short_table(study: Study, levels: Sequence[Level]) -> str:
    """What README.md shows: operations, accuracy by frame and by exam unit, and the paired difference."""
    rows = []
    for graphs in zip(*(level.graphs for level in levels), strict=True):
        name = graphs[0].name
        row: dict[str, Any] = {"method": TITLES.get(name, name), "macs": study.macs_m(name)}
        for level, scores in zip(levels, graphs, strict=True):
            row[f"accuracy {level.unit}"] = percent(scores.metrics["accuracy"])
            row[f"balanced {level.unit}"] = percent(scores.metrics["balanced_accuracy"])
        row["difference"] = _difference(graphs[0])
        rows.append(row)
    columns = {"method": "method", "macs": "MMACs"}
    for level in levels:
        unit = level.unit.removesuffix("_id")
        columns |= {f"accuracy {level.unit}": f"accuracy by {unit}, %"}
        columns |= {f"balanced {level.unit}": f"balanced accuracy by {unit}, %"}
    columns["difference"] = "balanced accuracy by frame minus the first row's, points"
    return f"{table(rows, columns)}\n\n{_caption(study, levels)}"


def _row(study: Study, level: Level, scores: Scores) -> dict[str, Any]:
    name = scores.name
    row: dict[str, Any] = {"method": TITLES.get(name, name), "graph": name, "unit": level.unit}
    row |= {key: percent(interval) for key, interval in scores.metrics.items()}
    row |= {f"recall_{key}": None if one is None else percent(one) for key, one in scores.recall.items()}
    row["difference"] = _difference(scores)
    row["agreement"] = None if scores.agreement is None else percent(scores.agreement)
    row["macs_m"] = study.macs_m(name)
    row["scores"] = to_json(scores)
    row["folds"] = [dict(fact) for fact in study.facts_of(name)]
    return row


def _difference(scores: Scores) -> str | None:
    return None if scores.drop_points is None else signed(scores.drop_points["balanced_accuracy"])


def signed(drop: Interval) -> str:
    """A drop in points with its sign turned: negative is worse than what it was compared with."""
    value, low, high = (round(-end, 1) + 0.0 for end in (drop.value, drop.high, drop.low))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _caption(study: Study, levels: Sequence[Level]) -> str:
    frame, *exams = levels
    name = study.dataset.name
    counts = ", ".join([f"{frame.units} frames", *(f"{level.units} by {level.unit}" for level in exams)])
    here = machine()
    every = [fact for folds in study.facts.values() for fact in folds]
    hours = sum(_seconds(fact) for fact in every) / 3600
    return (
        f"{name}: {counts}, {frame.groups} groups. Grouped protocol: the table's folds, no group on both sides, "
        f"out-of-fold predictions pooled. Intervals: 95 %, {RESAMPLES} resamples of groups, seed {study.seed}; of "
        "differences by jackknife over groups (docs/gate.md). "
        f"{here['processor']}, {here['cores']} cores, {hours:.1f} h in all, {max(fact['date'] for fact in every)}. "
        f"Script: `{study.script}`; all numbers, and why they are what they are: [docs/results/{study.name}.md](docs/results/{study.name}.md)."
    )


def _seconds(fact: Mapping[str, Any]) -> float:
    """Of one fold with its training, also where that was done in an earlier run and only the engine is new."""
    trained = float(fact.get("training_seconds", 0.0))
    spent = float(fact["seconds"])
    return spent if spent >= trained else spent + trained


def _context(study: Study, levels: Sequence[Level], notes: Sequence[str]) -> dict[str, Any]:
    dataset = study.dataset
    minutes = {name: round(sum(_seconds(fact) for fact in folds) / 60, 1) for name, folds in study.facts.items()}
    return {
        "script": study.script,
        "data": f"{dataset.name}, licence {dataset.licence}",
        "frames": levels[0].units,
        "units": {level.unit: level.units for level in levels[1:]},
        "groups": levels[0].groups,
        "dropped": dict(dataset.dropped) or "no row",
        "protocol": "grouped, the table's fold column; out-of-fold predictions of all folds pooled",
        "intervals": f"percent, 95 %, percentile bootstrap of {RESAMPLES} resamples of groups, seed {study.seed}; "
        "of differences jackknife over groups with Student's t (docs/gate.md)",
        "settings": {name: dict(folds[0]["settings"]) for name, folds in study.facts.items()},
        "millions of multiply-accumulates a frame": {graph: study.macs_m(graph) for graph in study.tables},
        "minutes, all folds": minutes,
        "notes": list(notes),
    }
