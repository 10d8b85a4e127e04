import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.training.weak.stopping import Round, StopSettings, agreement, best_round, why_abort, why_stop
from edgeneuro.volume import IGNORE

SETTINGS = StopSettings()


def rounds(*validation: float, manual: tuple[float, ...] = (), agreed: float | None = 0.5) -> list[Round]:
    manual = manual or (0.9,) * len(validation)
    return [
        Round(validation_f1=f1, manual_f1=own, agreement=agreed, foreground_share=0.01 * (place + 1))
        for place, (f1, own) in enumerate(zip(validation, manual, strict=True))
    ]


def test_agreement_is_the_mean_intersection_over_union_of_the_foreground() -> None:
    before = [np.array([[1, 1, 0, 0]]), np.array([[0, 0, 0, IGNORE]])]
    now = [np.array([[0, 1, 1, 0]]), np.array([[0, 0, 0, 0]])]
    assert agreement(before, now) == pytest.approx((1 / 3 + 1) / 2)
    assert agreement(now, now) == 1.0


def test_a_voxel_that_was_ignored_and_is_foreground_now_is_a_change() -> None:
    assert agreement([np.array([[1, IGNORE]])], [np.array([[1, 1]])]) == 0.5


def test_agreement_of_different_blocks_is_refused() -> None:
    with pytest.raises(DataError, match="got 1 blocks of labels before and 2 now"):
        agreement([np.zeros((2, 2))], [np.zeros((2, 2))] * 2)
    with pytest.raises(DataError, match="at least one"):
        agreement([], [])


def test_it_stops_when_pseudo_labels_no_longer_change() -> None:
    assert why_stop(rounds(0.7, 0.8, agreed=0.949), SETTINGS) is None
    assert "agree with those before to 0.950" in str(why_stop(rounds(0.7, 0.8, agreed=0.95), SETTINGS))
    assert why_stop(rounds(0.7, agreed=None), SETTINGS) is None


def test_it_stops_after_two_rounds_in_a_row_without_gain() -> None:
    assert why_stop(rounds(0.8, 0.801), SETTINGS) is None
    assert "gained less than 0.002 in 2 rounds" in str(why_stop(rounds(0.8, 0.801, 0.8015), SETTINGS))
    assert why_stop(rounds(0.8, 0.801, 0.9, 0.9), SETTINGS) is None
    assert why_stop(rounds(0.9, 0.902, 0.904), SETTINGS) is None  # gains of exactly 0.002


def test_recovering_from_a_fall_is_no_gain() -> None:
    assert "gained less" in str(why_stop(rounds(0.8, 0.7, 0.79), SETTINGS))


def test_it_stops_when_all_rounds_are_done() -> None:
    assert why_stop(rounds(0.5, 0.6, 0.7, 0.8), SETTINGS) is None
    assert why_stop(rounds(0.5, 0.6, 0.7, 0.8, 0.9), SETTINGS) == "5 rounds are done"


def test_the_best_round_on_validation_is_kept_the_first_of_equals() -> None:
    assert best_round(rounds(0.5, 0.8, 0.7, 0.8)) == 1


def test_a_fall_on_the_manual_blocks_is_drift_also_when_it_is_slow() -> None:
    assert why_abort(rounds(0.5, manual=(0.9,)), SETTINGS) is None
    assert why_abort(rounds(0.5, 0.5, manual=(0.9, 0.88)), SETTINGS) is None
    slow = why_abort(rounds(0.5, 0.5, 0.5, manual=(0.9, 0.885, 0.87)), SETTINGS)
    assert slow is not None and "fell from 0.900 to 0.870" in slow and "from 1.00% to 3.00%" in slow
