"""The tables of the study on fewer operations, from out-of-fold probabilities alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.dual import DUAL_MACS
from edgeneuro.benchmarks.fewer_recipes import RECIPES, TEACHER
from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.real_tables import group_notes, signed, written_notes
from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import RESULTS, machine, table, write_result
from edgeneuro.benchmarks.scoring import FRAME, Level, Probabilities, Scores, score_levels
from edgeneuro.data.sample import DataSet
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES, drop_interval

METRIC = "balanced_accuracy"


@dataclass(frozen=True, kw_only=True)
class FewerStudy:
    """tables: graph -> (frame, class), out of fold, rows as dataset.samples. facts: recipe -> one mapping a fold. by: column of
    exam units, None for frames alone."""

    dataset: DataSet
    tables: Mapping[str, Probabilities]
    facts: Mapping[str, Sequence[Mapping[str, Any]]]
    by: str | None
    seed: int

    def recipe_of(self, graph: str) -> str:
        """The recipe that made `graph`: its name begins with it."""
        return max((name for name in self.facts if graph.startswith(name)), key=len)


def write_study(study: FewerStudy, folder: Path = RESULTS, *, readme: Path | None = None) -> None:
    """docs/results/fewer_DATA.json and .md, and the short table between the markers of `readme`. What people found out about
    the numbers stands in fewer_DATA.notes.md."""
    dataset, name = study.dataset, f"fewer_{study.dataset.name}"
    levels = score_levels(study.tables, dataset.samples, dataset.classes, by=study.by, seed=study.seed)
    rows = [_row(study, level, scores) for level in levels for scores in level.graphs]
    rows.append(
        {
            "method": "DualVGG at 224 px, counted, not trained here",
            "unit": "-",
            "macs_m": round(DUAL_MACS / 1e6, 1),
            "dual_percent": 100.0,
        }
    )
    first, *_ = study.tables
    columns = {
        "method": "network",
        "unit": "by",
        "macs_m": "MMACs",
        "dual_percent": "of DualVGG's at 224 px, %",
        "params": "parameters",
        METRIC: "balanced accuracy",
        "accuracy": "accuracy",
        "macro_f1": "macro-F1",
        **{f"recall_{label}": f"recall {label}" for label in dataset.classes},
        "against_first": f"balanced accuracy minus {_title(study, first)}'s, points",
        "against_teacher": "minus EfficientNet-Lite0's, points",
    }
    write_result(
        name,
        title=f"{dataset.name}: accuracy and operations, out of fold",
        rows=rows,
        columns=columns,
        context=_context(study, levels, folder / f"{name}.notes.md"),
        folder=folder,
    )
    if readme is not None:
        inject(readme, name, _short(study, levels[0], rows))


def _short(study: FewerStudy, frames: Level, rows: Sequence[Mapping[str, Any]]) -> str:
    """Float networks on frames alone, what README.md has room for."""
    columns = {"method": "network", "macs_m": "MMACs", METRIC: "balanced accuracy, %"}
    columns |= {"against_first": "minus the first row's, points", "against_teacher": "minus EfficientNet-Lite0's"}
    every = [fact for facts in study.facts.values() for fact in facts]
    name = study.dataset.name
    shown = [row for row in rows if row["unit"] == FRAME and row["graph"] in study.facts]
    settings = every[0]["settings"]
    return (
        f"{table(shown, columns)}\n\n{name}: {frames.units} frames, {frames.groups} groups, "
        f"input {settings['image_size']} px. Grouped protocol: the table's folds, out-of-fold predictions pooled. Intervals: 95 %, over "
        f"groups (docs/gate.md). {machine()['processor']}, {machine()['cores']} cores, {max(fact['date'] for fact in every)}. Script: "
        f"`python -m edgeneuro.benchmarks.fewer_operations {name}`; everything else: "
        f"[docs/results/fewer_{name}.md](docs/results/fewer_{name}.md)."
    )


def _row(study: FewerStudy, level: Level, scores: Scores) -> dict[str, Any]:
    facts = study.facts[study.recipe_of(scores.name)]
    macs = round(float(np.mean([fact["macs"] for fact in facts])))
    lost = scores.drop_points[METRIC] if scores.drop_points else None
    row: dict[str, Any] = {
        "method": _title(study, scores.name),
        "graph": scores.name,
        "unit": level.unit,
        "macs_m": round(macs / 1e6, 1),
        "dual_percent": round(100 * macs / DUAL_MACS, 4),
        "params": round(float(np.mean([fact["params"] for fact in facts]))),
        **{key: percent(interval) for key, interval in scores.metrics.items()},
        "against_first": None if lost is None else signed(lost),
        "against_teacher": None,
        "folds": [dict(fact) for fact in facts],
    }
    for label, recall in scores.recall.items():
        row[f"recall_{label}"] = None if recall is None else percent(recall)
    if level.unit == FRAME and TEACHER in study.tables and scores.name != TEACHER:
        row["against_teacher"] = signed(_drop(study, TEACHER, scores.name))
    return row


def _drop(study: FewerStudy, reference: str, graph: str) -> Interval:
    """Points of METRIC that `graph` loses against `reference`, paired by frame, by group."""
    samples = study.dataset.samples
    targets = np.array([sample.target for sample in samples], np.int64)
    expected, predicted = (study.tables[name].argmax(1) for name in (reference, graph))
    groups = [sample.group for sample in samples]
    return drop_interval(METRIC, targets, expected, predicted, groups, len(study.dataset.classes))


def _title(study: FewerStudy, graph: str) -> str:
    recipe = RECIPES[study.recipe_of(graph)]
    precision = graph.removeprefix(recipe.name).removeprefix("-")
    return f"{recipe.title}{', ' + precision.upper() + ' engine' if precision else ''}"


def _context(study: FewerStudy, levels: Sequence[Level], written: Path) -> dict[str, Any]:
    dataset = study.dataset
    every = [fact for facts in study.facts.values() for fact in facts]
    return {
        "script": f"python -m edgeneuro.benchmarks.fewer_operations {dataset.name}",
        "data": f"{dataset.name}, {dataset.licence}",
        "units": ", ".join(f"{level.units} by {level.unit}" for level in levels) + f"; {levels[0].groups} groups",
        "protocol": "grouped, the table's fold column; out-of-fold predictions of all folds pooled; the epoch is chosen on "
        "validation groups",
        "intervals": f"percent, 95 %, percentile bootstrap of {RESAMPLES} resamples of groups, seed {study.seed}; of "
        "differences jackknife over groups with Student's t (docs/gate.md)",
        "settings": {name: facts[0]["settings"] for name, facts in study.facts.items()},
        "training": {name: f"{sum(f['training_seconds'] for f in facts) / 60:.0f} min" for name, facts in study.facts.items()},
        "trained": f"on {every[0]['hardware']['device']}, {min(f['date'] for f in every)} to {max(f['date'] for f in every)}",
        "notes": [*group_notes(dataset), *_epochs(study), *written_notes(written)],
    }  # fmt: skip


def _epochs(study: FewerStudy) -> list[str]:
    """How far the validation groups, which chose the epoch, can be trusted."""
    lines = []
    for name, facts in study.facts.items():
        parts = [f"{fact['validation_balanced_accuracy']:.2f} (epoch {fact['best_epoch'] + 1})" for fact in facts]
        lines.append(f"{RECIPES[name].title}: balanced accuracy on the validation groups by fold: {', '.join(parts)}.")
    return lines
