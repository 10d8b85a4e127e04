from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.deletion import SHARES, covered, elsewhere, falls, hottest, rows_of
from edgeneuro.errors import UsageError
from edgeneuro.runtime import open_engine
from tests.runtime.bundles import SIDE, write_bundle, write_explaining_bundle


def test_the_hottest_region_has_its_share_of_the_frame_and_nothing_hotter_outside() -> None:
    heat = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    for share in SHARES:
        region = hottest(heat, share)
        assert region.sum() == round(share * 600)
        assert heat[region].min() > heat[~region].max()


def test_the_other_place_has_the_same_shape_and_is_another() -> None:
    region = np.zeros((20, 30), bool)
    region[2:5, 3:9] = True
    places = [elsewhere(region, np.random.default_rng(seed)) for seed in range(20)]
    assert all(place.sum() == region.sum() and not np.array_equal(place, region) for place in places)
    assert len({place.tobytes() for place in places}) > 15


def test_a_region_is_covered_with_the_colour_of_the_rim_and_nothing_else_changes() -> None:
    frame = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    frame[10:30, 20:40] = 0
    region = np.zeros((40, 60), bool)
    region[15:20, 20:60] = True
    changed = covered(frame, region)
    assert (changed[region] == (200, 100, 50)).all() and np.array_equal(changed[~region], frame[~region])
    assert (frame[15, 25] == 0).all()


def test_an_answer_that_leans_on_brightness_falls_where_the_brightest_part_is_covered(tmp_path: Path) -> None:
    frame = np.full((SIDE, SIDE), 190, np.uint8)
    frame[8:16, 8:16] = 255
    with open_engine(write_explaining_bundle(tmp_path / "a.edge")) as engine:
        found = falls(engine, frame, np.random.default_rng(0))
        assert len(found) == len(SHARES)
        for hot, other in found:
            assert hot > 0 and hot > other


def test_an_engine_without_maps_is_refused(tmp_path: Path) -> None:
    with (
        open_engine(write_bundle(tmp_path / "a.edge")) as engine,
        pytest.raises(UsageError, match="gives no class maps; build the engine from a network that does"),
    ):
        falls(engine, np.zeros((SIDE, SIDE), np.uint8), np.random.default_rng(0))


def test_rows_hold_both_losses_their_difference_and_how_often_the_hottest_costs_more() -> None:
    losses = np.zeros((40, len(SHARES), 2))
    losses[:, :, 0], losses[:10, :, 1] = 0.2, 0.3
    row, *_ = rows_of("fp32", losses, [f"lesion {number // 2}" for number in range(40)])
    assert str(row["hottest"]) == "+20.0 [+20.0, +20.0]"
    assert str(row["elsewhere"]).startswith("+7.5 [") and str(row["difference"]).startswith("+12.5 [")
    assert str(row["more"]).startswith("75.0 [")
