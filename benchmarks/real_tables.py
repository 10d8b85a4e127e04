"""The tables of the study on real frames, for docs/results/ and README.md, from pooled probabilities alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.results import RESULTS, machine, table, write_result
from edgeneuro.benchmarks.scoring import Level, Probabilities, Scores, score_levels
from edgeneuro.benchmarks.show import percent
from edgeneuro.data.sample import DataSet
from edgeneuro.metrics import RESAMPLES
from edgeneuro.records import to_json

TITLES = {
    "stanet-fp32": "STANet, FP32 engine",
    "stanet-int8": "STANet, INT8 engine",
    "lite0-probe": "EfficientNet-Lite0 (ImageNet), linear probe",
    "hog-lbp-svm": "HOG + LBP, PCA 80, RBF-SVM",
}


def write_tables(
    dataset: DataSet,
    tables: Mapping[str, Probabilities],
    *,
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    by: str,
    seed: int,
    script: str,
    readme: Path | None = None,
    folder: Path = RESULTS,
) -> None:
    """docs/results/NAME.json and .md, and the short table between the markers of `readme`.

    tables: graph -> (frame, class), out of fold, rows as dataset.samples. facts: method -> one mapping a fold.
    What people have found out about the numbers stands in NAME.notes.md beside them and is passed on.
    """
    levels = score_levels(tables, dataset.samples, dataset.classes, by=by, seed=seed)
    rows: list[dict[str, Any]] = [_row(level, scores) for level in levels for scores in level.graphs]
    for row in rows[: len(tables)]:  # once a graph, in the JSON alone
        row["folds"] = [
            dict(fact) for name, folds in facts.items() if str(row["graph"]).startswith(name) for fact in folds
        ]
    columns = {"method": "method", "unit": "by", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    columns |= {"macro_f1": "macro-F1"} | {f"recall_{name}": f"recall {name}" for name in dataset.classes}
    columns |= {"difference": "balanced accuracy minus the first row's, points", "agreement": "same class as the first"}
    write_result(
        dataset.name,
        title=f"{dataset.name}: out-of-fold accuracy",
        rows=rows,
        columns=columns,
        context=_context(
            dataset, levels, facts, seed, script, [*group_notes(dataset), *_written_notes(dataset, folder)]
        ),
        folder=folder,
    )
    if readme is not None:
        inject(readme, dataset.name, short_table(dataset, levels, facts, seed, script))


def group_notes(dataset: DataSet) -> list[str]:
    """How few independent patients stand behind each class: the first reason for wide intervals."""
    notes = []
    for target, name in enumerate(dataset.classes):
        groups = Counter(sample.group for sample in dataset.samples if sample.target == target)
        share = 100 * max(groups.values()) / groups.total()
        notes.append(
            f"Class {name}: {groups.total()} frames of {len(groups)} groups; the largest group holds {share:.0f} % of them."
        )
    return notes


def _written_notes(dataset: DataSet, folder: Path) -> list[str]:
    """Paragraphs of NAME.notes.md, none where there is no such file."""
    path = folder / f"{dataset.name}.notes.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]


def short_table(
    dataset: DataSet,
    levels: Sequence[Level],
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    seed: int,
    script: str,
) -> str:
    """What README.md shows: balanced accuracy by frame and by exam unit, and the paired difference."""
    rows = []
    for graphs in zip(*(level.graphs for level in levels), strict=True):
        row = {"method": TITLES.get(graphs[0].name, graphs[0].name)}
        for level, scores in zip(levels, graphs, strict=True):
            row[f"accuracy {level.unit}"] = percent(scores.metrics["accuracy"])
            row[f"balanced {level.unit}"] = percent(scores.metrics["balanced_accuracy"])
        row["difference"] = _difference(graphs[0])
        rows.append(row)
    columns = {"method": "method"}
    for level in levels:
        unit = level.unit.removesuffix("_id")
        columns |= {f"accuracy {level.unit}": f"accuracy by {unit}, %"}
        columns |= {f"balanced {level.unit}": f"balanced accuracy by {unit}, %"}
    columns["difference"] = "balanced accuracy by frame minus the first row's, points"
    return f"{table(rows, columns)}\n\n{_caption(dataset, levels, facts, seed, script)}"


def _row(level: Level, scores: Scores) -> dict[str, Any]:
    row: dict[str, Any] = {"method": TITLES.get(scores.name, scores.name), "graph": scores.name, "unit": level.unit}
    row |= {name: percent(interval) for name, interval in scores.metrics.items()}
    row |= {f"recall_{name}": None if one is None else percent(one) for name, one in scores.recall.items()}
    row["difference"] = _difference(scores)
    row["agreement"] = None if scores.agreement is None else percent(scores.agreement)
    row["scores"] = to_json(scores)
    return row


def _difference(scores: Scores) -> str | None:
    """A drop with its sign turned: negative is worse than the first row."""
    if scores.drop_points is None:
        return None
    drop = scores.drop_points["balanced_accuracy"]
    return f"{-drop.value + 0.0:+.1f} [{-drop.high + 0.0:+.1f}, {-drop.low + 0.0:+.1f}]"


def _caption(
    dataset: DataSet,
    levels: Sequence[Level],
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    seed: int,
    script: str,
) -> str:
    frame, *exams = levels
    counts = ", ".join([f"{frame.units} frames", *(f"{level.units} by {level.unit}" for level in exams)])
    here, hours = machine(), _seconds(facts) / 3600
    dates = sorted({str(fact["date"]) for folds in facts.values() for fact in folds})
    return (
        f"{dataset.name}: {counts}, {frame.groups} groups. Grouped protocol: the table's folds, no group on both sides, "
        f"out-of-fold predictions pooled. Intervals: 95 %, {RESAMPLES} resamples of groups, seed {seed}. "
        f"{here['processor']}, {here['cores']} cores, {hours:.1f} h in all, {dates[-1] if dates else 'no date'}. "
        f"Script: `{script}`; all numbers: docs/results/{dataset.name}.md."
    )


def _seconds(facts: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
    return float(sum(fact["seconds"] for folds in facts.values() for fact in folds))


def _context(
    dataset: DataSet,
    levels: Sequence[Level],
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    seed: int,
    script: str,
    notes: Sequence[str],
) -> dict[str, Any]:
    return {
        "script": script,
        "data": f"{dataset.name}, licence {dataset.licence}",
        "frames": levels[0].units,
        "units": {level.unit: level.units for level in levels[1:]},
        "groups": levels[0].groups,
        "dropped": dict(dataset.dropped) or "no row",
        "protocol": "grouped, the table's fold column; out-of-fold predictions of all folds pooled",
        "intervals": f"percent, 95 %, percentile bootstrap of {RESAMPLES} resamples of groups, seed {seed}",
        "settings": {name: dict(folds[0]["settings"]) for name, folds in facts.items()},
        "minutes, all folds": {
            name: round(sum(fact["seconds"] for fact in folds) / 60, 1) for name, folds in facts.items()
        },
        "notes": list(notes),
    }
