import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from edgeneuro.errors import CheckpointError
from edgeneuro.training.checkpoint import read_config
from edgeneuro.training.fit import train
from edgeneuro.training.settings import Precision, TrainSettings

RECIPES = ("tiny", "skin", "morphology")


@pytest.fixture
def settings(tiny: TrainSettings, request: pytest.FixtureRequest) -> TrainSettings:
    """Of a short run of the recipe `request.param`."""
    if request.param == "tiny":
        return tiny
    return TrainSettings(model=request.param, data=tiny.data, epochs=2, batch_size=8, image_size=72, channels=1)


@pytest.mark.parametrize("settings", RECIPES, indirect=True)
def test_bfloat16_multiplies_in_bfloat16_and_writes_float32(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[torch.dtype] = set()
    forward = nn.Conv2d.forward

    def watched(layer: nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        maps = forward(layer, images)
        if layer.training:
            seen.add(maps.dtype)
        return maps

    monkeypatch.setattr(nn.Conv2d, "forward", watched)
    precisions: tuple[tuple[Precision, torch.dtype], ...] = (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    for precision, dtype in precisions:
        seen.clear()
        trained = train(dataclasses.replace(settings, precision=precision), tmp_path / precision)
        assert seen == {dtype}
        assert read_config(trained.folder).precision == precision
        weights = load_file(trained.folder / "model.safetensors")
        assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("float32", "bfloat16"))
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_a_run_is_not_resumed_in_another_precision(tiny: TrainSettings, tmp_path: Path) -> None:
    train(tiny, tmp_path / "run")
    with pytest.raises(CheckpointError, match="precision"):
        train(dataclasses.replace(tiny, precision="bfloat16"), tmp_path / "run", resume=True)
