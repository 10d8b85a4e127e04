"""Intrinsic dimension from path lengths in a graph of neighbours.

Source: Granata and Carnevale 2016, 10.1038/srep31377, and the script published with it. On a sphere of dimension m, p(r) of geodesics is
proportional to sin^(m-1), so the form that is fitted is exact there. From m of about 20 on, paths of a few thousand points have 2 to 5
steps and the estimate is off by factors: read it beside others, never alone (edgeneuro.v1.dimension_table).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import squareform
from sklearn.base import BaseEstimator
from sklearn.neighbors import kneighbors_graph
from sklearn.utils.validation import validate_data

from edgeneuro.errors import DataError
from edgeneuro.spec import Array

Floats = NDArray[np.float64]
FEWEST_BINS = 4
"""That a curve is fitted to."""
FEW_STEPS = 4.0
"""Mean edges in r_max: with fewer, steps of the graph shape the histogram."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PathLengths:
    """lengths: (pair,) of shortest paths between the `kept` of all `points`, those connected to more than half; empty where there is no
    such half. mean_edge, longest_edge: of the graph."""

    lengths: Floats
    mean_edge: float
    longest_edge: float
    kept: int
    points: int


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Histogram of path lengths: (bin,) r / r_max, and log p(r) / p(r_max); empty bins left out."""

    r: tuple[float, ...]
    log_p: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class GraphDimension:
    """fitted: D_fit, dimension of least squares. lowest: D_min, whole number with the lowest root mean square error, `rmse`, of log p.
    All three are None where nothing could be fitted. r_max, sigma: place and width of the maximum of p(r); r_min: from where it was
    fitted to r_max, over `fitted_bins`. notes: why the estimate may not hold; empty where nothing speaks against it."""

    fitted: float | None
    lowest: int | None
    rmse: float | None
    r_max: float
    sigma: float
    r_min: float
    mean_edge: float
    longest_edge: float
    fitted_bins: int
    kept: int
    points: int
    curve: Curve
    notes: tuple[str, ...]


class GraphDistanceDimension(BaseEstimator):  # type: ignore[misc]
    """n_neighbors: of each point in the graph, which is then made symmetric. metric: of scikit-learn's neighbour search. bins: of the
    histogram of path lengths.

    Fitted: dimension_ (float, NaN where nothing could be fitted), dimension_lowest_ (int or None), result_ (GraphDimension). What speaks
    against the estimate is warned of. Memory: 12 bytes a pair of points, both ways round.
    """

    def __init__(self, n_neighbors: int = 9, metric: str = "euclidean", bins: int = 50) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.bins = bins

    def fit(self, X: Array, y: None = None) -> GraphDistanceDimension:
        """X: (point, feature). Raises DataError, as `path_lengths` does; ValueError, as scikit-learn does, for arrays that do not fit."""
        X = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=2)
        self.result_ = fit_dimension(path_lengths(X, self.n_neighbors, self.metric), self.bins)
        self.dimension_ = float("nan") if self.result_.fitted is None else self.result_.fitted
        self.dimension_lowest_ = self.result_.lowest
        for note in self.result_.notes:
            warnings.warn(f"GraphDistanceDimension: {note}", UserWarning, stacklevel=2)
        return self


def path_lengths(points: Array, n_neighbors: int, metric: str = "euclidean") -> PathLengths:
    """points: (point, feature). Memory: 12 bytes a pair of points, both ways round. Raises DataError: not more points than neighbours."""
    if not 1 <= n_neighbors < len(points):
        raise DataError(
            f"graph distances: got {n_neighbors} neighbours for {len(points)} points, expected 1 to {len(points) - 1}; take fewer"
        )
    directed = kneighbors_graph(points, n_neighbors, mode="distance", metric=metric)
    graph = directed.maximum(directed.T)
    paths = shortest_path(graph, directed=False)
    kept = np.isfinite(paths).sum(1) > len(points) / 2
    return PathLengths(
        lengths=squareform(paths if kept.all() else paths[np.ix_(kept, kept)], checks=False),
        mean_edge=float(graph.data.mean()),
        longest_edge=float(graph.max()),
        kept=int(kept.sum()),
        points=len(points),
    )


def fit_dimension(paths: PathLengths, bins: int) -> GraphDimension:
    """log p(r) / p(r_max) = (m - 1) log sin(pi r / (2 r_max)), by least squares over r_min < r <= r_max.

    r_min is r_max - 2 sigma, or the longest edge where that is more and leaves bins to fit; one outlier with a long edge, as Gaussians
    have, would else forbid any fit. Raises DataError for fewer bins than a curve needs.
    """
    if bins < FEWEST_BINS:
        raise DataError(f"graph distances: got {bins} bins, expected at least {FEWEST_BINS}")
    if not len(paths.lengths) or np.ptp(paths.lengths) == 0:
        return _nothing(
            paths,
            f"no half of the {paths.points} points hangs together at more than one distance; take more neighbours",
        )
    counts, edges = np.histogram(paths.lengths, bins)
    r, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    filled = counts > 0
    peak = _peak(r[filled], np.log(counts[filled]), width, paths.lengths)
    if peak is None:
        return _nothing(
            paths, f"fewer than {FEWEST_BINS} bins around the maximum of p(r); take more bins or other neighbours"
        )
    r_min = max(peak.r_max - 2 * peak.sigma, 0.0)
    inside = filled & (r > r_min) & (r <= peak.r_max + width / 4)
    beyond = inside & (r > paths.longest_edge)
    notes = [*peak.notes, *_doubts(paths, peak)]
    if np.count_nonzero(beyond) >= FEWEST_BINS:
        r_min, inside = max(r_min, paths.longest_edge), beyond
    else:
        notes.append("the longest edge leaves too little below r_max; paths shorter than it were fitted too")
    x = np.log(np.sin(np.pi * r[inside] / (2 * peak.r_max)))
    y = np.log(counts[inside]) - peak.log_p
    if len(x) < FEWEST_BINS:
        notes.append(f"only {len(x)} bins between r_min and r_max; take more bins")
    found = GraphDimension(
        fitted=None,
        lowest=None,
        rmse=None,
        r_max=peak.r_max,
        sigma=peak.sigma,
        r_min=r_min,
        mean_edge=paths.mean_edge,
        longest_edge=paths.longest_edge,
        fitted_bins=len(x),
        kept=paths.kept,
        points=paths.points,
        curve=Curve(
            r=tuple((r[filled] / peak.r_max).tolist()), log_p=tuple((np.log(counts[filled]) - peak.log_p).tolist())
        ),
        notes=tuple(notes),
    )
    if len(x) < FEWEST_BINS:
        return found
    fitted = float(1 + x @ y / (x @ x))
    lowest = max(1, round(fitted))  # the squared error is a parabola in m, so the nearest whole number has the lowest
    rmse = float(np.sqrt(np.mean(((lowest - 1) * x - y) ** 2)))
    if fitted < 1:
        found = replace(
            found, notes=(*notes, "the fitted dimension is below 1: p(r) does not rise to its maximum as on a sphere")
        )
    return replace(found, fitted=fitted, lowest=lowest, rmse=rmse)


@dataclass(frozen=True, kw_only=True)
class _Peak:
    """Of log p(r): its place, its width if it were a Gaussian's, and its height."""

    r_max: float
    sigma: float
    log_p: float
    notes: tuple[str, ...]


def _peak(r: Floats, log_p: Floats, width: float, lengths: Floats) -> _Peak | None:
    """By a parabola around the highest bin, then one around that parabola's maximum. None where bins are too few."""
    mean, spread = float(lengths.mean()), float(lengths.std())
    start = float(r[log_p.argmax()])
    first = _parabola(r, log_p, start, spread, 0.0)
    if first is None:
        return None
    notes = []
    if not np.isfinite(first.sigma) or abs(first.r_max - start) >= spread / 2 + width:
        notes.append("p(r) has no clear maximum; its mean was taken")
        first = replace(first, r_max=mean, sigma=spread, log_p=float(np.interp(mean, r, log_p)))
    second = _parabola(r, log_p, first.r_max, first.sigma, width)
    if second is None:
        return None
    if not np.isfinite(second.sigma) or abs(second.r_max - first.r_max) > first.sigma / 4 + width:
        notes.append("two parabolas disagree on the maximum of p(r); the first was taken")
        second = first
    return replace(second, notes=tuple(notes))


def _parabola(r: Floats, log_p: Floats, r_max: float, sigma: float, slack: float) -> _Peak | None:
    """Maximum of the parabola through log p on [r_max - sigma, r_max + sigma / 2]; sigma is infinite where it opens upwards."""
    near = (r > r_max - sigma) & (r < r_max + sigma / 2 + slack)
    if np.count_nonzero(near) < FEWEST_BINS:
        return None
    a, b, c = (float(one) for one in np.polyfit(r[near], log_p[near], 2))
    if a >= 0:
        return _Peak(r_max=r_max, sigma=float("inf"), log_p=0.0, notes=())
    return _Peak(r_max=-b / (2 * a), sigma=float(np.sqrt(-1 / (2 * a))), log_p=c - b**2 / (4 * a), notes=())


def _doubts(paths: PathLengths, peak: _Peak) -> list[str]:
    doubts = []
    steps = peak.r_max / paths.mean_edge
    if steps < FEW_STEPS:
        doubts.append(f"r_max is {steps:.1f} mean edges, expected at least {FEW_STEPS:g}: paths have few steps")
    if paths.kept < paths.points:
        doubts.append(f"{paths.points - paths.kept} of {paths.points} points are not connected and were left out")
    return doubts


def _nothing(paths: PathLengths, note: str) -> GraphDimension:
    none: dict[str, Any] = dict.fromkeys(("fitted", "lowest", "rmse"))
    return GraphDimension(
        **none,
        r_max=0.0,
        sigma=0.0,
        r_min=0.0,
        mean_edge=paths.mean_edge,
        longest_edge=paths.longest_edge,
        fitted_bins=0,
        kept=paths.kept,
        points=paths.points,
        curve=Curve(r=(), log_p=()),
        notes=(note,),
    )
