"""Neurites with nodes at equal arc length, as drawings and measurements of form want them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeneuro.neuron import SOMA, Neuron

_GAP_UM = 1.0
"""Between sections that lie one behind the other on one axis, so that none runs into the next."""


def resampled(neuron: Neuron, step_um: float) -> Neuron:
    """`neuron` with the nodes of every section at equal arc length, ceil(length / step_um) pieces, both ends kept.

    A section runs from a root, a node of the soma or a branch point to the next branch point, end or change of type; roots
    and the soma stay as they are. Radii are interpolated along it, from its first node's own where it begins at the soma.
    Source: Cuntz et al. 2010, 10.1371/journal.pcbi.1000877 (resample_tree of the TREES toolbox, which counts each section
    from its own begin as well).
    """
    fixed = (neuron.types == SOMA) | (neuron.parents < 0)
    rows, first = _sections(neuron, fixed)
    kept = np.flatnonzero(fixed)
    if not len(rows):
        return neuron
    begins = neuron.parents[rows[first]]
    lengths = np.linalg.norm(neuron.points[rows] - neuron.points[neuron.parents[rows]], axis=1)
    pieces = np.maximum(np.ceil(np.add.reduceat(lengths, first) / step_um), 1).astype(np.int64)
    arc = np.cumsum(np.insert(lengths, first, _GAP_UM))
    starts = arc[first + np.arange(len(first))]
    ends = arc[np.append(first[1:], len(rows)) + np.arange(len(first))]
    section = np.repeat(np.arange(len(first)), pieces)
    before = np.cumsum(pieces) - pieces
    share = (np.arange(len(section)) - before[section] + 1) / pieces[section]
    at = starts[section] * (1 - share) + ends[section] * share
    points = np.insert(neuron.points[rows], first, neuron.points[begins], axis=0)
    own = neuron.radii[rows[first]]
    radii = np.insert(neuron.radii[rows], first, np.where(neuron.types[begins] == SOMA, own, neuron.radii[begins]))
    image = np.zeros(len(neuron), np.int64)
    image[kept] = np.arange(len(kept))
    image[rows[np.append(first[1:], len(rows)) - 1]] = len(kept) + before + pieces - 1
    parents = len(kept) + np.arange(len(section)) - 1
    parents[before] = image[begins]
    return Neuron(
        points=np.concatenate([neuron.points[kept], np.stack([np.interp(at, arc, axis) for axis in points.T], axis=1)]),
        radii=np.r_[neuron.radii[kept], np.interp(at, arc, radii)],
        types=np.r_[neuron.types[kept], neuron.types[rows[first]][section]],
        parents=np.r_[np.where(neuron.parents[kept] < 0, -1, image[neuron.parents[kept]]), parents],
    )


def _sections(neuron: Neuron, fixed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of all nodes but the fixed ones, section after section, each from its begin; and where each section begins in
    them. Sections are in the order of their first nodes, so each comes after the one it begins at."""
    parents, types = neuron.parents, neuron.types
    children = np.bincount(parents[parents >= 0], minlength=len(neuron))
    moving = np.flatnonzero(~fixed)
    above = parents[moving]
    head = fixed[above] | (children[above] != 1) | (types[above] != types[moving])
    first_of = np.arange(len(neuron))
    first_of[moving] = np.where(head, moving, above)
    for _ in range(math.ceil(math.log2(max(len(neuron), 2)))):  # each step doubles how far it looks
        first_of = first_of[first_of]
    rows = moving[np.argsort(first_of[moving], kind="stable")]
    return rows, np.flatnonzero(np.diff(first_of[rows], prepend=-1))
