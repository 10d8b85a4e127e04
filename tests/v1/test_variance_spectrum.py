from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from edgeneuro.errors import DataError
from edgeneuro.v1.variance_spectrum import cross_validated_power_law, participation_ratio

Floats = np.ndarray


def responses(exponent: float, noise: float) -> Floats:
    """(2, stimulus, neuron) whose variance in common falls with this exponent."""
    rng = np.random.default_rng(0)
    stimuli, neurons = 150, 300
    scores = np.linalg.qr(rng.standard_normal((stimuli, 100)))[0] * np.sqrt(stimuli)
    directions = np.linalg.qr(rng.standard_normal((neurons, 100)))[0].T
    common = (scores * np.arange(1, 101) ** (-exponent / 2)) @ directions
    repeats: Floats = common + noise * rng.standard_normal((2, stimuli, neurons))
    return repeats.astype(np.float32)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.5])
def test_the_exponent_of_the_common_variance_is_found(exponent: float) -> None:
    found = cross_validated_power_law(responses(exponent, 0.0), seed=0, ranks=(3, 60))
    assert found.exponent == pytest.approx(exponent, abs=0.05)
    assert found.reliable == pytest.approx(1.0, abs=1e-4)


def test_noise_that_differs_between_repeats_hardly_changes_it_though_it_flattens_a_plain_spectrum() -> None:
    repeats = responses(1.0, 0.1)
    found = cross_validated_power_law(repeats, seed=0, ranks=(3, 30))
    plain = PCA().fit(repeats[0]).explained_variance_[2:30]
    flattened = -np.polyfit(np.log(np.arange(3, 31)), np.log(plain), 1)[0]
    assert found.exponent == pytest.approx(1.0, abs=0.15)
    assert flattened < 0.8
    assert found.reliable < 0.8


def test_the_spectrum_is_that_of_components_fitted_on_one_repeat_and_scored_on_both() -> None:
    repeats = responses(1.0, 0.05)
    symmetric = np.stack([repeats[0], repeats[0]])  # swapping repeats changes nothing
    found = cross_validated_power_law(symmetric, seed=0, ranks=(3, 30))
    np.testing.assert_allclose(
        found.spectrum[:20], PCA().fit(repeats[0]).explained_variance_[:20] * 149 / 150, rtol=1e-3
    )


def test_responses_without_anything_in_common_have_no_common_variance() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 60, 80)).astype(np.float32)
    found = cross_validated_power_law(noise, seed=0, ranks=(3, 30))
    assert abs(found.reliable) < 0.1
    assert found.negative > 5


def test_too_few_stimuli_for_a_power_law_are_refused() -> None:
    with pytest.raises(DataError, match="got 12 stimuli for ranks from 11, expected at least 16"):
        cross_validated_power_law(np.zeros((2, 12, 5), np.float32), seed=0)


def test_the_participation_ratio_counts_directions_that_vary_alike() -> None:
    basis = np.vstack([np.eye(4), -np.eye(4)])
    assert participation_ratio(basis) == pytest.approx(4.0)
    assert participation_ratio(basis * [1, 0, 0, 0]) == pytest.approx(1.0)
    assert participation_ratio(np.hstack([basis, np.zeros((8, 90))])) == pytest.approx(4.0)
    with pytest.raises(DataError, match="all 3 points are the same"):
        participation_ratio(np.ones((3, 2)))
