"""Pictures of neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeneuro.drawing import COLOURS, Drawing
from edgeneuro.errors import InputError
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA
from edgeneuro.records import from_json, to_json
from edgeneuro.spec import Frame
from tests.neurons import PYRAMID, Row, tree

SMALL = Drawing(side_px=64, window_um=200.0)
"""6.25 um a pixel."""


def at(picture: Frame, x_um: float, y_um: float, um_a_px: float = 6.25) -> list[int]:
    """The pixel at a place about the middle, right and up."""
    middle = picture.shape[0] / 2
    pixel: list[int] = picture[int(middle - y_um / um_a_px), int(middle + x_um / um_a_px)].tolist()
    return pixel


def test_types_are_channels_and_the_soma_is_in_all_of_them() -> None:
    picture = SMALL(tree())
    assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    assert at(picture, 0, 0) == [255, 255, 255]
    axon, basal, apical = at(picture, 20, -70), at(picture, -75, -20), at(picture, 0, 60)
    assert axon[0] > 0 and axon[1:] == [0, 0]
    assert basal[1] > 0 and basal[0] == basal[2] == 0
    assert apical[2] > 0 and apical[:2] == [0, 0]
    assert at(picture, 100, 100) == [0, 0, 0]


def test_undefined_neurites_are_in_all_channels() -> None:
    rows: list[Row] = [(1, 0, 0, 0, 8, -1), (0, 150, 0, 0, 2, 1)]
    red, green, blue = at(SMALL(tree(rows)), 100, 0)
    assert red == green == blue > 0


def test_projections_are_channels_with_the_cortical_axis_upwards() -> None:
    rows: list[Row] = [(1, 0, 0, 0, 8, -1), (3, 100, 150, 50, 2, 1)]
    picture = Drawing(view="xyz", side_px=64, window_um=200.0)(tree(rows))
    front, top, side = np.moveaxis(picture, 2, 0)
    assert front[32 - 15, 32 + 10] > 0  # x 62 right, y 94 up
    assert top[32 - 4, 32 + 8] > 0 and top[32 - 12, 32 + 8] == 0  # x 50 right, z 25 up
    assert side[32 - 12, 32 + 4] > 0 and side[32 - 4, 32 + 12] == 0  # z 25 right, y 75 up


def test_people_see_the_colours_that_neuromorpho_uses_with_the_soma_on_top() -> None:
    picture = Drawing(variant="raw", view="rgb", side_px=128)(tree())
    seen = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {COLOURS[kind] for kind in (SOMA, APICAL)} <= seen
    for kind in (AXON, BASAL):
        direction = np.array(COLOURS[kind]) / max(COLOURS[kind])
        assert any(max(colour) and np.allclose(np.array(colour) / max(colour), direction, atol=0.02) for colour in seen)


@pytest.mark.parametrize("variant", ["raw", "resample"])
@pytest.mark.parametrize("factor", [0.01, 1.0, 1000.0])
def test_a_fitted_tree_fills_the_picture_whatever_its_size(variant: Any, factor: float) -> None:
    rows: list[Row] = [(k, factor * x, factor * y, factor * z, factor * r, p) for k, x, y, z, r, p in PYRAMID]
    picture = Drawing(variant=variant, side_px=100)(tree(rows)).max(2)
    lines = np.flatnonzero(picture.any(1))
    if factor >= 1:  # below, a whole tree is thinner than a diameter of 2 um
        assert lines[0] <= 6 and lines[-1] >= 93
    columns = np.flatnonzero(picture.any(0))
    assert abs((columns[0] + columns[-1]) - 99) <= 4  # in the middle


def test_in_a_fixed_window_a_cell_twice_as_large_looks_twice_as_large() -> None:
    def height(factor: float) -> int:
        rows: list[Row] = [(k, factor * x, factor * y, z, 1, p) for k, x, y, z, _, p in PYRAMID]
        return int(SMALL(tree(rows)).any((1, 2)).sum())

    assert height(0.7) == pytest.approx(2 * height(0.35), abs=2)


def test_the_picture_does_not_depend_on_where_the_neuron_lies() -> None:
    rows: list[Row] = [(k, x + 5000, y - 300, z + 70, r, p) for k, x, y, z, r, p in PYRAMID]
    for drawing in (SMALL, Drawing(variant="raw", side_px=64), Drawing(view="xyz", side_px=64)):
        np.testing.assert_array_equal(drawing(tree(rows)), drawing(tree()))


def test_the_same_neuron_gives_the_same_picture_and_another_one_another() -> None:
    np.testing.assert_array_equal(SMALL(tree()), SMALL(tree()))
    rows: list[Row] = [(k, -x, y, z, r, p) for k, x, y, z, r, p in PYRAMID]
    assert not np.array_equal(SMALL(tree(rows)), SMALL(tree()))


def test_a_quarter_turn_about_the_cortical_axis_shows_depth_as_width() -> None:
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    drawing = Drawing(view="xyz", side_px=64, window_um=200.0)
    plain, turned = drawing(tree()), drawing(tree(), turn)
    np.testing.assert_array_equal(turned[:, :, 0], plain[:, :, 2])
    assert not np.array_equal(plain, turned)


def test_thinner_neurites_are_darker_but_the_thinnest_is_still_seen() -> None:
    def brightness(radius: float) -> float:
        picture = Drawing(variant="raw", view="type", side_px=64)(
            tree([(1, 0, 0, 0, 8, -1), (2, 200, 0, 0, radius, 1)])
        )
        return float(picture[:, 40, 0].sum())

    assert brightness(0.0) == brightness(0.1) >= 100
    assert brightness(3.0) > 1.5 * brightness(0.1)


def test_lines_are_smooth() -> None:
    grey = Drawing(variant="raw", side_px=64)(tree())
    assert len(np.unique(grey)) > 8  # not black and white alone


def test_variants_that_resample_bring_diameters_together() -> None:
    thin: list[Row] = [(1, 0, 0, 0, 8, -1), (3, 150, 0, 0, 0.1, 1)]
    thick: list[Row] = [(1, 0, 0, 0, 8, -1), (3, 150, 0, 0, 1.0, 1)]
    np.testing.assert_array_equal(SMALL(tree(thin)), SMALL(tree(thick)))
    close = Drawing(variant="raw", side_px=256)
    assert not np.array_equal(close(tree(thin)), close(tree(thick)))


def test_what_lies_far_outside_leaves_the_picture_in_a_straight_line() -> None:
    picture = SMALL(tree([(1, 0, 0, 0, 8, -1), (2, -1e6, 5e5, 0, 1, 1)]))
    assert at(picture, -150, 75)[0] > 0 and at(picture, -75, 150)[0] == 0
    blown_up = Drawing(variant="raw", side_px=64)(
        tree([(1, 0, 0, 0, 8, -1), (3, 9, 9, 0, 1e6, 1), (2, -1e6, 9, 0, 1, 1)])
    )
    assert blown_up.shape == (64, 64, 3)


def test_settings_cross_to_json_and_back_and_wrong_ones_are_refused() -> None:
    assert from_json(Drawing, to_json(SMALL), "config.json") == SMALL
    for wrong in ({"side_px": 16}, {"side_px": 4096}, {"window_um": 0.0}, {"window_um": float("nan")}):
        with pytest.raises(InputError, match=r"drawing: got a (side|window)"):
            Drawing(**wrong)
    with pytest.raises(InputError, match=r"drawing.view: got 'yz', expected one of 'xyz', 'rgb', 'type'"):
        from_json(Drawing, {"view": "yz"}, "drawing")
