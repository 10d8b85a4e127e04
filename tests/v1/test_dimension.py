from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgeneuro.errors import DataError
from edgeneuro.v1.dimension import GraphDistanceDimension, PathLengths, fit_dimension, path_lengths
from edgeneuro.v1.dimension_table import sphere

Floats = np.ndarray


@pytest.mark.filterwarnings("ignore:GraphDistanceDimension")
@parametrize_with_checks([GraphDistanceDimension(n_neighbors=3)])  # type: ignore[untyped-decorator]
def test_it_is_an_estimator_as_scikit_learn_defines_one(estimator: GraphDistanceDimension, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_paths_go_along_the_points_not_across() -> None:
    """Four corners of a square, in order: the way to the opposite one is two sides, not the diagonal."""
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    paths = path_lengths(corners, 2)
    assert sorted(paths.lengths.tolist()) == [1, 1, 1, 1, 2, 2]
    assert (paths.longest_edge, paths.mean_edge, paths.kept) == (1.0, 1.0, 4)


def test_with_the_cosine_metric_it_does_not_matter_how_strong_a_response_is() -> None:
    rng = np.random.default_rng(4)
    points, strengths = rng.random((20, 3)), rng.uniform(1, 5, (20, 1))
    plain, scaled = path_lengths(points, 4, "cosine"), path_lengths(points * strengths, 4, "cosine")
    np.testing.assert_allclose(scaled.lengths, plain.lengths, atol=1e-9)
    assert not np.allclose(path_lengths(points, 4).lengths, path_lengths(points * strengths, 4).lengths)


def test_points_that_hang_together_with_less_than_half_are_left_out() -> None:
    line = np.r_[np.arange(6.0), 100, 101][:, None]
    paths = path_lengths(line, 1)
    assert (paths.kept, paths.points, len(paths.lengths)) == (6, 8, 15)


@pytest.mark.parametrize("dimension", [2, 5])
@pytest.mark.parametrize("neighbours", [4, 9])
def test_dimensions_of_a_sphere_and_a_gaussian_are_found(dimension: int, neighbours: int) -> None:
    rng = np.random.default_rng(0)
    for points in (sphere(600, dimension, rng), rng.standard_normal((600, dimension))):
        found = fit_dimension(path_lengths(points, neighbours), 50)
        assert found.fitted == pytest.approx(
            dimension, rel=0.25
        )  # 600 points; the sphere's estimate is 10 to 20 % too high
        assert found.fitted is not None and found.lowest == round(found.fitted)


def test_a_histogram_of_the_exact_form_gives_its_dimension() -> None:
    """p(r) of geodesics on a sphere of dimension 7 with a radius of 1, by rejection."""
    rng = np.random.default_rng(1)
    r = rng.uniform(0, np.pi, 400_000)
    lengths = r[rng.random(len(r)) < np.sin(r) ** 6]
    found = fit_dimension(PathLengths(lengths=lengths, mean_edge=0.1, longest_edge=0.1, kept=500, points=500), 50)
    assert found.fitted == pytest.approx(7, rel=0.05)
    assert found.r_max == pytest.approx(np.pi / 2, rel=0.02)
    assert found.notes == ()
    assert found.rmse is not None and found.rmse < 0.1


def test_no_whole_number_has_a_lower_error_than_the_one_reported() -> None:
    found = fit_dimension(path_lengths(sphere(300, 3, np.random.default_rng(2)), 6), 40)
    assert found.fitted is not None and found.lowest is not None
    r, log_p = np.array(found.curve.r), np.array(found.curve.log_p)
    inside = (r > found.r_min / found.r_max) & (r <= 1)
    errors = [
        np.sqrt(np.mean(((m - 1) * np.log(np.sin(np.pi * r[inside] / 2)) - log_p[inside]) ** 2)) for m in range(1, 12)
    ]
    assert found.lowest == 1 + int(np.argmin(errors))


def test_where_paths_have_few_steps_the_estimate_is_doubted() -> None:
    points = np.random.default_rng(3).standard_normal((300, 30))
    with pytest.warns(UserWarning, match="paths have few steps"):
        model = GraphDistanceDimension(n_neighbors=13).fit(points)
    assert any("few steps" in note for note in model.result_.notes)


def test_nothing_is_made_up_where_nothing_can_be_fitted() -> None:
    pairs = np.repeat(np.arange(10.0) * 100, 2)[:, None] + np.tile([0.0, 1.0], 10)[:, None]
    with pytest.warns(UserWarning, match="no half of the 20 points hangs together"):
        model = GraphDistanceDimension(n_neighbors=1).fit(pairs)
    assert np.isnan(model.dimension_) and model.dimension_lowest_ is None


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(DataError, match="9 neighbours for 5 points"):
        path_lengths(np.zeros((5, 2)), 9)
    with pytest.raises(DataError, match="got 3 bins"):
        fit_dimension(path_lengths(np.arange(6.0)[:, None], 2), 3)
