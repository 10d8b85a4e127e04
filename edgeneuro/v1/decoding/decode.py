"""Decoding of classes from responses: all decoders with the same split, and beside each accuracy what it has to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.data.make_split import Protocol
from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES, accuracy, bootstrap_interval, confusion_matrix
from edgeneuro.v1.decoding.decoders import Decoder, Fitting, decoder_named
from edgeneuro.v1.decoding.permutation import exchanges, p_value
from edgeneuro.v1.preprocessing import Method, preprocess
from edgeneuro.v1.splits import Fold, Folds, split_trials

Progress = Callable[[str], None]
"""Told the name of each decoder before its turn."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """One decoder's result on the trials held out. protocol: "leaky" where trials of one image or block were on both sides; such a
    number says little. split: in words. columns: neurons, times the time windows where there are several. chance: 1 / classes.
    majority_share: of the most frequent class among the tested trials, which an answer that never changes reaches. confusion:
    (true, predicted) counts. p_value: of the accuracy by permuted labels; None where none were asked for. Intervals: 95 %, groups drawn
    with replacement."""

    decoder: str
    title: str
    protocol: Protocol
    split: str
    preprocessing: Method
    tested: int
    columns: int
    classes: tuple[str, ...]
    accuracy: Interval
    balanced_accuracy: Interval
    majority_share: float
    chance: float
    p_value: float | None
    permutations: int
    confusion: tuple[tuple[int, ...], ...]


def decode(
    recording: Recording,
    decoders: Sequence[str] = ("lda",),
    *,
    protocol: Protocol = "grouped",
    method: Method = "zscore",
    seed: int = 0,
    permutations: int = 0,
    progress: Progress = lambda name: None,
) -> tuple[Decoding, ...]:
    """Results of `decoders`, keys of DECODERS, on one split of the labelled trials.

    permutations: of labels, for the p-value. With one grouped split the labels of the tested trials are exchanged, which costs nothing;
    with folds, or a leaky split, each permutation fits the decoder again. method: statistics of the training trials where it is
    "zscore"; see edgeneuro.v1.preprocessing. Holds the responses two to three times, and what the decoder needs.

    Raises DataError: an unknown decoder, what the split or the preprocessing lacks.
    """
    table = [(name, decoder_named(name)) for name in decoders]
    folds = split_trials(recording, protocol=protocol, seed=seed)
    results = []
    for name, decoder in table:
        progress(name)
        results.append(_decode(recording, name, decoder, folds, method, seed, permutations))
    return tuple(results)


def predict_folds(
    recording: Recording, labels: Numbers, decoder: Decoder, folds: Folds, method: Method, seed: int
) -> Numbers:
    """(tested trial,) predicted classes in the order of `folds.tested`, each by a decoder that was fitted without its fold.

    labels: (trial,), which may be others than the recording's."""
    return np.concatenate([_predict(recording, labels, decoder, fold, method, seed) for fold in folds])


def _predict(recording: Recording, labels: Numbers, decoder: Decoder, fold: Fold, method: Method, seed: int) -> Numbers:
    responses = preprocess(recording, method, fold.training, seed=seed)
    training = responses[fold.training]
    present, targets = np.unique(labels[fold.training], return_inverse=True)  # XGBoost wants 0, 1, ... without gaps
    smallest = int(np.bincount(targets).min())
    pipeline = decoder.pipeline(Fitting(trials=len(training), columns=training.shape[1], smallest=smallest, seed=seed))
    groups = {"classify__groups": recording.groups[fold.training]} if decoder.grouped else {}
    pipeline.fit(training, targets, **groups)
    predicted: Numbers = present[np.asarray(pipeline.predict(responses[fold.test]), np.int64)]
    return predicted


def _decode(
    recording: Recording, name: str, decoder: Decoder, folds: Folds, method: Method, seed: int, permutations: int
) -> Decoding:
    tested, count = folds.tested, len(recording.classes)
    targets = recording.labels[tested]
    predicted = predict_folds(recording, recording.labels, decoder, folds, method, seed)
    confusion = confusion_matrix(targets, predicted, count)
    groups = [str(group) for group in recording.groups[tested]]
    intervals = {
        metric: bootstrap_interval(metric, targets, predicted, groups, count, np.random.default_rng(seed), RESAMPLES)
        for metric in ("accuracy", "balanced_accuracy")
    }
    by_chance = _by_chance(recording, decoder, folds, method, seed, permutations, predicted)
    return Decoding(
        decoder=name,
        title=decoder.title,
        protocol=folds.protocol,
        split=folds.words,
        preprocessing=method,
        tested=len(tested),
        columns=recording.neurons,
        classes=recording.classes,
        **intervals,
        majority_share=float(confusion.sum(1).max() / len(tested)),
        chance=1 / int(np.count_nonzero(confusion.sum(1))),
        p_value=p_value(intervals["accuracy"].value, by_chance) if permutations else None,
        permutations=permutations,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _by_chance(
    recording: Recording,
    decoder: Decoder,
    folds: Folds,
    method: Method,
    seed: int,
    permutations: int,
    predicted: Numbers,
) -> list[float]:
    """Accuracy with each permutation of the labels of all trials in the folds."""
    tested, count = folds.tested, len(recording.classes)
    if folds.protocol == "grouped" and len(folds) == 1:
        all_targets = exchanges(recording.labels[tested], recording.groups[tested], permutations, seed)
        return [accuracy(targets, predicted, count) for targets in all_targets]
    used = np.union1d(folds.folds[0].training, folds.folds[0].test)
    scores = []
    for permuted in exchanges(recording.labels[used], recording.groups[used], permutations, seed):
        labels = recording.labels.copy()
        labels[used] = permuted
        again = predict_folds(recording, labels, decoder, folds, method, seed)
        scores.append(accuracy(labels[tested], again, count))
    return scores
