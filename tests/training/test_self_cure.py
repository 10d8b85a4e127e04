import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.models.morphology import MorphologyNet, build
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.self_cure import high_group, rank_regularisation, relabelled, weighted_cross_entropy
from edgeneuro.training.settings import SelfCureSettings, TrainSettings, with_recipe
from tests.models.test_morphology import as_torchvision
from tests.training.killing import Killed, kill_when

ALPHA = torch.tensor([0.9, 0.2, 0.8, 0.5])


def test_weighted_cross_entropy_is_that_of_the_weighted_logits() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    alpha, targets = torch.tensor([[0.5], [1.0]]), torch.tensor([0, 0])
    by_hand = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(1.0))) / 2
    assert float(weighted_cross_entropy(logits, alpha, targets, torch.ones(2))) == pytest.approx(by_hand)


def test_classes_count_as_they_are_weighted() -> None:
    logits, alpha, targets = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.ones(2, 1), torch.tensor([0, 1])
    each = [math.log(1 + math.exp(-2.0)), math.log(1 + math.exp(-1.0))]
    by_hand = (3 * each[0] + each[1]) / 4
    assert float(weighted_cross_entropy(logits, alpha, targets, torch.tensor([3.0, 1.0]))) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("ratio", "high"),
    [(0.5, [True, False, True, False]), (0.7, [True, False, True, False]), (0.75, [True, False, True, True])],
)
def test_the_high_group_is_the_first_floor_of_ratio_times_batch(ratio: float, high: list[bool]) -> None:
    assert high_group(ALPHA, ratio).tolist() == high


def test_of_equal_weights_the_earlier_ones_are_high() -> None:
    assert high_group(torch.tensor([0.5, 0.5, 0.5, 0.5]), 0.5).tolist() == [True, True, False, False]


def test_rank_regularisation_is_what_the_margin_lacks() -> None:
    assert float(rank_regularisation(ALPHA, 0.5, 0.6)) == pytest.approx(0.6 - (0.85 - 0.35))
    assert float(rank_regularisation(ALPHA, 0.5, 0.4)) == 0.0


def test_rank_regularisation_drives_the_groups_apart() -> None:
    alpha = ALPHA.clone().requires_grad_()
    rank_regularisation(alpha, 0.5, 0.6).backward()  # type: ignore[no-untyped-call]
    assert alpha.grad is not None and alpha.grad.tolist() == [-0.5, 0.5, -0.5, 0.5]


@pytest.mark.parametrize("ratio", [0.0, 0.2, 1.0])
def test_a_batch_with_one_group_has_no_rank(ratio: float) -> None:
    alpha = ALPHA.clone().requires_grad_()
    loss = rank_regularisation(alpha, ratio, 0.6)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0 and alpha.grad is not None and not alpha.grad.any()


def test_only_doubtful_samples_of_the_low_group_are_relabelled() -> None:
    logits = torch.tensor([[0.0, 5.0], [0.0, 5.0], [5.0, 0.0], [0.0, 0.1]])  # likeliest: 1, 1, 0, just 1
    targets = torch.tensor([0, 0, 0, 0])
    assert relabelled(logits, ALPHA, targets, 0.5, 0.2).tolist() == [0, 1, 0, 0]
    assert relabelled(logits, ALPHA, targets, 0.5, 0.0).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"high_ratio": 1.5}, "high_ratio: got 1.5, expected 0 to 1"),
        ({"margin": -0.1}, "margin: got -0.1"),
        ({"rank_weight": 2.0}, "rank_weight: got 2.0"),
        ({"relabel_margin": 1.1}, "relabel_margin: got 1.1"),
        ({"relabel_from": -1}, "relabel_from: got -1, expected an epoch from 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SelfCureSettings(**wrong)


def test_only_morphology_is_trained_so() -> None:
    with pytest.raises(UsageError, match="--self-cure: 'skin' is not trained so, only morphology"):
        TrainSettings(model="skin", self_cure=SelfCureSettings())


def test_what_starts_from_a_checkpoint_has_no_weights() -> None:
    settings = TrainSettings(model="morphology")
    assert with_recipe(settings, alone=True).self_cure == SelfCureSettings()
    assert with_recipe(settings, alone=False).self_cure == SelfCureSettings(weights=False)
    with pytest.raises(UsageError, match="is the deployed network; give weights=false"):
        with_recipe(TrainSettings(model="morphology", self_cure=SelfCureSettings()), alone=False)


CURE = SelfCureSettings(relabel_margin=0.0, relabel_from=0, high_ratio=0.5)


def morphology(folder: Path, **changes: Any) -> TrainSettings:
    short: dict[str, Any] = {
        "data": str(folder),
        "epochs": 3,
        "batch_size": 8,
        "image_size": 65,
        "augmentation": "photograph",
    }
    return TrainSettings(model="morphology", **{"self_cure": CURE, "label_noise": 0.25, **short, **changes})


@pytest.fixture(scope="module")
def whole(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run that weighs and relabels."""
    out = tmp_path_factory.mktemp("cured") / "run"
    train(morphology(tiny_folder), out, threads=1)
    return out


def test_what_is_stored_is_the_deployed_network_without_the_weights(whole: Path) -> None:
    network = load_model(whole)
    assert isinstance(network, MorphologyNet) and network.weight_head is None
    assert read_config(whole).self_cure == CURE


def test_the_weight_of_every_training_frame_and_what_became_of_its_label_are_kept(
    whole: Path, tiny_folder: Path
) -> None:
    dataset, metrics = open_data(str(tiny_folder)), read_metrics(whole)
    training = read_split(whole).part(dataset.samples, "training")
    cured = metrics["self_cure"]
    assert len(cured["quality"]) == len(training) and all(0.0 < value < 1.0 for value in cured["quality"])
    assert len(metrics["mislabelled"]) == round(0.25 * len(training))
    assert cured["relabelled"] and set(cured["relabelled"].values()) <= set(dataset.classes)
    assert all(0 <= int(row) < len(training) for row in cured["relabelled"])


def test_a_killed_run_goes_on_with_the_labels_it_had_come_to(whole: Path, tiny_folder: Path, tmp_path: Path) -> None:
    def two_epochs(progress: Progress) -> bool:
        return progress.row is not None and progress.row.epoch == 1

    with pytest.raises(Killed):
        train(morphology(tiny_folder), tmp_path / "run", threads=1, progress=kill_when(two_epochs))
    train(morphology(tiny_folder), tmp_path / "run", threads=1, resume=True)
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "run"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert read_metrics(tmp_path / "run")["self_cure"] == read_metrics(whole)["self_cure"]


def test_another_recipe_is_not_resumed(whole: Path, tiny_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"self cure margin 0\.07, now got 0\.1"):
        other = SelfCureSettings(relabel_margin=0.0, relabel_from=0, high_ratio=0.5, margin=0.1)
        train(morphology(tiny_folder, self_cure=other), whole, resume=True)
    with pytest.raises(CheckpointError, match=r"label noise 0\.25, now got 0\.1"):
        train(morphology(tiny_folder, label_noise=0.1), whole, resume=True)


def test_quality_is_stored_where_it_is_asked_for(tiny_folder: Path, tmp_path: Path) -> None:
    train(
        morphology(tiny_folder, epochs=1, options={"quality": True, "reconstruction": "crop"}),
        tmp_path / "run",
        threads=1,
    )
    network = load_model(tmp_path / "run")
    assert isinstance(network, MorphologyNet) and network.weight_head is not None


def test_without_weights_the_network_learns_what_a_human_sees_at_once(tiny_folder: Path, tmp_path: Path) -> None:
    plain = SelfCureSettings(weights=False)
    result = train(
        morphology(tiny_folder, self_cure=plain, label_noise=0.0, epochs=4, options={"reconstruction": "none"}),
        tmp_path / "run",
        threads=1,
    )
    assert result.metrics["test"]["accuracy"] == 1.0 and "self_cure" not in result.metrics


def test_imagenet_weights_come_from_a_file(tiny_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    weights = as_torchvision(build(classes=12))
    save_file(weights, tmp_path / "resnet18.safetensors")
    settings = morphology(tiny_folder, epochs=1, learning_rate=1e-12, initial=str(tmp_path / "resnet18.safetensors"))
    result = train(settings, tmp_path / "run", threads=1)
    started = result.config.initial
    assert started is not None and started.name == "imagenet"
    assert {name.partition(".")[0] for name in started.fresh if "num_batches" not in name} == {
        "head",
        "weight_head",
        "reconstruction",
    }
    assert result.config.frame_preprocess.mean == (0.485, 0.456, 0.406)
    torch.testing.assert_close(
        load_file(tmp_path / "run" / "model.safetensors")["stem.0.0.weight"], weights["conv1.weight"], rtol=0, atol=1e-6
    )
    assert train(settings, tmp_path / "run", resume=True).config == result.config
    save_file({**weights, "bn1.bias": weights["bn1.bias"] + 1}, tmp_path / "resnet18.safetensors")
    with pytest.raises(CheckpointError, match="was trained from initial weights imagenet"):
        train(settings, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 a torch archive", "is no safetensors file"),
        ({"layer1.0.conv1.weight": torch.zeros(64, 64, 5, 5)}, "do not fit at stages.0.0.first.0.weight"),
        ({"fc.weight": torch.zeros(3, 3)}, "do not fit at any place"),
        ({"features.0.weight": torch.zeros(3)}, "do not fit at features.0.weight"),
    ],
)
def test_other_files_are_refused(content: Any, message: str, tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_file(content, path)
    with pytest.raises(CheckpointError, match=message):
        train(morphology(tiny_folder, epochs=1, initial=str(path)), tmp_path / "run")


def test_a_file_is_for_networks_that_have_torchvision_s_layers(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="weights from a file are for morphology, resnet18, not for 'myositis'"):
        train(
            TrainSettings(model="myositis", data=str(tiny_folder), image_size=32, initial="a.safetensors"),
            tmp_path / "run",
        )
