"""Pictures of neurons: what a network that looks at images sees of a reconstruction.

Light on black; y, in most files the way to the pia, upwards. Variants and views: Zhang et al. 2021,
10.1038/s41598-021-86780-4, figure 6, and He et al. 2023, 10.1051/jnwpu/20234161198.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import InputError
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA, UNDEFINED, Neuron
from edgeneuro.resampling import resampled
from edgeneuro.spec import Frame

Variant = Literal["raw", "resample", "xyalign"]
View = Literal["xyz", "rgb", "type"]

STEP_UM = 10.0
"""Between nodes, of variants that are resampled."""
DIAMETERS_UM = (2.0, 5.0)
"""Of their neurites: thinner and thicker ones are brought to the nearer of the two."""
MARGIN = 0.03
"""Share of the side that stays free on each side of a tree fitted to the picture."""
THINNEST_PX = 0.5
"""Of a neurite in the picture: thinner ones, most axons, would be lost."""
SIDES_PX = (32, 1024)
PLANES = ((0, 1), (0, 2), (2, 1))
"""Axes of the view "xyz", to the right and up: projections along z, y and x."""
COLOURS: Mapping[int, tuple[int, int, int]] = {
    UNDEFINED: (255, 255, 255),
    AXON: (160, 160, 160),
    BASAL: (0, 255, 0),
    APICAL: (255, 0, 255),
    SOMA: (255, 0, 0),
}
"""RGB of the view "rgb", those of NeuroMorpho.Org; what comes later lies on top."""
CHANNELS = (AXON, BASAL, APICAL)
"""Of the view "type", in order."""

_FINER = 4
"""Pictures are drawn with so many times their side, then averaged: what is thinner than a pixel becomes a shade."""
_BITS = 4
"""Of a fraction of a fine pixel, in the whole numbers that OpenCV takes as coordinates."""
_FARTHEST, _THICKEST = 2**26, 2**14
"""Fine pixels: as far as OpenCV takes coordinates and widths, and far beyond any picture."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How a neuron becomes a picture; as data in a checkpoint and in a manifest, calling it draws.

    variant: "raw" draws the nodes as they are, fitted to the picture; "resample" first puts nodes at equal arc length and
    brings diameters into DIAMETERS_UM, fitted too; "xyalign" draws the same in a window of fixed size about the soma, so
    that large cells look large. view: "xyz", as channels the projections along z (x right, y up), along y (x right, z up)
    and along x (z right, y up); "rgb", the first of them in colours by type; "type", the first again, with axon, basal and
    apical dendrite as channels, soma and undefined neurites in all three. side_px: of the picture. window_um: from the
    soma to each side of an "xyalign" picture; what lies beyond is not in it.
    """

    variant: Variant = "xyalign"
    view: View = "type"
    side_px: int = 224
    window_um: float = 500.0

    def __post_init__(self) -> None:
        if not SIDES_PX[0] <= self.side_px <= SIDES_PX[1]:
            raise InputError(f"drawing: got a side of {self.side_px} px, expected {SIDES_PX[0]} to {SIDES_PX[1]}")
        if not 10.0 <= self.window_um <= 1e6:  # also false for NaN
            raise InputError(f"drawing: got a window of {self.window_um:g} um, expected 10 to 1,000,000")

    def __call__(self, neuron: Neuron, pose: NDArray[np.float64] | None = None) -> Frame:
        """(side, side, 3) uint8. pose: (3, 3) applied to coordinates about the soma before anything is drawn, None as it is."""
        about = replace(neuron, points=neuron.points - neuron.soma)
        if self.variant != "raw":
            about = _plain(about)
        if pose is not None:
            about = replace(about, points=about.points @ np.asarray(pose, np.float64).T)
        planes = PLANES if self.view == "xyz" else PLANES[:1]
        scale, middle = self._scale(about, axes=sorted({axis for plane in planes for axis in plane}))
        lines = [_Lines.of(about, (about.points - middle)[:, plane] * scale, scale, self.side_px) for plane in planes]
        if self.view == "rgb":
            painted = [(lines[0], about.types == kind, colour) for kind, colour in COLOURS.items()]
            return _averaged(painted, self.side_px, channels=3)
        if self.view == "xyz":
            shown = [(one, np.ones(len(about), np.bool_)) for one in lines]
        else:
            others = ~np.isin(about.types, CHANNELS)
            shown = [(lines[0], others | (about.types == kind)) for kind in CHANNELS]
        return np.concatenate([_averaged([(*one, (255,))], self.side_px, channels=1) for one in shown], axis=2)

    def _scale(self, about: Neuron, axes: list[int]) -> tuple[float, NDArray[np.float64]]:
        """Fine pixels a um, and the point (3,) in the middle of the picture. axes: that are seen."""
        fine = _FINER * self.side_px
        if self.variant == "xyalign":
            return fine / (2 * self.window_um), np.zeros(3)
        low = (about.points - about.radii[:, None]).min(0)
        high = (about.points + about.radii[:, None]).max(0)
        return (1 - 2 * MARGIN) * fine / max(float((high - low)[axes].max()), 1.0), (low + high) / 2


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """One projection: a capsule from every node to its parent, a disc for every node of the soma, in 1 / 2^_BITS fine px.

    at: (node, 2) right and down. widths: (node,) fine px. neuron: whose nodes they are.
    """

    at: NDArray[np.int32]
    widths: NDArray[np.int64]
    neuron: Neuron

    @classmethod
    def of(cls, neuron: Neuron, right_up: NDArray[np.float64], scale: float, side_px: int) -> _Lines:
        """right_up: (node, 2) fine px from the middle of the picture."""
        middle = (_FINER * side_px - 1) / 2  # pixels have their centres at whole numbers
        at = np.clip(right_up * (1, -1) + middle, -_FARTHEST, _FARTHEST)
        widths = np.clip(2 * neuron.radii * scale, _FINER * THINNEST_PX, _THICKEST)
        return cls(at=np.rint(at * 2**_BITS).astype(np.int32), widths=np.rint(widths).astype(np.int64), neuron=neuron)

    def draw(self, canvas: NDArray[np.uint8], own: NDArray[np.bool_], colour: tuple[int, ...]) -> None:
        """own: (node,) which of them to draw."""
        ends = np.flatnonzero(own & (self.neuron.parents >= 0))
        one, other, widths = self.at[self.neuron.parents[ends]], self.at[ends], self.widths[ends]
        reach = (widths[:, None] + 1) << _BITS
        inside = (np.maximum(one, other) >= -reach) & (np.minimum(one, other) <= (canvas.shape[0] << _BITS) + reach)
        seen = inside[:, 0] & inside[:, 1]
        capsules, widths = np.stack([one[seen], other[seen]], axis=1), widths[seen]
        for width in np.unique(widths).tolist():
            cv2.polylines(canvas, capsules[widths == width], False, colour, width, cv2.LINE_8, _BITS)
        for row in np.flatnonzero(own & (self.neuron.types == SOMA)).tolist():
            radius = int(self.widths[row]) * 2**_BITS // 2
            cv2.circle(canvas, self.at[row].tolist(), radius, colour, cv2.FILLED, cv2.LINE_8, _BITS)


def _averaged(
    layers: Sequence[tuple[_Lines, NDArray[np.bool_], tuple[int, ...]]], side_px: int, *, channels: int
) -> Frame:
    """(side, side, channel) with each of `layers` drawn over those before it."""
    canvas = np.zeros((_FINER * side_px, _FINER * side_px, channels), np.uint8)
    for lines, own, colour in layers:
        lines.draw(canvas, own, colour)
    small: Frame = cv2.resize(canvas, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return small.reshape(side_px, side_px, channels)


def _plain(neuron: Neuron) -> Neuron:
    """`neuron` as the authors of the variants treat it: resampled, and without the finer differences of diameter."""
    even = resampled(neuron, STEP_UM)
    thinnest, thickest = (diameter / 2 for diameter in DIAMETERS_UM)
    return replace(even, radii=np.where(even.types == SOMA, even.radii, np.clip(even.radii, thinnest, thickest)))
