"""Nodes at equal arc length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from edgeneuro.neuron import Neuron
from edgeneuro.resampling import resampled
from tests.neurons import Row, tree


def lengths(neuron: Neuron) -> dict[int, float]:
    """Length of the segments that end in nodes of each type, um."""
    below = np.flatnonzero(neuron.parents >= 0)
    each = np.linalg.norm(neuron.points[below] - neuron.points[neuron.parents[below]], axis=1)
    return {kind: float(each[neuron.types[below] == kind].sum()) for kind in np.unique(neuron.types[below]).tolist()}


def test_a_bent_neurite_gets_nodes_at_equal_arc_length_and_keeps_its_end() -> None:
    bent = tree([(3, 0, 0, 0, 1, -1), (3, 30, 0, 0, 1, 1), (3, 30, 5, 0, 2, 2)])
    even = resampled(bent, 10.0)
    # 35 um: four pieces of 8.75, the last corner is cut
    wanted = np.array([[0, 0, 0], [8.75, 0, 0], [17.5, 0, 0], [26.25, 0, 0], [30, 5, 0]], np.float64)
    np.testing.assert_allclose(even.points, wanted, atol=1e-9)
    assert even.parents.tolist() == [-1, 0, 1, 2, 3]
    np.testing.assert_allclose(even.radii, [1, 1, 1, 1, 2], atol=1e-9)


def test_branch_points_ends_and_changes_of_type_stay_where_they_are() -> None:
    before = tree()
    even = resampled(before, 10.0)
    kept = {tuple(point) for point in even.points.round(9).tolist()}
    assert {
        (0.0, 100.0, 0.0),
        (30.0, 160.0, 0.0),
        (-30.0, 160.0, 0.0),
        (40.0, -90.0, 0.0),
        (-90.0, -20.0, 10.0),
    } <= kept
    children = Counter(even.parents[even.parents >= 0].tolist())
    assert sorted(children.values())[-2:] == [2, 3]  # the fork, the soma
    assert (even.parents < np.arange(len(even))).all()
    assert lengths(even)[4] == pytest.approx(lengths(before)[4])  # straight sections lose nothing


def test_each_section_keeps_its_type_and_radii_begin_beside_the_soma() -> None:
    even = resampled(tree(), 10.0)
    assert even.types.tolist()[0] == 1 and even.radii[0] == 8
    assert even.radii[1:].max() == pytest.approx(2.0)  # not drawn out from the soma's 8
    assert Counter(even.types.tolist()) == {1: 1, 2: 11, 3: 10, 4: 24}


def test_several_trees_and_nodes_without_length_stay() -> None:
    rows: list[Row] = [(3, 0, 0, 0, 1, -1), (3, 0, 0, 0, 1, 1), (2, 50, 0, 0, 1, -1), (2, 50, 20, 0, 1, 3)]
    even = resampled(tree(rows), 10.0)
    assert even.parents.tolist() == [-1, -1, 0, 1, 3]
    np.testing.assert_allclose(even.points, [[0, 0, 0], [50, 0, 0], [0, 0, 0], [50, 10, 0], [50, 20, 0]], atol=1e-9)


def test_a_neuron_of_roots_alone_stays_as_it_is() -> None:
    alone = tree([(1, 0, 0, 0, 5, -1)])
    assert resampled(alone, 10.0) is alone


def test_a_random_tree_keeps_its_topology() -> None:
    rng = np.random.default_rng(3)
    parents = [-1, *(int(rng.integers(max(0, n - 4), n)) + 1 for n in range(1, 400))]
    rows: list[Row] = [(3, *rng.normal(0, 50, 3).tolist(), 1.0, parent) for parent in parents]
    before, after = tree(rows), resampled(tree(rows), 5.0)

    def shape(neuron: Neuron) -> tuple[int, dict[int, int]]:
        children = np.bincount(neuron.parents[neuron.parents >= 0], minlength=len(neuron))
        return int((children == 0).sum()), dict(Counter(children[children > 1].tolist()))

    assert shape(after) == shape(before)
    steps = np.linalg.norm(after.points[1:] - after.points[after.parents[1:]], axis=1)
    assert steps.max() <= 5.0 + 1e-9
