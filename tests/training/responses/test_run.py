"""Decoders from a session to a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.data import open_data
from edgeneuro.data.recordings.as_data import as_data
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import CheckpointError, DataError, InputError, UsageError
from edgeneuro.models.v1 import Components, Decoder, Grid
from edgeneuro.training import fit
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.responses.trials import read_trials
from edgeneuro.training.responses.work import score_trials
from edgeneuro.training.run import part_of
from edgeneuro.training.settings import TrainSettings
from tests.gratings import NEURONS, write_session
from tests.training.killing import Killed, kill_when


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session") / "mouse.npz")


@pytest.fixture(scope="module")
def tiny(session: Path) -> TrainSettings:
    return TrainSettings.of(
        "v1-mlp", data=str(session), epochs=12, batch_size=8, learning_rate=3e-2, options={"widths": [16]}
    )


@pytest.fixture(scope="module")
def whole(tiny: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run of `tiny`."""
    return train(tiny, tmp_path_factory.mktemp("whole") / "run", threads=1).folder


def same(one: Path, two: Path) -> bool:
    a, b = (load_file(folder / "model.safetensors") for folder in (one, two))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_neurons_that_answer_one_direction_each_are_decoded(whole: Path) -> None:
    assert read_metrics(whole)["test"]["balanced_accuracy"] > 0.7


def test_the_stored_network_reproduces_the_stored_scores(whole: Path, session: Path) -> None:
    config, data = read_config(whole), open_data(str(session))
    test = read_trials(part_of(data, read_split(whole), "test"))
    scores = score_trials(load_model(whole), test, config.classes, "balanced_accuracy")
    stored = read_metrics(whole)["test"]
    assert (stored["frames"], stored["groups"], stored["accuracy"]) == (8, 2, scores.accuracy)


def test_the_checkpoint_says_whose_neurons_it_takes_and_no_preprocessing(whole: Path) -> None:
    config = read_config(whole)
    assert config.session is not None and (config.session.name, config.session.neurons) == ("mouse", 3 * NEURONS)
    assert (config.channels, config.preprocess, config.sizes) == (None, None, {"neurons": 3 * NEURONS})
    with pytest.raises(UsageError, match="takes responses of neurons, this is for networks that take frames"):
        _ = config.frame_preprocess


def test_responses_are_normalised_by_the_training_trials_alone(whole: Path, session: Path) -> None:
    data, network = open_data(str(session)), load_model(whole)
    assert isinstance(network, Decoder)
    training = read_trials(part_of(data, read_split(whole), "training")).responses
    assert np.allclose(network.standardise.mean.numpy(), training.mean(0), atol=1e-6)
    assert np.allclose(network.standardise.deviation.numpy(), training.std(0), atol=1e-6)
    assert not np.allclose(network.standardise.mean.numpy(), read_trials(data).responses.mean(0), atol=1e-4)


def test_components_are_those_of_the_training_trials_and_stay_as_they_are(
    tiny: TrainSettings, session: Path, tmp_path: Path
) -> None:
    settings = replace(tiny, options={"widths": [8], "components": 3}, epochs=2)
    network = load_model(train(settings, tmp_path / "run", threads=1).folder)
    responses = read_trials(part_of(open_data(str(session)), read_split(tmp_path / "run"), "training")).responses
    standard = (responses - responses.mean(0)) / responses.std(0)
    exact = np.linalg.svd(standard, full_matrices=False)[2][:3]
    found = next(layer for layer in network.modules() if isinstance(layer, Components)).weight.numpy()
    assert np.allclose(np.abs((found * exact).sum(1)), 1.0, atol=1e-4)
    with pytest.raises(
        DataError, match=r"components: got 19, expected at most 18 for 28 training trials of 18 neurons"
    ):
        train(replace(settings, options={"widths": [8], "components": 19}), tmp_path / "many")


def test_a_killed_run_resumes_to_the_weights_of_an_uninterrupted_one(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(tiny, tmp_path / "run", threads=1, progress=kill_when(lambda seen: seen.done == 5))
    train(tiny, tmp_path / "run", threads=1, resume=True)
    assert same(tmp_path / "run", whole)
    train(tiny, whole, resume=True)  # finished: nothing to do, nothing to complain of
    with pytest.raises(CheckpointError, match="was trained with options widths"):
        train(replace(tiny, options={"widths": [8]}), whole, resume=True)


def test_a_network_on_the_grid_gets_the_places_of_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: Path
) -> None:
    recording = simulate_session(0, neurons=12, images=12, classes=2, shape=(8, 16), spontaneous=12).recording
    monkeypatch.setattr(fit, "open_data", lambda *_, **__: as_data(recording))
    result = train(TrainSettings.of("v1-cnn2d", epochs=1), tmp_path / "run", threads=1)
    grid = next(layer for layer in load_model(result.folder).modules() if isinstance(layer, Grid))
    assert result.config.sizes == {"neurons": 12, "most": grid.table.shape[1]}
    assert sorted(grid.table[grid.table < 12].tolist()) == list(range(12))
    monkeypatch.undo()
    with pytest.raises(DataError, match="mouse has no positions_um, which a network on the grid of cells needs"):
        train(TrainSettings.of("v1-cnn3d", data=str(session)), tmp_path / "other")


def test_usual_settings_are_those_of_the_model() -> None:
    usual = TrainSettings.of("v1-mlp", epochs=5)
    assert (usual.epochs, usual.batch_size, usual.top_learning_rate) == (5, 128, 3e-4)
    assert usual.optimisation["weight_decay"] == 1e-2
    with pytest.raises(UsageError, match=r"crop: got 0.5, but 'v1-mlp' learns from responses of neurons"):
        TrainSettings.of("v1-mlp", crop=0.5)


def test_sizes_of_the_session_are_no_options(tiny: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no option 'neurons', expected widths or components"):
        train(replace(tiny, options={"neurons": 5}), tmp_path / "run")


def test_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no session"):
        train(TrainSettings.of("v1-mlp", data="phantom"), tmp_path / "run")
