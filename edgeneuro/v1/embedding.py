"""Coordinates in which trials can be drawn: near each other where the population responded alike. For pictures, not for statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import Isomap

from edgeneuro.errors import DataError
from edgeneuro.spec import Array


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """coordinates: (point, component). strengths: (component,) eigenvalues, falling: of Isomap, those of the kernel of geodesic distances;
    of the diffusion map, by how much a step of diffusion shrinks the axis, 1 for groups that nothing connects."""

    method: str
    coordinates: tuple[tuple[float, ...], ...]
    strengths: tuple[float, ...]


def isomap(points: Array, *, n_neighbors: int = 9, components: int = 3, metric: str = "euclidean") -> Embedding:
    """Source: Tenenbaum et al. 2000, 10.1126/science.290.5500.2319. points: (point, feature). Memory: 3 float64 matrices (point, point).
    Raises DataError: fewer points than neighbours or components need."""
    _refuse_few("Isomap", points, n_neighbors, components)
    model = Isomap(n_neighbors=n_neighbors, n_components=components, metric=metric, eigen_solver="dense")
    coordinates = model.fit_transform(points)
    return _embedding("isomap", coordinates, model.kernel_pca_.eigenvalues_)


def diffusion_map(points: Array, *, n_neighbors: int = 9, components: int = 3, metric: str = "euclidean") -> Embedding:
    """One step of diffusion over exp(-d^2 / e), density divided out (their alpha = 1), e the median squared distance of a point to its
    neighbour number `n_neighbors`. Source: Coifman and Lafon 2006, 10.1016/j.acha.2006.04.006.

    points: (point, feature). Memory: 3 float64 matrices (point, point). Raises DataError: fewer points than neighbours or components need,
    or so many equal points that half of them have no neighbour apart.
    """
    _refuse_few("diffusion map", points, n_neighbors, components)
    kernel = squareform(pdist(np.asarray(points, np.float64), metric)) ** 2
    scale = float(np.median(np.partition(kernel, n_neighbors, axis=1)[:, n_neighbors]))
    if scale == 0:
        raise DataError(f"diffusion map: half of {len(points)} points equal {n_neighbors} others; take more neighbours")
    kernel = np.exp(-kernel / scale)
    density = kernel.sum(1)
    kernel /= density[:, None] * density
    root = np.sqrt(kernel.sum(1))
    rest = root / np.linalg.norm(root)  # where diffusion comes to rest: the first vector, and the same for every point
    size = len(points)
    step = kernel / (root[:, None] * root) - rest[:, None] * rest
    values, vectors = eigh(step, subset_by_index=(size - components, size - 1))
    values, vectors = values[::-1], vectors[:, ::-1] / rest[:, None]
    return _embedding("diffusion map", vectors * values, values)


def _refuse_few(method: str, points: Array, n_neighbors: int, components: int) -> None:
    needed = max(n_neighbors, components) + 2
    if len(points) < needed or min(n_neighbors, components) < 1:
        raise DataError(
            f"{method}: got {len(points)} points for {n_neighbors} neighbours and {components} components, expected at least {needed} "
            "points and one of each"
        )


def _embedding(method: str, coordinates: Array, strengths: Array) -> Embedding:
    return Embedding(
        method=method, coordinates=tuple(map(tuple, coordinates.tolist())), strengths=tuple(strengths.tolist())
    )
