"""How the simulated neurons grow: tips that walk, turn, fork and end, all of a part at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.neuron import SOMA, Neuron

MOST_NODES = 4000
"""Of one part: a bound, far above what the classes grow."""

SOFTNESS = 0.25
"""Pull of the walls of a territory, against a course of length 1."""

UP = np.array([0.0, 1.0, 0.0])
"""Towards the pia."""

Points = NDArray[np.float64]
"""(node, 3) um: across, towards the pia, into the slice."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Neurites that grow alike. Lengths in um, angles in radians.

    kind: type of its nodes, as SWC numbers them. stems: how many neurites, of each tip where they grow on tips. on: name of the
    part they grow on, the soma where empty; along: anywhere along that part instead of on its tips.
    lean: how strongly stems point up (down where negative) against a random direction of length 1; poles: up or down by chance.
    path_um: mean length from the beginning to a tip, path_spread: its standard deviation as a part of it.
    forks_mm: forks of a tip a millimetre, falling by `fade` with every fork before it. fork_angle: between a daughter and the
    course before. wander: of the course in a step of 10 um, standard deviation. rise: pull up (down where negative) in a step.
    home_um: half widths of the territory that tips turn back into; centre_um: height of its middle above the soma.
    radius_um: where it begins; taper: factor at every fork.
    """

    name: str
    kind: int
    stems: int
    path_um: float
    forks_mm: float
    on: str = ""
    along: bool = False
    lean: float = 0.0
    poles: bool = False
    path_spread: float = 0.25
    fade: float = 0.85
    fork_angle: float = 0.55
    wander: float = 0.2
    rise: float = 0.0
    home_um: tuple[float, float, float] = (np.inf, np.inf, np.inf)
    centre_um: float = 0.0
    radius_um: float = 0.4
    taper: float = 0.85


@dataclass
class _Tips:
    """Where growth goes on. rows: node of each tip in the whole tree, (tip,); the rest as in Part."""

    points: Points
    courses: Points
    rows: NDArray[np.int64]
    left: NDArray[np.float64]
    order: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> _Tips:
        return _Tips(
            self.points[chosen], self.courses[chosen], self.rows[chosen], self.left[chosen], self.order[chosen]
        )


@dataclass
class _Grown:
    """Nodes of one part, rows numbered in the whole tree; `ends` are those of its tips."""

    first: int
    points: Points
    parents: NDArray[np.int64]
    radii: NDArray[np.float64]
    courses: Points
    ends: NDArray[np.int64]


def grow(parts: Sequence[Part], soma_um: float, step_um: float, rng: np.random.Generator) -> Neuron:
    """The neuron of these parts, soma at the origin, one node every `step_um`. soma_um: radius of the soma.

    parts: each after the one that it grows on.
    """
    grown: dict[str, _Grown] = {}
    size = 1
    for part in parts:
        tips = _stems(part, grown.get(part.on), soma_um, rng)
        grown[part.name] = _grow_part(part, tips, size, step_um, rng)
        size += len(grown[part.name].points)
    pieces = list(grown.values())
    kinds = [np.full(len(piece.points), part.kind) for part, piece in zip(parts, pieces, strict=True)]
    return Neuron(
        points=np.concatenate([np.zeros((1, 3)), *(piece.points for piece in pieces)]),
        radii=np.concatenate([[soma_um], *(piece.radii for piece in pieces)]),
        types=np.concatenate([[SOMA], *kinds]).astype(np.int64),
        parents=np.concatenate([[-1], *(piece.parents for piece in pieces)]).astype(np.int64),
    )


def _stems(part: Part, below: _Grown | None, soma_um: float, rng: np.random.Generator) -> _Tips:
    """The beginnings of a part."""
    if below is None:
        rows, points, base = np.zeros(part.stems, np.int64), np.zeros((part.stems, 3)), np.zeros((part.stems, 3))
    else:
        local = _beginnings(part, below, rng)
        rows, points, base = below.first + local, below.points[local], below.courses[local]
        base = np.zeros_like(base) if part.along else 2.0 * base  # what grows on tips goes on
    sign = rng.choice((-1.0, 1.0), (len(rows), 1)) if part.poles else 1.0
    courses = _unit(base + part.lean * sign * UP + _unit(rng.normal(size=(len(rows), 3))))
    if below is None:  # neurites leave from the surface of the soma
        points = soma_um * courses
    left = part.path_um * np.clip(rng.normal(1.0, part.path_spread, len(rows)), 0.3, 2.0)
    return _Tips(points, courses, rows, left, np.zeros(len(rows), np.int64))


def _beginnings(part: Part, below: _Grown, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers, within the part below, of the nodes that stems begin at."""
    if part.along:
        count = min(part.stems, len(below.points))
        return np.sort(rng.choice(len(below.points), count, replace=False))
    return np.repeat(below.ends - below.first, part.stems)


def _grow_part(part: Part, tips: _Tips, first: int, step_um: float, rng: np.random.Generator) -> _Grown:
    """Every tip walks on by one step at a time until its path is used up."""
    points, parents, radii, courses, ends = [], [], [], [], []
    size = first
    while len(tips.rows) and size - first < MOST_NODES:
        tips.courses = _turned(part, tips, step_um, rng)
        tips.points = tips.points + step_um * tips.courses
        tips.left = tips.left - step_um
        points.append(tips.points)
        parents.append(tips.rows)
        radii.append(part.radius_um * part.taper**tips.order)
        courses.append(tips.courses)
        tips.rows = size + np.arange(len(tips.rows))
        size += len(tips.rows)
        alive = tips.left > 0
        ends.append(tips.rows[~alive])
        tips = _forked(part, tips.take(alive), step_um, rng)
    ends.append(tips.rows)  # where the bound was met
    return _Grown(
        first=first,
        points=np.concatenate(points),
        parents=np.concatenate(parents),
        radii=np.concatenate(radii),
        courses=np.concatenate(courses),
        ends=np.concatenate(ends),
    )


def _turned(part: Part, tips: _Tips, step_um: float, rng: np.random.Generator) -> Points:
    """Courses after one more step: a random turn, the pull up, and back from the walls of the territory."""
    turn = rng.normal(0.0, part.wander * np.sqrt(step_um / 10.0), tips.courses.shape)
    offset = tips.points - part.centre_um * UP
    back = np.clip((offset / np.array(part.home_um)) ** 3, -4.0, 4.0)
    return _unit(tips.courses + turn + part.rise * UP - SOFTNESS * back)


def _forked(part: Part, tips: _Tips, step_um: float, rng: np.random.Generator) -> _Tips:
    """Tips, some of which have become two."""
    rate = part.forks_mm / 1000.0 * step_um * part.fade**tips.order
    forks = rng.random(len(tips.rows)) < rate
    if not forks.any():
        return tips
    mother = tips.take(forks)
    aside = _unit(np.cross(mother.courses, rng.normal(size=mother.courses.shape)))
    angles = part.fork_angle * rng.uniform(0.4, 1.6, (2, len(mother.rows), 1))
    both = [np.cos(a) * mother.courses + side * np.sin(a) * aside for a, side in zip(angles, (1.0, -1.0), strict=True)]
    rest = tips.take(~forks)
    return _Tips(
        points=np.concatenate([rest.points, mother.points, mother.points]),
        courses=np.concatenate([rest.courses, *both]),
        rows=np.concatenate([rest.rows, mother.rows, mother.rows]),
        left=np.concatenate([rest.left, *(mother.left * rng.uniform(0.6, 1.0, len(mother.rows)) for _ in both)]),
        order=np.concatenate([rest.order, mother.order + 1, mother.order + 1]),
    )


def _unit(vectors: Points) -> Points:
    """Rows of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Points = vectors / np.maximum(lengths, 1e-9)
    return scaled
