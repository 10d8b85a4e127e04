"""How well a network classifies frames in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeneuro.manifest import Interval
from edgeneuro.metrics import accuracy, balanced_accuracy, bootstrap_interval, confusion_matrix, macro_f1
from edgeneuro.metrics import per_class_recall as recall_of
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.frames import FrameBatches, Frames, batches

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """Scores 0 to 1 over single frames. interval: 95 % of the model's primary metric, resampled by group.

    per_class_recall: None for a class without frames. confusion_matrix: rows true, columns predicted.
    """

    frames: int
    groups: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    primary_metric: str
    interval: Interval
    per_class_recall: Mapping[str, float | None]
    confusion_matrix: tuple[tuple[int, ...], ...]


@torch.no_grad()
def score(
    network: nn.Module, frames: Frames, preprocess: Preprocess, classes: tuple[str, ...], metric: str
) -> FrameScores:
    """Scores of `network`, in evaluation mode afterwards, on `frames`; on the CPU in float32. metric: the primary one."""
    network.eval()
    loader = batches(FrameBatches(frames, preprocess), BATCH)
    predicted = np.concatenate([network(images).argmax(1).numpy() for images, _ in loader])
    return frame_scores(frames.targets, predicted, frames.groups, classes, metric)


def frame_scores(
    targets: NDArray[np.int64],
    predicted: NDArray[np.int64],
    groups: tuple[str, ...],
    classes: tuple[str, ...],
    metric: str,
) -> FrameScores:
    """targets, predicted: (frame,) class numbers. groups: one a frame. metric: the primary one."""
    count = len(classes)
    recalls = recall_of(targets, predicted, count)
    return FrameScores(
        frames=len(targets),
        groups=len(set(groups)),
        accuracy=accuracy(targets, predicted, count),
        balanced_accuracy=balanced_accuracy(targets, predicted, count),
        macro_f1=macro_f1(targets, predicted, count),
        primary_metric=metric,
        interval=bootstrap_interval(metric, targets, predicted, groups, count, np.random.default_rng(0)),
        per_class_recall={
            name: None if math.isnan(recall) else float(recall) for name, recall in zip(classes, recalls, strict=True)
        },
        confusion_matrix=tuple(map(tuple, confusion_matrix(targets, predicted, count).tolist())),
    )
