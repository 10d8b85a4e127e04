"""Which pseudo-labelled blocks a round learns from, and how much they weigh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeneuro.spec import Array
from edgeneuro.volume import FOREGROUND


@dataclass(frozen=True, kw_only=True)
class AdmissionSettings:
    """confidence: that a block needs in round 1; confidence_step: less in every round after. candidate: probability from which on
    a voxel counts in it. smallest_share, largest_share: of foreground. weight: of a pseudo-labelled block's loss in round 1,
    where a manual one's is 1; weight_step: more in every round after, up to 1."""

    confidence: float = 0.85
    confidence_step: float = 0.05
    candidate: float = 0.1
    smallest_share: float = 1e-4
    largest_share: float = 0.2
    weight: float = 0.6
    weight_step: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of one pseudo-labelled block. confidence, foreground_share: 0 to 1."""

    confidence: float
    foreground_share: float

    def admitted(self, number: int, settings: AdmissionSettings) -> bool:
        """Whether round `number` learns from it."""
        share = settings.smallest_share <= self.foreground_share <= settings.largest_share
        return share and self.confidence >= confidence_needed(number, settings)


def candidate(probabilities: Array, labels: Array, settings: AdmissionSettings) -> Candidate:
    """probabilities, labels: of one block, of one shape; labels as `filters.pseudo_labels` makes them."""
    return Candidate(confidence=confidence(probabilities, settings), foreground_share=foreground_share(labels))


def confidence(probabilities: Array, settings: AdmissionSettings) -> float:
    """Mean of |2p - 1| over the candidate voxels, 0 where there are none: an empty block teaches nothing of neurites."""
    doubted = probabilities[probabilities >= settings.candidate].astype(np.float64)
    return float(np.abs(2 * doubted - 1).mean()) if doubted.size else 0.0


def foreground_share(labels: Array) -> float:
    """Foreground of all voxels, ignored ones among them."""
    return float(np.count_nonzero(labels == FOREGROUND) / labels.size)


def confidence_needed(number: int, settings: AdmissionSettings) -> float:
    """By a block to be learnt from in round `number`, counted from 1."""
    return round(
        settings.confidence - (number - 1) * settings.confidence_step, 9
    )  # steps of 0.05 do not add up in binary


def block_weight(number: int, settings: AdmissionSettings) -> float:
    """Of pseudo-labelled blocks in the loss of round `number`, counted from 1."""
    return min(1.0, round(settings.weight + (number - 1) * settings.weight_step, 9))
