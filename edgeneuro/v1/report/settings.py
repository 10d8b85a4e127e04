"""How much is computed: everything, or enough to see the page."""

from __future__ import annotations

from edgeneuro.v1.decoding.decoders import DECODERS
from edgeneuro.v1.dimension_table import BINS, MOST_TRIALS, NEIGHBOURS
from edgeneuro.v1.mantel import PERMUTATIONS
from edgeneuro.v1.report.records import Settings


def full(seed: int) -> Settings:
    """Minutes for a session of gratings, hours for one of 10,000 neurons."""
    return Settings(
        seed=seed,
        field_order=PERMUTATIONS,
        labels=99,
        decoders=tuple(DECODERS),
        clusters=(2, 4, 8, 16, 32, 64, 128),
        draws=5,
        neighbours=NEIGHBOURS,
        bins=BINS,
        danco=True,
        dimension_trials=MOST_TRIALS,
        embedded=2000,
    )


def quick(seed: int) -> Settings:
    """Fewer of everything, and only decoders that take seconds: intervals are as wide as they are, p-values and tables coarser."""
    return Settings(
        seed=seed,
        field_order=99,
        labels=19,
        decoders=("lda", "forest-pca"),
        clusters=(2, 8, 32),
        draws=2,
        neighbours=(4, 9),
        bins=(50, 100),
        danco=False,
        dimension_trials=500,
        embedded=500,
    )
