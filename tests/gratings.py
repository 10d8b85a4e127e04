"""A small session of gratings, in a file and in memory, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DIRECTIONS = (0, 90, 180, 270)
BLOCKS = 10
NEURONS = 6


def write_session(path: Path, *, seed: int = 0, neurons: int = NEURONS) -> Path:
    """BLOCKS of the DIRECTIONS; neuron n answers direction n % 4 well above its noise. A column is a neuron in one of three windows."""
    rng = np.random.default_rng(seed)
    directions = np.tile(DIRECTIONS, BLOCKS)
    time_s = np.array([-0.5, 0.5, 1.5], np.float32)
    responses = 0.3 * rng.standard_normal((len(directions), neurons, len(time_s)))
    responses[:, :, 1:] += (np.arange(neurons) % 4 == directions[:, None] // 90)[:, :, None]
    np.savez(
        path,
        responses=responses.astype(np.float32),
        direction_deg=directions,
        block=np.repeat(np.arange(BLOCKS), len(DIRECTIONS)),
        time_s=time_s,
    )
    return path
