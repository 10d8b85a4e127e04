"""Simulated sessions of the visual cortex, with the truth that analyses are to find again; nothing is downloaded.

What is modelled and what is our choice: docs/phantom.md. They are test objects: what is found in them says nothing about any animal.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings.recording import GREY, Recording
from edgeneuro.data.recordings.scenes import draw_images
from edgeneuro.errors import DataError
from edgeneuro.spec import Float32

PLANES, PLANE_GAP_UM, FIELD_UM = 11, 35.0, 1000.0
GREY_SHARE = 1 / 20
"""Of all trials."""
SHARED = 8
"""Directions in the space of neurons along which activity changes without any stimulus."""
CHUNK = 500
"""Neurons whose receptive fields are in memory at once."""
LICENCE = "Apache-2.0"


@dataclass(frozen=True, kw_only=True)
class Fields:
    """What each neuron looks for: a Gabor patch. All (neuron,): centre_x, centre_y, in pixels of the images; angle, of its stripes, rad;
    wavelength and width (standard deviation), pixels; phase, rad."""

    centre_x: NDArray[np.float64]
    centre_y: NDArray[np.float64]
    angle: NDArray[np.float64]
    wavelength: NDArray[np.float64]
    width: NDArray[np.float64]
    phase: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.angle)

    def patches(self, which: slice, shape: tuple[int, int]) -> Float32:
        """(neuron, height * width), each of length 1 and without a mean."""
        y, x = np.mgrid[: shape[0], : shape[1]].reshape(2, 1, -1)
        dx, dy = x - self.centre_x[which, None], y - self.centre_y[which, None]
        angle = self.angle[which, None]
        along = dx * np.cos(angle) + dy * np.sin(angle)
        envelope = np.exp(-(dx**2 + dy**2) / (2 * self.width[which, None] ** 2))
        stripes = envelope * np.cos(2 * np.pi * along / self.wavelength[which, None] + self.phase[which, None])
        patches = stripes - envelope * (stripes.sum(1) / envelope.sum(1))[:, None]
        unit: Float32 = (patches / np.linalg.norm(patches, axis=1, keepdims=True)).astype(np.float32)
        return unit


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """How much of what a neuron does comes from where, as standard deviations of its response over trials, all neurons alike on
    average. signal: of the stimulus. gain: relative, shared by all neurons in a trial. shared: along SHARED directions. noise: its own."""

    signal: float = 1.0
    gain: float = 0.2
    shared: float = 0.7
    noise: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SimulatedRecording:
    """recording: as recorded. fields: of its neurons. directions: (SHARED, neuron), orthonormal, what moves them together without
    a stimulus. gains: (trial,)."""

    recording: Recording
    fields: Fields
    directions: Float32
    gains: NDArray[np.float64]


def simulate_session(
    seed: int,
    *,
    neurons: int = 300,
    images: int = 200,
    classes: int = 8,
    shape: tuple[int, int] = (17, 68),
    spontaneous: int = 600,
    strengths: Strengths = Strengths(),
    visual_map: float = 0.0,
) -> SimulatedRecording:
    """A session of `images` natural-looking images of `classes` kinds, each shown twice, with grey screens between, the same for the
    same arguments.

    shape: of the images, pixels. spontaneous: time points without stimuli. visual_map: 0..1, how much of the place of a neuron's
    field follows from the place of its cell; 0 for no map at all. Raises DataError for numbers that are too small.
    """
    if (
        min(neurons - SHARED, images - 3, classes - 1, spontaneous - SHARED, min(shape) - 7) < 1
        or not 0 <= visual_map <= 1
    ):
        raise DataError(
            f"simulated session: got {neurons} neurons, {images} images of {shape[0]} x {shape[1]} px, {classes} classes, {spontaneous} "
            f"times and a map of {visual_map}, expected more than {SHARED} neurons and times, 4 images of 8 px a side, 2 classes, a "
            "map of 0 to 1"
        )
    rng = np.random.default_rng([seed, neurons, images])
    shown, of_image = draw_images(images, classes, shape, rng)
    positions = _positions(neurons, rng)
    fields = _fields(positions, shape, visual_map, rng)
    directions = np.linalg.qr(rng.standard_normal((neurons, SHARED)))[0].T.astype(np.float32)
    stimuli = _order(images, rng)
    gains = np.exp(strengths.gain * rng.standard_normal(len(stimuli)))
    drive = _drive(shown, fields)
    signal = np.where((stimuli == GREY)[:, None], 0.0, drive[np.maximum(stimuli, 0)])
    evoked = strengths.signal * gains[:, None] * signal
    responses = evoked + _ongoing(len(stimuli), directions, strengths, rng)
    return SimulatedRecording(
        recording=Recording(
            name=f"simulated-{seed}",
            responses=responses.astype(np.float32),
            stimuli=stimuli,
            groups=stimuli,
            classes=tuple(f"kind {number}" for number in range(classes)),
            labels=np.where(stimuli == GREY, -1, of_image[np.maximum(stimuli, 0)]),
            spontaneous=_ongoing(spontaneous, directions, strengths, rng).astype(np.float32),
            positions_um=positions,
            images=shown,
            simulated=True,
            licence=LICENCE,
        ),
        fields=fields,
        directions=directions,
        gains=gains,
    )


def _order(images: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(trial,) every image once in random order, then once more, with grey screens anywhere between."""
    trials = np.concatenate([rng.permutation(images), rng.permutation(images)])
    grey = max(2, round(len(trials) * GREY_SHARE / (1 - GREY_SHARE)))
    return np.insert(trials, np.sort(rng.integers(0, len(trials) + 1, grey)), GREY)


def _positions(neurons: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(neuron, 3) um: anywhere in the field of view, on one of the planes."""
    flat = rng.uniform(0, FIELD_UM, (neurons, 2))
    return np.column_stack([flat, PLANE_GAP_UM * rng.integers(0, PLANES, neurons)])


def _fields(
    positions: NDArray[np.float64], shape: tuple[int, int], visual_map: float, rng: np.random.Generator
) -> Fields:
    count, height, width = len(positions), *shape
    by_chance = rng.uniform(0.15, 0.85, (count, 2))
    by_place = 0.15 + 0.7 * positions[:, :2] / FIELD_UM
    place = visual_map * by_place + (1 - visual_map) * by_chance
    size = rng.uniform(0.1, 0.2, count) * height
    return Fields(
        centre_x=place[:, 0] * (width - 1),
        centre_y=place[:, 1] * (height - 1),
        angle=rng.uniform(0, np.pi, count),
        wavelength=size * rng.uniform(2.0, 4.0, count),
        width=size,
        phase=rng.uniform(0, 2 * np.pi, count),
    )


def _drive(images: NDArray[np.uint8], fields: Fields) -> Float32:
    """(image, neuron): what passes a neuron's Gabor patch and is above 0, with a standard deviation of 1 over images."""
    flat = images.reshape(len(images), -1).astype(np.float32) - np.float32(128)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    passed = np.concatenate(
        [
            flat @ fields.patches(slice(start, start + CHUNK), images.shape[1:]).T
            for start in range(0, len(fields), CHUNK)
        ],
        1,
    )
    rectified = np.maximum(passed, 0.0)
    scaled: Float32 = rectified / np.maximum(rectified.std(0), 1e-6)
    return scaled


def _ongoing(times: int, directions: Float32, strengths: Strengths, rng: np.random.Generator) -> NDArray[np.float64]:
    """(time, neuron) what happens without a stimulus: a few slow signals that many neurons share, and noise of each."""
    slow = rng.standard_normal((times, len(directions)))
    for before, now in pairwise(slow):
        now *= np.sqrt(1 - 0.9**2)
        now += 0.9 * before
    falling = 1 / np.sqrt(1 + np.arange(len(directions)))
    weights = falling / np.linalg.norm(falling) * np.sqrt(directions.shape[1])
    noise = strengths.noise * rng.standard_normal((times, directions.shape[1]))
    ongoing: NDArray[np.float64] = strengths.shared * (slow * weights) @ directions + noise
    return ongoing
