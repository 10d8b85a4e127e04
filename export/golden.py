"""Golden inputs and outputs: what a bundle must reproduce when it is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import cv2
import numpy as np

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export.source import FloatModel
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.golden import input_member, magnitude, output_member
from edgeneuro.spec import Array, Feed, Float32, TensorSpec
from edgeneuro.tiled import FULL

SEED = 20240901

FRAMES = 2
SPECKLE_SHARE = 0.01
"""Standard deviation of the speckle's blur, as a share of the shorter side: about 2 px of 224."""
FLOAT_TOLERANCE = 1e-3
"""Of the largest golden value of an output, at least 1: another processor sums float32 in another order (about 1e-6 a layer)."""
INT8_TOLERANCE = 0.25
"""Of what quantisation changed. Quantising errs by 0.29 steps (root mean square) in every activation; another processor
rounds a few of them by a whole step differently. Half a percent of them doing so adds a quarter of that noise."""


def golden_feeds(model: FloatModel, ranges: Mapping[str, Range]) -> list[Feed]:
    """FRAMES seeded made-up inputs, never frames of people. ranges: of the inputs in calibration, by name, others are
    ignored; a bundle without calibration has none, and then whole numbers are 0, which every table of indices has."""
    rng = np.random.default_rng(SEED)
    if model.preprocess is None:
        return [{spec.name: _noise(spec, ranges.get(spec.name), rng) for spec in model.inputs} for _ in range(FRAMES)]
    name = model.inputs[0].name
    return [{name: _speckle(model.preprocess, ranges.get(name), rng)[None]} for _ in range(FRAMES)]


def input_ranges(feeds: Iterable[Feed]) -> dict[str, Range]:
    """Smallest and largest value of every input over `feeds`, for `golden_feeds`."""
    found: dict[str, Range] = {}
    for feed in feeds:
        for name, values in feed.items():
            seen = Range(float(values.min()), float(values.max()))
            found[name] = found[name].union(seen) if name in found else seen
    return found


def golden_outputs(backend: Backend, feeds: Sequence[Feed]) -> dict[str, Array]:
    """Every output of `backend` for the golden inputs, run one by one as the device does: (feed, ...output's axes).

    Raises ModelFileError for an output whose shape follows from what the input holds, as that of NonZero does.
    """
    runs = [backend.run(feed) for feed in feeds]
    for name, first in runs[0].items():
        shapes = {run[name].shape for run in runs}
        if len(shapes) > 1:
            raise ModelFileError(
                f"output {name!r}: has shape {first.shape} for one input and {runs[-1][name].shape} for another of the "
                "same size, expected fixed sizes; export the graph up to the node before (NonZero, NonMaxSuppression)"
            )
    return {name: np.stack([run[name] for run in runs]) for name in runs[0]}


def tolerance(outputs: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Largest difference a device may show on any element of `outputs`, as a share of the largest value of its output.

    reference: the float graph's outputs; for the float graph itself, the same.
    """
    floats = [name for name in reference if reference[name].dtype.kind == "f"]
    changed = [float(np.abs(outputs[name] - reference[name]).max()) / magnitude(outputs[name]) for name in floats]
    return max(FLOAT_TOLERANCE, INT8_TOLERANCE * max(changed, default=0.0))


def pack_golden(feeds: Sequence[Feed], outputs: Mapping[str, Mapping[str, Array]]) -> bytes:
    """golden.npz. outputs: member path of a graph -> output name -> values. Same arrays, same bytes."""
    inputs = {input_member(name): np.stack([feed[name] for feed in feeds]) for name in feeds[0]}
    named = {output_member(path, name): values for path, graph in outputs.items() for name, values in graph.items()}
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **{**inputs, **named})
    return buffer.getvalue()


def _speckle(preprocess: Preprocess, limits: Range | None, rng: np.random.Generator) -> Float32:
    """(channel, [depth,] height, width) float32 within `limits`: blurred speckle on an uneven background with the mean and
    standard deviation the preprocessing expects, so that activations stay in the calibrated ranges; noise of full
    contrast would mostly test how they saturate."""
    white, kind = (255, np.uint8) if preprocess.tiled is None else (FULL, np.uint16)
    mean, std = (white * float(np.mean(values)) for values in (preprocess.mean, preprocess.std))
    mean, std = (mean, std) if mean else (96.0, 48.0)  # a foreign file that does its own normalisation
    planes = [_texture((preprocess.height, preprocess.width), rng) for _ in range(preprocess.depth or 1)]
    texture = planes[0] if preprocess.depth is None else np.stack(planes)
    grey = mean + std * (texture - texture.mean()) / texture.std()
    image = preprocess(np.clip(np.rint(grey), 0, white).astype(kind))
    return image if limits is None else np.clip(image, limits.low, limits.high).astype(np.float32)


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """(height, width) float64, of no particular mean and contrast."""
    background = cv2.resize(rng.uniform(0.5, 1.0, (5, 5)), shape[::-1], interpolation=cv2.INTER_CUBIC)
    speckle = cv2.GaussianBlur(rng.rayleigh(1.0, shape), (0, 0), SPECKLE_SHARE * min(shape))
    textured: Array = background * speckle
    return textured


def _noise(spec: TensorSpec, limits: Range | None, rng: np.random.Generator) -> Array:
    shape = tuple(max(size, 1) for size in spec.shape)
    kind = np.dtype(spec.dtype)
    if kind.kind == "f":
        noise = rng.standard_normal(shape) if limits is None else rng.uniform(limits.low, limits.high, shape)
        return np.asarray(noise, kind)
    if limits is None:
        return np.zeros(shape, kind)
    return np.asarray(rng.integers(int(limits.low), int(limits.high), shape, endpoint=True), kind)
