"""The weights that come with the package."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeneuro.data import open_data
from edgeneuro.models import MODELS
from edgeneuro.models.build import parameters
from edgeneuro.training.checkpoint import load_model, packaged, read_config, read_metrics, read_split


@pytest.fixture(scope="module")
def folder() -> Path:
    return packaged("myositis")


def test_say_that_they_were_trained_on_simulated_frames(folder: Path) -> None:
    config = read_config(folder)
    assert config.trained_on.simulated and config.trained_on.name == "phantom" == config.data
    assert config.classes == ("normal", "ibm", "pm", "dm")


def test_are_of_the_network_in_the_table_at_its_size(folder: Path) -> None:
    config = read_config(folder)
    assert parameters(load_model(folder)) == 503_880
    assert config.frame_preprocess.height == config.frame_preprocess.width == MODELS["myositis"].image_size
    assert (folder / "model.safetensors").stat().st_size < 2_100_000


def test_their_split_divides_the_phantom_by_subject(folder: Path) -> None:
    dataset, split = open_data("phantom"), read_split(folder)
    parts = [split.part(dataset.samples, part) for part in ("training", "validation", "test")]
    assert sum(map(len, parts)) == len(dataset)
    groups = [{sample.group for sample in part} for part in parts]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert read_metrics(folder)["test"]["frames"] == len(parts[2])


@torch.no_grad()
def test_tell_unseen_simulated_subjects_apart_far_better_than_chance(folder: Path) -> None:
    dataset, config = open_data("phantom"), read_config(folder)
    test = read_split(folder).part(dataset.samples, "test")[::6]  # one frame a subject
    frames = torch.from_numpy(np.stack([config.frame_preprocess(dataset.read(sample)) for sample in test]))
    predicted = load_model(folder)(frames).argmax(1).numpy()
    # four balanced classes: chance is 25 %, and 60 % of 20 frames by chance has a probability below 0.1 %
    assert np.mean(predicted == [sample.target for sample in test]) > 0.6
