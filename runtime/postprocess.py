"""From the network's outputs to what a person reads: one result type and one function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.manifest import CLASS_MAPS, QUALITY, Manifest, Task
from edgeneuro.spec import Array, Float32, Item


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a classifier says about one frame.

    probabilities: class name -> 0..1, in the manifest's order. class_maps: (class, height, width) float32, in that order
    too, what each place gives to each logit, not rectified; None of a network that has none. quality: 0..1, how typical the
    frame is, None of a network that does not say. ms: "preprocess",
    "inference", "postprocess", milliseconds of wall time. flags: what a reader must know before trusting the label, e.g.
    "simulated_training".
    """

    task: Task = "classification"
    label: str
    probabilities: Mapping[str, float]
    class_maps: Float32 | None = None
    quality: float | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """What a segmentation says about one frame.

    mask: ([depth,] height, width) of the frame, uint8, the class number of every voxel, 0 for background. foreground_fraction:
    share of voxels that are not background, 0..1. ms, flags: as of a Prediction.
    """

    task: Task = "segmentation"
    mask: Array
    foreground_fraction: float
    ms: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TensorOutputs:
    """Every output by name as the network gives it, batch axis included. ms, flags: as of a Prediction; the flag
    "not_finite" means NaN or infinity in an output."""

    task: Task = "tensors"
    outputs: Mapping[str, Array]
    ms: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


Result: TypeAlias = Prediction | Segmentation | TensorOutputs


def postprocess(manifest: Manifest, outputs: Mapping[str, Array], item: Item) -> Result:
    """The result of one inference, without ms. outputs: of one frame. item: what it was made from.

    Raises BackendError for NaN or infinite logits.
    """
    return _POSTPROCESS[manifest.task](manifest, outputs, item)


def softmax(logits: Array) -> Float32:
    """exp(x) / sum exp(x) along the last axis, shifted by the largest x so that nothing overflows.

    logits: (..., class). Returns the same shape, float32. Raises BackendError for NaN or infinite logits.
    """
    _check_finite(logits)
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scaled: Float32 = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32, copy=False)
    return scaled


def class_mask(logits: Array) -> Array:
    """(class, [depth,] height, width) logits -> ([depth,] height, width) uint8 class numbers: the largest logit's; of a single channel,
    1 where the logit is above 0, that is where the probability is above one half. Raises BackendError for NaN."""
    _check_finite(logits)
    winners: Array = logits[0] > 0 if len(logits) == 1 else logits.argmax(axis=0)
    return winners.astype(np.uint8)


def _classification(manifest: Manifest, outputs: Mapping[str, Array], _: Item) -> Prediction:
    row = softmax(outputs[manifest.outputs[0].name])[0].tolist()
    probabilities = dict(zip(manifest.classes, row, strict=True))
    maps, quality = outputs.get(CLASS_MAPS), outputs.get(QUALITY)
    return Prediction(
        label=max(probabilities, key=probabilities.__getitem__),
        probabilities=probabilities,
        class_maps=None if maps is None else maps[0],
        quality=None if quality is None else float(quality[0, 0]),
    )


def _segmentation(manifest: Manifest, outputs: Mapping[str, Array], item: Item) -> Segmentation:
    """The mask of an image is resized to the frame, each pixel taking the class of the nearest one."""
    mask = class_mask(outputs[manifest.outputs[0].name][0])
    if isinstance(item, np.ndarray) and mask.ndim == 2 and item.shape[:2] != mask.shape:
        height, width = item.shape[:2]
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return Segmentation(mask=mask, foreground_fraction=float(np.count_nonzero(mask)) / mask.size)


def _tensors(_: Manifest, outputs: Mapping[str, Array], __: Item) -> TensorOutputs:
    finite = all(np.isfinite(values).all() for values in outputs.values() if values.dtype.kind == "f")
    return TensorOutputs(outputs=outputs, flags=() if finite else ("not_finite",))


def _check_finite(logits: Array) -> None:
    if not np.isfinite(logits).all():
        raise BackendError(
            "network: returned NaN or infinite logits; check the frame, then run `edgeneuro verify` on the engine"
        )


_POSTPROCESS: Mapping[Task, Callable[[Manifest, Mapping[str, Array], Item], Result]] = {
    "classification": _classification,
    "segmentation": _segmentation,
    "tensors": _tensors,
}
