"""How the variance of responses is spread over dimensions: participation ratio, and the cross-validated spectrum with its power law.

Source of the latter: Stringer et al. 2019, 10.1038/s41586-019-1346-5, and the code published with it. Both are reckoned from Gram matrices
of trials, so that the number of neurons costs little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Float32

RANKS = (11, 500)
"""First and last component that the power law is fitted to, as in the source."""
SHUFFLES = 5
"""Random choices of which repeat of each stimulus is the first, averaged, as in the source."""
FEWEST_RANKS = 5


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """Variance of component n falls as n^-exponent over ranks first..last. spectrum: (component,) variance that the first repeat's
    components have in common with the second repeat, all neurons together. reliable: the share of the variance of one repeat that is
    common to both. negative: components in the range without common variance; their absolute value was fitted, as in the source, and many
    of them mean that the exponent says nothing."""

    exponent: float
    first: int
    last: int
    spectrum: tuple[float, ...]
    reliable: float
    negative: int
    stimuli: int


def participation_ratio(points: Array) -> float:
    """(sum l)^2 / sum l^2 of the eigenvalues l of the covariance: 1 for a line, the number of features where all vary alike.
    points: (point, feature). Memory: the Gram matrix of the shorter side and a centred copy. Raises DataError where nothing varies."""
    centred = points - points.mean(0)
    short = centred if len(centred) <= centred.shape[1] else centred.T
    gram = np.asarray(short @ short.T, np.float64)
    squares = float((gram**2).sum())
    if squares == 0:
        raise DataError(f"participation ratio: all {len(points)} points are the same, expected some to differ")
    return float(np.trace(gram)) ** 2 / squares


def cross_validated_power_law(
    repeats: Float32, *, seed: int, ranks: tuple[int, int] = RANKS, shuffles: int = SHUFFLES
) -> PowerLaw:
    """repeats: (2, stimulus, neuron), as `Recording.repeats` gives them. Memory: a copy of repeats, 4 bytes a pair
    of trials, 125 MB for 2,800 stimuli, and 4 float64 matrices (stimulus, stimulus). Time: one eigendecomposition of stimuli a shuffle.

    Raises DataError for fewer stimuli than the range of ranks needs.
    """
    stimuli = repeats.shape[1]
    first, last = ranks[0], min(ranks[1], stimuli - 1)
    if last - first + 1 < FEWEST_RANKS:
        raise DataError(
            f"power law: got {stimuli} stimuli for ranks from {first}, expected at least {first + FEWEST_RANKS}; it needs more stimuli"
        )
    trials = (repeats - repeats.mean((0, 1))).reshape(2 * stimuli, -1)  # large means would cost float32 its digits
    gram = trials @ trials.T
    rng = np.random.default_rng(seed)
    spectra, shares = [], []
    for _ in range(shuffles):
        swap = rng.integers(0, 2, stimuli) * stimuli
        one, other = np.arange(stimuli) + swap, np.arange(stimuli) + stimuli - swap
        own, common = _centred(gram[np.ix_(one, one)]), _centred(gram[np.ix_(other, one)])
        _, vectors = eigh(own)
        # with components X1^T u_k / s_k, the scores are s_k u_k and common u_k / s_k
        spectra.append((vectors * (common @ vectors)).sum(0)[::-1] / stimuli)
        shares.append(float(np.trace(common) / np.trace(own)))
    spectrum = np.mean(spectra, 0)[: stimuli - 1]
    fitted = spectrum[first - 1 : last]
    return PowerLaw(
        exponent=_exponent(fitted, first),
        first=first,
        last=last,
        spectrum=tuple(spectrum.tolist()),
        reliable=float(np.mean(shares)),
        negative=int(np.count_nonzero(fitted <= 0)),
        stimuli=stimuli,
    )


def _centred(gram: Array) -> NDArray[np.float64]:
    """Of responses without each neuron's mean over stimuli."""
    whole: NDArray[np.float64] = np.asarray(gram, np.float64)
    whole = whole - whole.mean(0)
    whole -= whole.mean(1, keepdims=True)
    return whole


def _exponent(variances: NDArray[np.float64], first: int) -> float:
    """Least squares of log variance on log rank, weighted by 1 / rank so that each octave counts alike."""
    ranks = np.arange(first, first + len(variances), dtype=np.float64)
    floor = np.finfo(np.float64).tiny
    slope = np.polyfit(np.log(ranks), np.log(np.maximum(np.abs(variances), floor)), 1, w=1 / np.sqrt(ranks))[0]
    return float(-slope)
