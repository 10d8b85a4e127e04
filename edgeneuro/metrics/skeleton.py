"""Centre lines of masks."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]


def skeleton(mask: Mask) -> Mask:
    """Centre line of (y, x) or (z, y, x), about one voxel wide, inside the mask.

    Source: Lee et al. 1994, 10.1006/cgip.1994.1042, in the plane Zhang and Suen 1984, 10.1145/357994.358023, as scikit-image has them.
    The former eats a tube of an even number of voxels from its end until nothing is left (scikit-image issue 3757), so a volume is
    thinned at twice its resolution, where every width is odd, and loses the short branches that lead to every bump of a surface.
    """
    from skimage.morphology import skeletonize

    if mask.ndim == 2:
        thinned: Mask = skeletonize(mask).astype(np.bool_)  # type: ignore[no-untyped-call]
        return thinned
    fine = mask
    for axis in range(mask.ndim):
        doubled = np.repeat(fine, 2, axis)
        fine = _padded(doubled, axis, 0, 1) | _padded(doubled, axis, 1, 0)
    return _medial(_coarse(np.argwhere(skeletonize(fine)), mask), mask)  # type: ignore[no-untyped-call]


def _padded(mask: Mask, axis: int, before: int, after: int) -> Mask:
    return np.pad(mask, [(before, after) if axis == other else (0, 0) for other in range(mask.ndim)])


def _coarse(points: NDArray[np.intp], mask: Mask) -> Mask:
    """Points (point, axis) of the fine grid as voxels of `mask`: each was made of one to eight of them."""
    line = np.zeros_like(mask)
    for step in itertools.product((1, 0), repeat=mask.ndim):
        place = (points - step) // 2
        inside = np.all((place >= 0) & (place < mask.shape), axis=1)
        inside[inside] = mask[tuple(place[inside].T)]
        line[tuple(place[inside].T)] = True
        points = points[~inside]
    return line


def _medial(line: Mask, mask: Mask) -> Mask:
    """Those voxels of `line` whose largest ball inside `mask` is in no other's, to half a voxel."""
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import KDTree

    points = np.argwhere(line)
    depth = distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim][line]
    kept = np.ones(len(points), bool)
    if len(points):
        tree = KDTree(points)
        for largest in np.argsort(-depth, kind="stable"):
            if kept[largest]:
                near = np.array(tree.query_ball_point(points[largest], depth[largest]))
                apart = np.linalg.norm(points[near] - points[largest], axis=1)
                kept[near[(apart > 0) & (apart + depth[near] <= depth[largest] + 0.5)]] = False
    medial = np.zeros_like(line)
    medial[tuple(points[kept].T)] = True
    return medial
