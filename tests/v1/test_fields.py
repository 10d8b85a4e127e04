from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.data.recordings.simulated import SimulatedRecording, Strengths, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.fields import FieldMaps, FittedFields, fit_fields, response_weighted_average, scaled_images

Floats = np.ndarray


@functools.cache
def session() -> SimulatedRecording:
    """Neurons that answer to images and to little else, so that their fields can be found from few of them."""
    return simulate_session(1, neurons=40, images=400, strengths=Strengths(gain=0.1, shared=0.2, noise=0.3))


@functools.cache
def fitted() -> FittedFields:
    return fit_fields(session().recording, seed=0, alpha=0.3)


def likeness(maps: FieldMaps) -> float:
    """Median over neurons of the correlation of a map with the neuron's true field."""
    truth = session().fields.patches(slice(None), maps.shape)
    found = maps.maps(slice(None)).reshape(len(maps), -1)
    return float(np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(truth, found, strict=True)]))


def misplaced_px(maps: FieldMaps) -> float:
    """Median over neurons, of images of 17 x 68 px."""
    true = session().fields
    return float(np.median(np.hypot(*(maps.places()[0] - np.column_stack([true.centre_x, true.centre_y])).T)))


def test_reduced_rank_regression_finds_the_fields_of_the_simulator() -> None:
    assert misplaced_px(fitted().maps) < 2.5
    assert likeness(fitted().maps) > 0.45


def test_the_response_weighted_average_finds_them_too() -> None:
    maps = response_weighted_average(session().recording)
    assert misplaced_px(maps) < 4.0
    assert likeness(maps) > 0.3


def test_the_average_is_that_of_its_formula() -> None:
    recording = session().recording
    numbers, repeats = recording.repeats()
    mean, images = repeats.mean(0)[:, 3], scaled_images(recording.images[numbers])  # type: ignore[index]
    weights = mean - mean.mean()
    by_hand = (weights[:, None] * (images - images.mean(0))).sum(0) / np.abs(weights).sum()
    maps = response_weighted_average(recording)
    np.testing.assert_allclose(maps.left @ maps.right[:, 3], by_hand, atol=1e-6)


def test_fields_explain_responses_to_images_they_never_saw_and_more_of_them_without_noise() -> None:
    scores = fitted().scores
    assert scores.variance_explained.low > 0.05
    assert scores.noise_corrected.value > scores.variance_explained.value
    assert (scores.training_images, scores.held_out_images) == (200, 200)
    assert not set(fitted().training) & set(fitted().held_out)
    assert list(scores.of_neurons) == sorted(scores.of_neurons)
    assert isinstance(to_json(scores)["variance_explained"]["low"], float)


def test_the_scores_are_those_of_their_formulas() -> None:
    recording, fit = session().recording, fitted()
    numbers, repeats = recording.repeats()
    images = scaled_images(recording.images[numbers])  # type: ignore[index]
    taught, left_out = np.isin(numbers, fit.training), np.isin(numbers, fit.held_out)
    mean = repeats[:, taught].mean((0, 1))
    predicted = (images[left_out] - images[taught].mean(0)) @ fit.maps.left @ fit.maps.right + mean
    first, second = repeats[:, left_out]
    average = (first + second) / 2
    explained = 1 - ((average - predicted) ** 2).sum() / ((average - mean) ** 2).sum()
    corrected = 1 - ((first - predicted) * (second - predicted)).sum() / ((first - mean) * (second - mean)).sum()
    assert fit.scores.variance_explained.value == pytest.approx(explained, abs=1e-4)
    assert fit.scores.noise_corrected.value == pytest.approx(corrected, abs=1e-4)


def test_responses_that_have_nothing_to_do_with_the_images_are_not_explained() -> None:
    recording = session().recording
    noise = np.random.default_rng(0).standard_normal(recording.responses.shape).astype(np.float32)
    scores = fit_fields(recording.with_responses(noise), seed=0, alpha=0.3).scores
    assert scores.variance_explained.value < 0.01


def test_all_components_of_the_responses_are_the_responses() -> None:
    recording = session().recording
    by_neuron = fit_fields(recording, seed=0, alpha=0.3, components=None).scores
    assert by_neuron.variance_explained.value == pytest.approx(fitted().scores.variance_explained.value, abs=1e-4)


def test_one_seed_gives_one_split_and_another_a_different_one() -> None:
    again = fit_fields(session().recording, seed=0, alpha=0.3)
    assert again.scores == fitted().scores
    assert set(fit_fields(session().recording, seed=1, alpha=0.3).training) != set(again.training)


def test_a_neuron_that_never_responds_has_a_flat_field() -> None:
    recording = session().recording
    silent = recording.responses.copy()
    silent[:, 0] = 0.0
    fit = fit_fields(recording.with_responses(silent), seed=0)
    assert fit.explained[0] == 0.0
    assert not fit.maps.maps(slice(0, 1)).any()


def test_a_session_without_images_or_repeats_is_refused_with_what_it_lacks() -> None:
    recording = session().recording
    with pytest.raises(DataError, match="simulated-1 has no images"):
        fit_fields(replace(recording, images=None), seed=0)
    with pytest.raises(DataError, match="simulated-1 has no images"):
        response_weighted_average(replace(recording, images=None))
    once = recording.only(np.unique(recording.stimuli, return_index=True)[1])
    with pytest.raises(DataError, match="shows none of its 400 stimuli twice"):
        fit_fields(once, seed=0)
