"""Golden inputs and outputs: what a bundle must reproduce when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import cv2
import numpy as np

from edgeneuro.calibration.ranges import Range
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Array, Float32

FRAMES = 2
FLOAT_TOLERANCE = 1e-3
"""Of the largest golden logit, at least 1: another processor sums float32 in another order (about 1e-6 a layer)."""
INT8_TOLERANCE = 0.25
"""Of what quantisation changed. Quantising errs by 0.29 steps (root mean square) in every activation; another processor
rounds a few of them by a whole step differently. Half a percent of them doing so adds a quarter of that noise."""


def golden_frames(preprocess: Preprocess, limits: Range | None) -> Float32:
    """Seeded made-up inputs, never frames of people: (FRAMES, channel, height, width) float32 within `limits`.

    Speckle on a smooth background, so that edges, dark and bright areas all occur.
    """
    rng = np.random.default_rng(20240901)
    shape = (preprocess.height, preprocess.width)
    frames = []
    for _ in range(FRAMES):
        coarse = rng.uniform(0.2, 1.0, (5, 5)).astype(np.float32)
        background = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
        speckle = rng.rayleigh(0.5, shape).astype(np.float32)
        grey = np.clip(255 * background * speckle, 0, 255).astype(np.uint8)
        frames.append(preprocess(grey))
    golden = np.stack(frames)
    return golden if limits is None else np.clip(golden, limits.low, limits.high).astype(np.float32)


def golden_outputs(backend: Backend, frames: Float32) -> dict[str, Array]:
    """Every output of `backend` for the golden frames, run one by one as the device does."""
    runs = [backend.run({backend.inputs[0].name: frame[None]}) for frame in frames]
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def tolerance(outputs: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Largest absolute difference a device may show on any element of `outputs`.

    reference: the float graph's outputs; for the float graph itself, the same.
    """
    largest = max(float(np.abs(values).max()) for values in reference.values())
    quantisation = max(float(np.abs(outputs[name] - reference[name]).max()) for name in reference)
    return max(FLOAT_TOLERANCE * max(largest, 1.0), INT8_TOLERANCE * quantisation)


def pack_golden(frames: Float32, outputs: Mapping[str, Mapping[str, Array]]) -> bytes:
    """golden.npz. outputs: member path of a graph -> output name -> values. Same arrays, same bytes."""
    named = {f"{path}:{name}": values for path, graph in outputs.items() for name, values in graph.items()}
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **{"input": frames, **named})
    return buffer.getvalue()
