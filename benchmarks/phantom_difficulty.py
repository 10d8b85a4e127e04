"""Can one number tell the phantom's classes apart? Single features beside STANet, on subjects neither has seen.

Run: python -m edgeneuro.benchmarks.phantom_difficulty [--checkpoint DIR] [--readme README.md]

Two tests. On the phantom the checkpoint was trained on: every feature in five folds by subject, pooled, and STANet on
its own held-out subjects. On a phantom of another seed, the same frames for all: features trained on the whole
first phantom, STANet as it is. Each feature is given alone to three classifiers and the best of the three counts,
chosen on the very frames it is reported on, which favours the features.

Ends with exit code 3 where the best single feature comes within 15 points of STANet in either test.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.phantom_features import frame_features
from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.results import RESULTS, table, write_result
from edgeneuro.data.phantom import phantom_dataset
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.manifest import Interval
from edgeneuro.metrics import balanced_accuracy, bootstrap_interval
from edgeneuro.spec import Array, Float32

MARGIN_POINTS = 15.0
TRAINING_SEED = 0
OTHER_SEED = 1

Makers = Mapping[str, Callable[[], Any]]
"""Name of a classifier -> a fresh one."""


def feature_table(data: DataSet) -> tuple[tuple[str, ...], Float32]:
    """Names, and values (frame, feature)."""
    rows = [frame_features(data.read(sample)) for sample in data.samples]
    names = tuple(rows[0])
    return names, np.asarray([[row[name] for name in names] for row in rows], np.float32)


def classifiers(seed: int) -> Makers:
    """Three classifiers that can follow any threshold or band of one number."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    return {
        "boosted trees": lambda: HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=15, random_state=seed
        ),
        "decision tree": lambda: DecisionTreeClassifier(min_samples_leaf=20, random_state=seed),
        "25 nearest neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(25)),
    }


def out_of_fold(make: Callable[[], Any], values: Float32, targets: Array, folds: Array) -> Array:
    """Predicted class of every frame by a classifier that has not seen its fold. values: (frame, feature)."""
    predicted = np.empty_like(targets)
    for fold in np.unique(folds):
        test = folds == fold
        predicted[test] = make().fit(values[~test], targets[~test]).predict(values[test])
    return predicted


def targets_of(data: DataSet) -> Array:
    """(frame,) class numbers."""
    return np.asarray([sample.target for sample in data.samples])


def judge_features(data: DataSet, other: DataSet, makers: Makers) -> list[dict[str, Any]]:
    """One row a feature, best first: balanced accuracy in percent of the best classifier in both tests."""
    targets, other_targets, classes = targets_of(data), targets_of(other), len(data.classes)
    folds = np.asarray([sample.fold for sample in data.samples])
    names, values = feature_table(data)
    _, other_values = feature_table(other)
    rows = []
    for i, name in enumerate(names):
        own, elsewhere = values[:, [i]], other_values[:, [i]]
        in_folds = {
            kind: 100.0 * balanced_accuracy(targets, out_of_fold(make, own, targets, folds), classes)
            for kind, make in makers.items()
        }
        on_other = {
            kind: 100.0 * balanced_accuracy(other_targets, make().fit(own, targets).predict(elsewhere), classes)
            for kind, make in makers.items()
        }
        best = {"own": max(in_folds.values()), "other": max(on_other.values())}
        rows.append({"what": name, **best, "in folds": in_folds, "on other": on_other})
    return sorted(rows, key=lambda row: -max(row["own"], row["other"]))


def judge_network(checkpoint: Path, data: DataSet, other: DataSet) -> dict[str, Any]:
    """STANet's row: balanced accuracy in percent with 95 % intervals by subject. Raises CheckpointError."""
    from edgeneuro.training.checkpoint import load_model, read_config, read_split

    config, split = read_config(checkpoint), read_split(checkpoint)
    network = load_model(checkpoint)
    held_out = split.part(data.samples, "test")
    own = _score(network, config.frame_preprocess, data, held_out)
    elsewhere = _score(network, config.frame_preprocess, other, other.samples)
    return {
        "what": f"STANet, {config.frame_preprocess.height} px",
        "own": 100.0 * own.value,
        "other": 100.0 * elsewhere.value,
        "own interval": [100.0 * own.low, 100.0 * own.high],
        "other interval": [100.0 * elsewhere.low, 100.0 * elsewhere.high],
        "own frames": len(held_out),
        "other frames": len(other.samples),
    }


def _score(network: Any, preprocess: Any, data: DataSet, samples: tuple[Sample, ...]) -> Interval:
    import torch

    with torch.no_grad():
        frames = (torch.from_numpy(preprocess(data.read(sample)))[None] for sample in samples)
        predicted = np.asarray([int(network(frame).argmax()) for frame in frames])
    targets = np.asarray([sample.target for sample in samples])
    groups = [sample.group for sample in samples]
    rng = np.random.default_rng(0)
    return bootstrap_interval("balanced_accuracy", targets, predicted, groups, len(data.classes), rng)


def margins(network: Mapping[str, Any], features: list[dict[str, Any]]) -> dict[str, float]:
    """Points between STANet and the best single feature, in each test."""
    return {test: float(network[test]) - max(float(row[test]) for row in features) for test in ("own", "other")}


def short_table(network: Mapping[str, Any], features: list[dict[str, Any]]) -> str:
    """What README.md shows: STANet, the three best features, and the mean intensity."""
    mean = [row for row in features[3:] if row["what"] == "mean"]
    rows = [
        {"what": network["what"], **{test: _with_interval(network, test) for test in ("own", "other")}},
        *(
            {"what": row["what"], **{test: f"{row[test]:.1f}" for test in ("own", "other")}}
            for row in (*features[:3], *mean)
        ),
    ]
    columns = {"what": "classifier's input", "own": f"phantom:{TRAINING_SEED}, held-out subjects, %"}
    columns |= {"other": f"phantom:{OTHER_SEED}, other subjects, %"}
    return (
        f"{table(rows, columns)}\n\n"
        f"Balanced accuracy, chance is 25 %; simulated, {network['own frames']} and {network['other frames']} frames for the "
        f"network, interval over subjects; best of {len(features)} features each given alone to three classifiers. "
        "Script: `python -m edgeneuro.benchmarks.phantom_difficulty`; all features: "
        "[docs/results/phantom_difficulty.md](docs/results/phantom_difficulty.md)."
    )


def _with_interval(network: Mapping[str, Any], test: str) -> str:
    low, high = network[f"{test} interval"]
    return f"{network[test]:.1f} [{low:.1f}, {high:.1f}]"


def main() -> int:
    """Measure, write the table, say whether the margin holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint", type=Path, help="folder of edgeneuro train; the packaged weights where left out"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the table")
    parser.add_argument("--readme", type=Path, help="README.md to put a short table into")
    options = parser.parse_args()

    from edgeneuro.training.checkpoint import packaged

    started = time.monotonic()
    data, other = phantom_dataset(TRAINING_SEED), phantom_dataset(OTHER_SEED)
    network = judge_network(options.checkpoint or packaged("myositis"), data, other)
    features = judge_features(data, other, classifiers(seed=0))
    gaps = margins(network, features)
    holds = min(gaps.values()) >= MARGIN_POINTS
    write_result(
        "phantom_difficulty",
        title="Single features beside STANet on the muscle-ultrasound phantom: balanced accuracy, percent",
        rows=[network, *features],
        columns={
            "what": "classifier's input",
            "own": f"phantom:{TRAINING_SEED}",
            "other": f"phantom:{OTHER_SEED}, same frames for all",
        },
        context={
            "script": "python -m edgeneuro.benchmarks.phantom_difficulty"
            + ("" if options.checkpoint is None else " --checkpoint DIR"),
            "data": f"{data.name} and {other.name}, simulated, {len(data)} frames of 96 subjects each, chance is 25",
            "split": "by subject; first column: features pooled over five folds, STANet on the held-out fold "
            f"({network['own frames']} frames); second column: features trained on all of the first phantom",
            "STANet 95 % interval, first column": network["own interval"],
            "STANet 95 % interval, second column": network["other interval"],
            "points between STANet and the best feature": {"first column": gaps["own"], "second column": gaps["other"]},
            f"margin of {MARGIN_POINTS:g} points holds": holds,
            "duration_s": round(time.monotonic() - started),
            "notes": [
                "Each feature alone is given to boosted trees, a decision tree and 25 nearest neighbours.",
                "The best of the three counts, chosen on the frames it is reported on, which favours the features.",
            ],
        },
        folder=options.out,
    )
    if options.readme is not None:
        inject(options.readme, "phantom_difficulty", short_table(network, features))
    best = features[0]
    print(f"STANet {network['own']:.1f} and {network['other']:.1f}; best feature: {best['what']}; margins {gaps}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main())
