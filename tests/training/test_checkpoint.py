import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeneuro.data.split import Split
from edgeneuro.errors import CheckpointError
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.checkpoint import (
    load_model,
    packaged,
    read_config,
    read_metrics,
    read_split,
    write_checkpoint,
)
from tests.checkpoints import checkpoint_config

CONFIG = checkpoint_config(
    options={"attention": "none"}, preprocess=Preprocess(height=64, width=64, mean=(0.25,), std=(0.1,))
)
SPLIT = Split(protocol="grouped", fold=0, seed=0, salt="s", training=("1",), validation=("2",), test=("3",))


def network(**options: Any) -> torch.nn.Module:
    return build_model("myositis", classes=2, channels=1, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_checkpoint(
        tmp_path / "run", network=network(attention="none"), config=CONFIG, metrics={"test": 0.5}, split=SPLIT
    )
    return tmp_path / "run"


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@torch.no_grad()
def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written = network(attention="none").eval()
    write_checkpoint(tmp_path, network=written, config=CONFIG, metrics={"test": 0.5}, split=SPLIT)
    assert replace(read_config(tmp_path), files={}) == CONFIG
    assert read_split(tmp_path) == SPLIT and read_metrics(tmp_path) == {"test": 0.5}
    frame, read = torch.randn(1, 1, 64, 64), load_model(tmp_path)
    assert not read.training
    assert torch.equal(read(frame), written(frame))


@pytest.mark.parametrize(
    ("name", "read"),
    [("model.safetensors", load_model), ("metrics.json", read_metrics), ("split.json", read_split)],
)
def test_an_edited_or_missing_file_is_named(name: str, read: Callable[[Path], object], folder: Path) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b" ")
    with pytest.raises(CheckpointError, match=rf"{name}: has SHA-256 .* was edited or comes from another run"):
        read(folder)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        read(folder)


def test_a_folder_without_configuration_is_no_checkpoint(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CheckpointError, match=r"is not a checkpoint folder, it has no config.json; expected"):
            read_config(path)


def test_a_newer_schema_asks_for_an_upgrade(folder: Path) -> None:
    edit(folder / "config.json", lambda value: value.update(schema=99, new_field=1))
    with pytest.raises(CheckpointError, match="has schema 99, this edgeneuro reads up to 1; upgrade"):
        read_config(folder)


def test_an_unknown_model_and_a_wrong_field_are_named(folder: Path) -> None:
    edit(folder / "config.json", lambda value: value.update(model="resnet"))
    with pytest.raises(CheckpointError, match="is of model 'resnet', expected one of myositis, myositis-dual"):
        read_config(folder)
    edit(folder / "config.json", lambda value: value.update(epochs="ten"))
    with pytest.raises(CheckpointError, match=r"config.json.epochs: got 'ten', expected a whole number"):
        read_config(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_config(folder)


@pytest.mark.parametrize(
    "change", [{"options": {}}, {"classes": ["a", "b", "c"]}, {"channels": 3}, {"options": {"depth": 3}}]
)
def test_weights_of_another_network_are_refused(change: dict[str, Any], folder: Path) -> None:
    edit(folder / "config.json", lambda value: value.update(change))
    with pytest.raises(CheckpointError, match=r"does not hold the weights of 'myositis'.*is it of another model\?"):
        load_model(folder)


def test_a_model_without_packaged_weights_says_how_to_train_it() -> None:
    with pytest.raises(CheckpointError, match="comes without weights; train it with: edgeneuro train myositis-dual"):
        packaged("myositis-dual")
