"""How well a network classifies frames in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
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
    count = len(classes)
    recalls = recall_of(frames.targets, predicted, count)
    return FrameScores(
        frames=len(frames),
        groups=len(set(frames.groups)),
        accuracy=accuracy(frames.targets, predicted, count),
        balanced_accuracy=balanced_accuracy(frames.targets, predicted, count),
        macro_f1=macro_f1(frames.targets, predicted, count),
        primary_metric=metric,
        interval=bootstrap_interval(metric, frames.targets, predicted, frames.groups, count, np.random.default_rng(0)),
        per_class_recall={
            name: None if math.isnan(recall) else float(recall) for name, recall in zip(classes, recalls, strict=True)
        },
        confusion_matrix=tuple(map(tuple, confusion_matrix(frames.targets, predicted, count).tolist())),
    )
