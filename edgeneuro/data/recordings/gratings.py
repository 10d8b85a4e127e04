"""Sessions of drifting gratings: one .npz a field of view, as `v1_gratings_2p` has them.

Source: Park et al. 2025, 10.7554/eLife.107298; how the copy was made is in the README beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.arrays import read_arrays
from edgeneuro.data.recordings.recording import Recording, usable_neurons
from edgeneuro.errors import DataError
from edgeneuro.spec import Array

FIELDS = ("responses", "direction_deg", "block", "time_s")
WINDOWS_S = ((-1.0, 0.0), (0.0, 1.0), (1.0, 2.0))
"""Before, early in and late in the grating, from its onset."""
Windows = tuple[tuple[float, float], ...]


def read_gratings(
    path: Path, *, labels: Literal["direction", "orientation"] = "direction", windows: Windows = WINDOWS_S
) -> Recording:
    """The session in `path`. A trial's response is each neuron's mean over each of `windows`, one window after the other, so that
    there are neurons x windows columns. Groups are blocks of trials: slow drifts run through a session.

    labels: direction of movement, or the orientation it shares with the opposite one. windows: start and end, s from onset, the end
    left out. Raises DataError: a field missing, shapes that do not fit, a window without a time point.
    """
    arrays = read_arrays(path)
    missing = [name for name in FIELDS if name not in arrays]
    if missing:
        raise DataError(
            f"{path.name}: has no {', '.join(missing)}, expected {', '.join(FIELDS)}; is it a session of gratings?"
        )
    responses, time_s = arrays["responses"], arrays["time_s"]
    if responses.ndim != 3 or responses.shape[2] != len(time_s):
        raise DataError(
            f"{path.name}: responses are {responses.shape} for {len(time_s)} times, expected (trial, neuron, time)"
        )
    means = np.concatenate([responses[:, :, _inside(time_s, window, path)].mean(2) for window in windows], 1)
    kept, dropped = usable_neurons(means, None)
    degrees = arrays["direction_deg"].astype(np.int64) % (180 if labels == "orientation" else 360)
    shown = np.unique(degrees)
    numbers = np.searchsorted(shown, degrees).astype(np.int64)
    return Recording(
        name=path.stem,
        responses=means[:, kept].astype(np.float32),
        stimuli=numbers,
        groups=arrays["block"].astype(np.int64),
        classes=tuple(f"{degree} deg" for degree in shown.tolist()),
        labels=numbers,
        traces={name: arrays[name] for name in ("pupil_z", "speed") if name in arrays},
        dropped=dropped,
        licence="MIT",
    )


def _inside(time_s: Array, window: tuple[float, float], path: Path) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (time_s >= window[0]) & (time_s < window[1])
    if not inside.any():
        raise DataError(
            f"{path.name}: has times from {time_s.min():g} to {time_s.max():g} s, none from {window[0]:g} to {window[1]:g}; "
            "choose another window"
        )
    return inside
