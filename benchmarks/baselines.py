"""The two baselines of the study, as methods: a split in, probabilities of its test part out."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.classical import SVM_GRID, fit_grouped, hog_lbp, scores_as_probabilities, svm
from edgeneuro.benchmarks.lite0 import PROBE_GRID, lite0_features, lite0_macs, probe
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Part, Split
from edgeneuro.files import write_bytes


def hog_lbp_svm(dataset: DataSet, split: Split, cache: Path, seed: int) -> Fold:
    """HOG and LBP, PCA 80, RBF-SVM; C chosen on groups of the other folds."""

    def features(samples: Sequence[Sample]) -> NDArray[np.float32]:
        return np.stack([hog_lbp(dataset.read(sample)) for sample in samples])

    table = cached(cache / "hog-lbp.npy", features, dataset.samples)
    return fitted_fold(
        "hog-lbp-svm", dataset, split, table, svm(), SVM_GRID, seed,
        lambda fitted, rows: scores_as_probabilities(fitted.decision_function(rows)),
    )  # fmt: skip


def lite0_probe(dataset: DataSet, split: Split, cache: Path, seed: int) -> Fold:
    """Logistic regression on EfficientNet-Lite0's features; its strength chosen on groups of the other folds."""

    def features(samples: Sequence[Sample]) -> NDArray[np.float32]:
        return lite0_features(dataset, samples)

    table = cached(cache / "lite0.npy", features, dataset.samples)
    fold = fitted_fold(
        "lite0-probe", dataset, split, table, probe(), PROBE_GRID, seed,
        lambda fitted, rows: fitted.predict_proba(rows),
    )  # fmt: skip
    return replace(fold, facts={**fold.facts, "macs": lite0_macs()})


def cached(
    path: Path, compute: Callable[[Sequence[Sample]], NDArray[np.float32]], samples: Sequence[Sample]
) -> NDArray[np.float32]:
    """Features of all frames, from `path` or computed and kept there; the name of the folder tells the data."""
    if path.exists():
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
        if len(kept) == len(samples):
            return kept
    table, stream = compute(samples), io.BytesIO()
    np.save(stream, table, allow_pickle=False)
    write_bytes(path, stream.getvalue())
    return table


def fitted_fold(
    name: str,
    dataset: DataSet,
    split: Split,
    table: NDArray[np.float32],
    classifier: Any,
    grid: Mapping[str, Sequence[float]],
    seed: int,
    probabilities: Callable[[Any, NDArray[np.float32]], NDArray[np.float64]],
    learn: Sequence[Part] = ("training", "validation"),
) -> Fold:
    """Train on the parts `learn`, both where there is nothing to stop early, and predict the test part.

    table: (frame, feature), rows as dataset.samples. grid: of settings, chosen on groups of what is learnt from.
    """
    test = split.part(dataset.samples, "test")
    row = {frame_id(sample): number for number, sample in enumerate(dataset.samples)}
    known = {frame_id(sample) for part in learn for sample in split.part(dataset.samples, part)}
    rest = [sample for sample in dataset.samples if frame_id(sample) in known]
    targets = np.array([sample.target for sample in rest], np.int64)
    seen, unseen = (table[[row[frame_id(sample)] for sample in samples]] for samples in (rest, test))
    fitted = fit_grouped(classifier, grid, seen, targets, [sample.group for sample in rest], seed)
    return Fold(
        ids=tuple(frame_id(sample) for sample in test),
        tables={name: probabilities(fitted, unseen)},
        facts={"chosen": fitted.best_params_, "inner_balanced_accuracy": float(fitted.best_score_)},
    )
