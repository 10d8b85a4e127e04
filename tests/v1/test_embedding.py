from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.embedding import Embedding, diffusion_map, isomap

Floats = np.ndarray
BOTH = pytest.mark.parametrize("method", [isomap, diffusion_map])


def arc() -> tuple[Floats, Floats]:
    """(point, 3) on three quarters of a circle, and (point,) how far along."""
    along = np.linspace(0, 1.5 * np.pi, 80)
    return np.column_stack([np.cos(along), np.sin(along), np.zeros(80)]), along


@BOTH
def test_points_on_an_arc_are_put_in_their_order_along_it(method: Callable[..., Embedding]) -> None:
    points, along = arc()
    first = np.array(method(points, n_neighbors=4, components=2).coordinates)[:, 0]
    ranks = first.argsort().argsort()
    assert abs(np.corrcoef(ranks, along)[0, 1]) > 0.999
    assert abs(np.corrcoef(points[:, 0], along)[0, 1]) < 0.9  # no axis of the space has that order


def test_isomap_unrolls_an_arc_to_its_length() -> None:
    points, along = arc()
    first = np.array(isomap(points, n_neighbors=4, components=1).coordinates)[:, 0]
    assert np.ptp(first) == pytest.approx(np.ptp(along), rel=0.01)


def test_the_first_axis_of_a_diffusion_map_parts_groups_that_hardly_touch() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((40, 3)) + np.repeat([0.0, 8.0], 20)[:, None]
    found = diffusion_map(points, n_neighbors=5, components=2)
    first = np.array(found.coordinates)[:, 0]
    assert found.strengths[0] == pytest.approx(1.0, abs=1e-3)
    assert found.strengths[1] < 0.99
    assert np.sign(first[:20]).tolist() == [np.sign(first[0])] * 20
    assert np.sign(first[20:]).tolist() == [-np.sign(first[0])] * 20


def test_density_of_points_does_not_change_the_diffusion_map_of_an_arc() -> None:
    """Twice as many points on one half of a line: steps along the first axis stay those of the even line."""
    dense = np.r_[np.linspace(0, 1, 80, endpoint=False), np.linspace(1, 2, 40)][:, None]
    even = np.linspace(0, 2, 120)[:, None]
    found, other = (np.array(diffusion_map(x, n_neighbors=8, components=1).coordinates)[:, 0] for x in (dense, even))
    middle = [abs(one[np.abs(x[:, 0] - 1).argmin()]) / np.ptp(one) for one, x in ((found, dense), (other, even))]
    assert middle[0] == pytest.approx(middle[1], abs=0.05)


@BOTH
def test_the_same_points_give_the_same_coordinates_which_json_can_hold(method: Callable[..., Embedding]) -> None:
    points = np.random.default_rng(1).standard_normal((30, 4))
    found = method(points)
    assert found == method(points)
    assert len(found.coordinates) == 30 and len(found.coordinates[0]) == len(found.strengths) == 3
    assert list(found.strengths) == sorted(found.strengths, reverse=True)
    json.dumps(to_json(found))


@BOTH
def test_too_few_points_are_refused(method: Callable[..., Embedding]) -> None:
    with pytest.raises(DataError, match="got 10 points for 9 neighbours"):
        method(np.eye(10))


def test_points_that_are_all_the_same_have_no_diffusion_map() -> None:
    with pytest.raises(DataError, match="half of 12 points equal 3 others"):
        diffusion_map(np.zeros((12, 2)), n_neighbors=3)
