"""What INT8 costs a trained network: the drop of its metric and the agreement with float, with intervals over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.quantisation_graphs import FLOAT, Variant
from edgeneuro.benchmarks.quantisation_outputs import Outputs
from edgeneuro.manifest import Interval
from edgeneuro.metrics import agreement_interval, drop_interval, mask_scores, mean_of_classes, metric_named, score_drop
from edgeneuro.runtime.postprocess import softmax
from edgeneuro.spec import Array

if TYPE_CHECKING:
    from edgeneuro.benchmarks.quantisation_cases import Case


CLOSE = 0.1
REFERENCE = Variant(tool=FLOAT, runtime="onnxruntime", file="float.onnx")


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One graph on one runtime, all folds together. score: of the metric, 0 to 1. drop: points lost against float on
    ONNX Runtime, positive is worse. agreement: share of frames, for masks of pixels, with the class float gives."""

    tool: str
    runtime: str
    frames: int
    groups: int
    score: float
    drop: Interval
    agreement: Interval


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """truth, float, int8: (frame,) class numbers or (frame, height, width) masks. groups: one a frame."""

    truth: Array
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    groups: tuple[str, ...]
    metric: str
    classes: int


def accuracies(folds: Sequence[tuple[Case, Outputs]]) -> list[Accuracy]:
    """Of every variant that answered in all `folds`; their frames are pooled, no group is in two of them."""
    tried = [variant for variant in folds[0][1] if all(variant in outputs for _, outputs in folds)]
    return [_accuracy(variant, _pooled(folds, variant)) for variant in tried]


def close_calls(folds: Sequence[tuple[Case, Outputs]], variant: Variant) -> tuple[float, float] | None:
    """Share of test frames on which float's two best classes are less than CLOSE apart in probability, and that share
    among the frames that `variant` gives another class. None for masks, and where no frame changed."""
    found = [(case, outputs) for case, outputs in folds if variant in outputs]
    if not found or found[0][0].metric == "dice":
        return None
    logits = np.concatenate([outputs[REFERENCE] for _, outputs in found])
    best = np.sort(softmax(logits), axis=1)
    close = best[:, -1] - best[:, -2] < CLOSE
    changed = logits.argmax(1) != np.concatenate([outputs[variant] for _, outputs in found]).argmax(1)
    return (float(close.mean()), float(close[changed].mean())) if changed.any() else None


def _pooled(folds: Sequence[tuple[Case, Outputs]], variant: Variant) -> _Answers:
    case = folds[0][0]
    return _Answers(
        truth=np.concatenate([one.truth for one, _ in folds]),
        before=np.concatenate([answers(one, outputs[REFERENCE]) for one, outputs in folds]),
        after=np.concatenate([answers(one, outputs[variant]) for one, outputs in folds]),
        groups=tuple(group for one, _ in folds for group in one.groups),
        metric=case.metric,
        classes=case.classes,
    )


def answers(case: Case, values: Array) -> NDArray[np.int64]:
    """Class number of each frame from logits (frame, class), or of each pixel from (frame, 1, height, width)."""
    found: NDArray[np.int64] = (values[:, 0] > 0).astype(np.int64) if case.metric == "dice" else values.argmax(1)
    return found


def _accuracy(variant: Variant, got: _Answers) -> Accuracy:
    masks = got.metric == "dice"
    return Accuracy(
        tool=variant.tool,
        runtime=variant.runtime,
        frames=len(got.truth),
        groups=len(set(got.groups)),
        score=float(_dice(got.truth, got.after).mean())
        if masks
        else metric_named(got.metric)(got.truth, got.after, got.classes),
        drop=_mask_drop(got)
        if masks
        else drop_interval(got.metric, got.truth, got.before, got.after, got.groups, got.classes),
        agreement=_mask_agreement(got) if masks else agreement_interval(got.before, got.after, got.groups, got.classes),
    )


def _mask_drop(got: _Answers) -> Interval:
    return score_drop(_dice(got.truth, got.before), _dice(got.truth, got.after), got.groups).interval()


def _mask_agreement(got: _Answers) -> Interval:
    same = (got.before == got.after).mean((1, 2))
    lost = score_drop(np.ones(len(same)), same, got.groups).interval()
    return Interval(value=1 - lost.value / 100, low=1 - lost.high / 100, high=min(1.0, 1 - lost.low / 100))


def _dice(truth: Array, found: NDArray[np.int64]) -> NDArray[np.float64]:
    """(frame,) Dice of the foreground."""
    return mean_of_classes(
        np.stack([mask_scores(mask, guess, 2).dice for mask, guess in zip(truth, found, strict=True)])
    )
