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
SPECKLE_SHARE = 0.01
"""Standard deviation of the speckle's blur, as a share of the shorter side: about 2 px of 224."""
FLOAT_TOLERANCE = 1e-3
"""Of the largest golden logit, at least 1: another processor sums float32 in another order (about 1e-6 a layer)."""
INT8_TOLERANCE = 0.25
"""Of what quantisation changed. Quantising errs by 0.29 steps (root mean square) in every activation; another processor
rounds a few of them by a whole step differently. Half a percent of them doing so adds a quarter of that noise."""


def golden_frames(preprocess: Preprocess, limits: Range | None) -> Float32:
    """Seeded made-up inputs, never frames of people: (FRAMES, channel, height, width) float32 within `limits`.

    Blurred speckle on an uneven background with the mean and standard deviation the preprocessing expects, so that
    activations stay in the calibrated ranges; noise of full contrast would mostly test how they saturate.
    """
    rng = np.random.default_rng(20240901)
    shape = (preprocess.height, preprocess.width)
    mean, std = (255 * float(np.mean(values)) for values in (preprocess.mean, preprocess.std))
    mean, std = (mean, std) if mean else (96.0, 48.0)  # a foreign file that does its own normalisation
    frames = []
    for _ in range(FRAMES):
        background = cv2.resize(rng.uniform(0.5, 1.0, (5, 5)), shape[::-1], interpolation=cv2.INTER_CUBIC)
        speckle = cv2.GaussianBlur(rng.rayleigh(1.0, shape), (0, 0), SPECKLE_SHARE * min(shape))
        texture = background * speckle
        grey = mean + std * (texture - texture.mean()) / texture.std()
        frames.append(preprocess(np.clip(np.rint(grey), 0, 255).astype(np.uint8)))
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
