"""Accuracy at build time: every graph of the bundle on the same unseen frames, float beside INT8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from edgeneuro.data.sample import DataSet
from edgeneuro.manifest import Accuracy, DataIdentity
from edgeneuro.metrics import agreement_interval, bootstrap_interval, drop_interval
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Float32

SEED = 0
"""Of the bootstrap, so that the same frames give the same interval."""


def preprocessed(data: DataSet, preprocess: Preprocess) -> list[Float32]:
    """Network inputs of all samples, in order, each (channel, height, width)."""
    return [preprocess(data.read(sample)) for sample in data.samples]


def measure_accuracy(
    backends: Mapping[str, Backend],
    reference: str,
    data: DataSet,
    frames: Sequence[Float32],
    *,
    metric: str,
    protocol: Literal["grouped", "leaky"],
) -> Accuracy:
    """backends: member path -> opened graph; `reference` is the float one. data: labelled, unseen in training,
    validation and calibration; frames: its preprocessed inputs. Intervals are resampled by group."""
    targets = np.array([sample.target for sample in data.samples])
    groups = [sample.group for sample in data.samples]
    classes = len(data.classes)
    predicted = {path: _predict(backend, frames) for path, backend in backends.items()}
    others = [path for path in backends if path != reference]
    return Accuracy(
        data=DataIdentity.of(data),
        protocol=protocol,
        metric=metric,
        graphs={
            path: bootstrap_interval(metric, targets, guess, groups, classes, np.random.default_rng(SEED))
            for path, guess in predicted.items()
        },
        drop_points={
            path: drop_interval(metric, targets, predicted[reference], predicted[path], groups, classes)
            for path in others
        },
        agreement={
            path: agreement_interval(predicted[reference], predicted[path], groups, classes).value for path in others
        },
    )


def _predict(backend: Backend, frames: Sequence[Float32]) -> np.ndarray:
    """(frame,) class numbers, one frame at a time as on the device."""
    name, output = backend.inputs[0].name, backend.outputs[0].name
    return np.array([int(backend.run({name: frame[None]})[output][0].argmax()) for frame in frames])
