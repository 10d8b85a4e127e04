import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.models.skin import SAME, Seen, SiameseNet, SkinNet, build
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.frames import read_frames
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.keeper import Progress
from edgeneuro.training.losses import focal_loss
from edgeneuro.training.score import score
from edgeneuro.training.settings import SiameseSettings, TrainSettings, with_recipe
from edgeneuro.training.siamese import AverageOfBoth, Branches, average, balancing, judged
from tests.training.killing import Killed, kill_when

PLAIN = SiameseSettings(alpha="none", gamma=0.0)


def skin(folder: Path, **changes: Any) -> TrainSettings:
    short: dict[str, Any] = {"data": str(folder), "epochs": 3, "batch_size": 8, "image_size": 32}
    return TrainSettings(model="skin", **{**short, **changes})


@pytest.fixture(scope="module")
def whole(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run on pairs."""
    out = tmp_path_factory.mktemp("pairs") / "run"
    train(skin(tiny_folder), out, threads=1)
    return out


def same_weights(one: Path, two: Path) -> bool:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, two))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_training_on_pairs_learns_what_a_human_sees_at_once(tiny_folder: Path, tmp_path: Path) -> None:
    """A flat branch: in a deep one these frames are single pixels, and normalised over eight of them."""
    settings = skin(tiny_folder, epochs=8, learning_rate=1e-2, options={"branch_depth": 0})
    result = train(settings, tmp_path / "run", threads=1)
    assert result.metrics["test"]["accuracy"] == 1.0
    assert result.metrics["branches"]["discriminator_accuracy"] > 0.8


def test_what_is_stored_is_the_deployed_network_alone(whole: Path) -> None:
    network = load_model(whole)
    assert isinstance(network, SkinNet)
    assert load_file(whole / "model.safetensors").keys() == build(classes=2).state_dict().keys()


def test_the_stored_branch_has_the_validation_loss_and_the_scores_of_the_kept_one(
    whole: Path, tiny_folder: Path
) -> None:
    config, dataset, metrics = read_config(whole), open_data(str(tiny_folder)), read_metrics(whole)
    validation = dataset.subset(read_split(whole).part(dataset.samples, "validation"))
    frames = read_frames(validation, config.frame_preprocess)
    images = torch.from_numpy(np.stack([config.frame_preprocess.normalise(pixels) for pixels in frames.pixels]))
    targets = torch.from_numpy(frames.targets)
    share = torch.bincount(targets) / len(targets)
    with torch.no_grad():
        loss = float(focal_loss(load_model(whole)(images), targets, 2.0, 1 / (2 * share)))
    branches = metrics["branches"]
    either = [branches["first_loss"], branches["second_loss"]]
    assert either[0] != either[1] and branches["kept"] == 1 + int(np.argmin(either))
    assert loss == pytest.approx(min(either), rel=1e-5)
    kept = branches[("first", "second")[branches["kept"] - 1]]
    assert (metrics["validation"], metrics["test"]) == (kept["validation"], kept["test"])
    again = score(load_model(whole), frames, config.frame_preprocess, dataset.classes, "balanced_accuracy")
    assert again.accuracy == metrics["validation"]["accuracy"]


def test_the_stored_network_s_class_maps_average_to_its_logits(whole: Path) -> None:
    network = load_model(whole)
    assert isinstance(network, SkinNet)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = network.class_maps(images)
        torch.testing.assert_close(maps.mean((2, 3)) + network.bias, network(images))
    assert maps.std() > 0


def test_the_best_epoch_is_the_one_with_the_smallest_validation_loss(whole: Path) -> None:
    metrics = read_metrics(whole)
    losses = [row["validation_loss"] for row in metrics["history"]]
    assert metrics["best_epoch"] == int(np.argmin(losses))
    assert losses[metrics["best_epoch"]] == pytest.approx(metrics["branches"]["loss"], rel=1e-5)
    assert all(0 <= row["discriminator_accuracy"] <= 1 for row in metrics["history"])


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 4, id="within the second epoch"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 1, id="just after the second epoch"),
    ],
)
def test_a_run_cut_off_anywhere_resumes_to_the_weights_of_an_uninterrupted_one(
    reached: Callable[[Progress], bool], whole: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Killed):
        train(skin(tiny_folder), out, threads=1, progress=kill_when(reached))
    train(skin(tiny_folder), out, threads=1, resume=True)
    assert same_weights(out, whole)
    left, right = read_metrics(out), read_metrics(whole)
    assert left["branches"] == right["branches"]


def test_a_run_with_another_weight_of_the_loss_is_another_run(whole: Path, tiny_folder: Path, tmp_path: Path) -> None:
    other = skin(tiny_folder, siamese=SiameseSettings(discriminator_weight=0.0))
    train(other, tmp_path / "other", threads=1)
    assert not same_weights(tmp_path / "other", whole)


def test_the_checkpoint_says_how_pairs_were_learnt_and_resuming_otherwise_names_what_differs(
    whole: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    assert read_config(whole).siamese == SiameseSettings()
    assert read_config(whole).augmentation == "photograph"
    train(skin(tiny_folder), whole, resume=True)
    other = skin(tiny_folder, siamese=SiameseSettings(gamma=1.0))
    with pytest.raises(CheckpointError, match=r"was trained with siamese gamma 2.0, now got 1.0"):
        train(other, whole, resume=True)
    with pytest.raises(CheckpointError, match="was trained with augmentation 'photograph', now got 'ultrasound'"):
        train(skin(tiny_folder, augmentation="ultrasound"), whole, resume=True)
    with pytest.raises(Killed):
        train(skin(tiny_folder), tmp_path / "run", threads=1, progress=kill_when(lambda done: done.row is not None))
    with pytest.raises(CheckpointError, match=r"was trained with siamese gamma 2.0, now got 1.0"):
        train(other, tmp_path / "run", threads=1, resume=True)


def test_without_pairs_one_branch_learns_as_a_classifier_by_its_focal_loss(tiny_folder: Path, tmp_path: Path) -> None:
    settings = skin(tiny_folder, siamese=SiameseSettings(pairs=False))
    metrics = train(settings, tmp_path / "focal", threads=1).metrics
    assert "branches" not in metrics
    assert [row["discriminator_accuracy"] for row in metrics["history"]] == [None] * 3
    losses = [row["validation_loss"] for row in metrics["history"]]
    assert metrics["best_epoch"] == int(np.argmin(losses))
    crossed = dataclasses.replace(settings, siamese=SiameseSettings(pairs=False, gamma=0.0))
    row = train(crossed, tmp_path / "crossed", threads=1).metrics["history"][0]
    assert row["training_loss"] > 2 * metrics["history"][0]["training_loss"]  # (1 - p)^2 of p around a half


def test_shared_branches_are_one_and_the_first_is_kept(tiny_folder: Path, tmp_path: Path) -> None:
    settings = skin(tiny_folder, siamese=SiameseSettings(shared=True), epochs=2)
    branches = train(settings, tmp_path / "run", threads=1).metrics["branches"]
    assert branches["kept"] == 1 and branches["first_loss"] == branches["second_loss"]
    assert branches["average_loss"] == pytest.approx(branches["first_loss"], rel=1e-5)
    assert branches["first"] == branches["second"]


def test_both_branches_start_from_a_checkpoint_that_is_given(whole: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """With a learning rate of almost nothing what comes out is what went in, up to the statistics of the batches."""
    settings = skin(tiny_folder, initial=str(whole), epochs=1, learning_rate=1e-12)
    train(settings, tmp_path / "run", threads=1)
    there, now = load_model(whole).state_dict(), load_model(tmp_path / "run").state_dict()
    assert read_config(tmp_path / "run").initial is not None
    for name, value in load_model(whole).named_parameters():
        torch.testing.assert_close(now[name], there[name], msg=f"{name}: {tuple(value.shape)}")


def test_what_goes_on_from_a_checkpoint_or_has_a_teacher_learns_from_single_frames(whole: Path) -> None:
    going_on = settings_of(whole, epochs=1, seed=0)
    assert going_on.siamese == SiameseSettings(pairs=False) and going_on.imaging == "photograph"
    assert with_recipe(going_on, alone=False) == going_on
    assert with_recipe(TrainSettings(model="skin"), alone=False).siamese == SiameseSettings(pairs=False)
    with pytest.raises(UsageError, match=r"siamese pairs: got true, .* one branch; give pairs=false"):
        with_recipe(TrainSettings(model="skin", siamese=SiameseSettings()), alone=False)


def test_other_models_are_trained_as_classifiers() -> None:
    assert with_recipe(TrainSettings(model="myositis"), alone=True).siamese is None
    with pytest.raises(UsageError, match="'myositis' is not trained so, only skin; leave it out"):
        TrainSettings(model="myositis", siamese=SiameseSettings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": -1.0}, "siamese gamma: got -1.0, expected 0 or more"),
        ({"discriminator_weight": math.nan}, "siamese discriminator_weight: got nan, expected 0 or more"),
        ({"first_weight": 0.0, "second_weight": 0.0}, "no branch learns its classes"),
        ({"positive_ratio": 1.5}, "siamese positive_ratio: got 1.5, expected 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SiameseSettings(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "second", "kept"), [(0.2, 0.3, 1), (0.3, 0.2, 2), (0.3, 0.3, 1)])
def test_the_branch_with_the_smaller_focal_loss_is_kept_and_of_equals_the_first(
    first: float, second: float, kept: int
) -> None:
    losses = {"loss": 1.0, "average_loss": 0.1, "discriminator_accuracy": 0.5}
    assert Branches(first_loss=first, second_loss=second, **losses).kept == kept


def test_classes_weigh_the_same_in_sum_or_frames_do() -> None:
    shares = np.array([0.6, 0.3, 0.1, 0.0])
    weights = balancing(shares, SiameseSettings())
    assert (weights * torch.tensor(shares)).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])
    assert balancing(shares, PLAIN).tolist() == [1.0] * 4


def logits_of(*probabilities: float) -> torch.Tensor:
    p = torch.tensor(probabilities)
    return torch.stack([p, 1 - p], 1).log()


def test_the_average_of_both_is_that_of_their_probabilities() -> None:
    mean = average(logits_of(0.2, 0.9), logits_of(0.6, 0.5)).exp()
    assert mean[:, 0].tolist() == pytest.approx([0.4, 0.7])
    assert mean.sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_branches_are_judged_by_hand_computed_losses() -> None:
    """Both see four frames; a discriminator that always says "same" is right in the half of the pairs that is positive."""
    network = SiameseNet(build(classes=2), build(classes=2)).eval()
    last = network.discriminator[2]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.eye(2)[SAME] * math.log(3.0))  # P(same) = 3/4
        vectors = torch.zeros(4, 256)
        found = judged(
            network,
            torch.tensor([0, 0, 1, 1]),
            Seen(logits_of(0.8, 0.8, 0.5, 0.5), vectors),
            Seen(logits_of(0.5, 0.5, 0.5, 0.5), vectors),
            dataclasses.replace(PLAIN, discriminator_weight=2.0),
            seed=0,
        )
    first, second = (math.log(1 / 0.8) + math.log(2)) / 2, math.log(2)
    cross = (math.log(4 / 3) + math.log(4)) / 2
    assert (found.first_loss, found.second_loss) == pytest.approx((first, second), rel=1e-4)
    assert found.loss == pytest.approx(first + second + 2 * cross, rel=1e-4)
    assert found.average_loss == pytest.approx((math.log(1 / 0.65) + math.log(2)) / 2, rel=1e-4)
    assert (found.discriminator_accuracy, found.kept) == (0.5, 1)


@torch.no_grad()
def test_the_average_of_both_is_a_classifier() -> None:
    network = SiameseNet(build(classes=3), build(classes=3)).eval()
    images = torch.randn(2, 3, 64, 64)
    expected = (network.keep(1)(images).softmax(1) + network.keep(2)(images).softmax(1)) / 2
    torch.testing.assert_close(AverageOfBoth(network)(images).exp(), expected)
