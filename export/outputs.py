"""All outputs of a graph over some frames, and how far two such sets are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Array, Feed

Outputs = Mapping[str, Array]
"""Output name -> (frame, ...) values."""


def stacked_outputs(backend: Backend, feeds: Sequence[Feed]) -> dict[str, Array]:
    """Every output for every frame, run one at a time as on the device."""
    runs = [backend.run(feed) for feed in feeds]
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def relative_error(got: Outputs, expected: Outputs) -> float:
    """Root mean square of got - expected over all outputs' elements, each output relative to the standard deviation of
    its expected values. 0 where both are equal; outputs that are not float count by the share that differs."""
    shares = [_squared(got[name], values) for name, values in expected.items()]
    return float(np.sqrt(np.mean(shares)))


def _squared(got: Array, expected: Array) -> float:
    if expected.dtype.kind != "f":
        return float(np.mean(got != expected))
    difference = float(np.mean((got.astype(np.float64) - expected) ** 2))
    return difference / max(float(expected.astype(np.float64).var()), float(np.finfo(np.float32).tiny))
