"""A volume: grey values on a regular grid in space, as a microscope records it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeneuro.errors import ShapeError
from edgeneuro.spec import Array, Float32
from edgeneuro.tiled import between, percentile_levels

Spacing = tuple[float, float, float]
"""Distance between the centres of neighbouring voxels along z, y and x, um."""

BACKGROUND, FOREGROUND, IGNORE = 0, 1, 255
"""Labels of voxels; IGNORE counts neither way, in losses and in metrics."""
UNKNOWN_SPACING: Spacing = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One channel of a stack; a 2D image is a volume of one plane.

    voxels: (z, y, x), integers or floats as stored. spacing_um: along z, y, x. spacing_known: False where the file did not
    say, and UNKNOWN_SPACING stands in. Raises ShapeError for what is no such array, or holds NaN or infinity.
    """

    voxels: Array
    spacing_um: Spacing
    spacing_known: bool = True

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or 0 in self.voxels.shape or self.voxels.dtype.kind not in "uif":
            raise ShapeError(
                f"volume: has shape {self.voxels.shape} of {self.voxels.dtype}, expected (z, y, x) of integers or floats, none "
                "of them 0; choose one channel and add missing axes"
            )
        if len(self.spacing_um) != 3 or not all(np.isfinite(step) and step > 0 for step in self.spacing_um):
            raise ShapeError(
                f"volume: has a spacing of {self.spacing_um}, expected three distances above 0 along z, y and x in um"
            )
        if self.voxels.dtype.kind == "f" and not np.isfinite(self.voxels).all():
            missing = int(np.count_nonzero(~np.isfinite(self.voxels)))
            raise ShapeError(
                f"volume: {missing:,} of {self.voxels.size:,} voxels are NaN or infinite; fill them before reading it"
            )

    def normalised(self, low: float = 0.1, high: float = 99.9) -> Float32:
        """(z, y, x) in 0..1: from the `low` to the `high` percentile, clipped; 0 everywhere where the two are equal.

        Each volume by its own percentiles: gain and offset differ between microscopes. Raises ShapeError for percentiles
        that do not rise within 0..100.
        """
        if not 0 <= low < high <= 100:
            raise ShapeError(f"volume: got the percentiles {low} and {high}, expected 0 <= low < high <= 100")
        return between(self.voxels, percentile_levels(self.voxels, low, high))
