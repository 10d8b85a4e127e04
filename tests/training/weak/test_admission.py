import numpy as np
import pytest

from edgeneuro.training.weak.admission import (
    AdmissionSettings,
    Candidate,
    block_weight,
    candidate,
    confidence_needed,
)
from edgeneuro.volume import IGNORE

SETTINGS = AdmissionSettings()


def test_confidence_is_the_mean_distance_from_a_coin_toss_over_candidate_voxels() -> None:
    p = np.array([[0.0, 0.05, 0.1, 0.5, 1.0]], np.float32)
    found = candidate(p, np.zeros((1, 5), np.uint8), SETTINGS)
    assert found.confidence == pytest.approx((0.8 + 0.0 + 1.0) / 3)


def test_a_block_without_candidates_is_not_learnt_from() -> None:
    found = candidate(np.zeros((4, 4)), np.zeros((4, 4), np.uint8), SETTINGS)
    assert found == Candidate(confidence=0.0, foreground_share=0.0)
    assert not found.admitted(5, SETTINGS)


def test_ignored_voxels_are_no_foreground_but_count_as_voxels() -> None:
    assert candidate(np.ones((1, 4)), np.array([[1, 0, IGNORE, IGNORE]]), SETTINGS).foreground_share == 0.25


def test_later_rounds_ask_for_less_confidence_and_weigh_blocks_more() -> None:
    assert [confidence_needed(number, SETTINGS) for number in (1, 2, 3, 4, 5)] == [0.85, 0.8, 0.75, 0.7, 0.65]
    assert [block_weight(number, SETTINGS) for number in (1, 2, 3, 4)] == [0.6, 0.8, 1.0, 1.0]


def test_a_block_is_admitted_in_the_first_round_that_asks_for_no_more() -> None:
    doubtful = Candidate(confidence=0.8, foreground_share=0.01)
    assert [doubtful.admitted(number, SETTINGS) for number in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize(("share", "admitted"), [(9e-5, False), (1e-4, True), (0.2, True), (0.21, False)])
def test_blocks_with_next_to_nothing_or_far_too_much_foreground_are_never_admitted(
    share: float, admitted: bool
) -> None:
    assert Candidate(confidence=1.0, foreground_share=share).admitted(1, SETTINGS) == admitted
