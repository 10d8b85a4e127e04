"""Small sessions for tests of decoding."""

from __future__ import annotations

import numpy as np

from edgeneuro.data.recordings import Recording
from edgeneuro.spec import Array


def blocks_of_gratings(
    strength: float, *, blocks: int = 6, classes: int = 4, neurons: int = 12, seed: int = 0
) -> Recording:
    """Each block shows every class once; neurons prefer classes by `strength` standard deviations of their noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), blocks)
    preference = rng.standard_normal((classes, neurons))
    responses = strength * preference[labels] + rng.standard_normal((len(labels), neurons))
    return _recording(responses, labels, np.repeat(np.arange(blocks), classes), labels, classes)


def images_without_kinds(*, images: int = 60, classes: int = 3, neurons: int = 30, seed: int = 0) -> Recording:
    """Every image is shown twice and known well by its own random pattern, which has nothing to do with its class."""
    rng = np.random.default_rng(seed)
    stimuli = np.tile(np.arange(images), 2)
    responses = 2 * rng.standard_normal((images, neurons))[stimuli] + 0.5 * rng.standard_normal((2 * images, neurons))
    return _recording(responses, stimuli, stimuli, rng.permutation(np.arange(images) % classes)[stimuli], classes)


def uneven_classes(*, neurons: int = 8) -> Recording:
    """40 images twice, a quarter of them of class 1."""
    rng = np.random.default_rng(3)
    stimuli = np.tile(np.arange(40), 2)
    labels = (stimuli % 4 == 0).astype(np.int64)
    return _recording(rng.standard_normal((80, neurons)) + 2 * labels[:, None], stimuli, stimuli, labels, 2)


def _recording(responses: Array, stimuli: Array, groups: Array, labels: Array, classes: int) -> Recording:
    return Recording(
        name="made up",
        responses=responses.astype(np.float32),
        stimuli=stimuli,
        groups=groups,
        classes=tuple(f"class {number}" for number in range(classes)),
        labels=labels,
    )
