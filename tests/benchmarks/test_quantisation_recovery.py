"""The network that quantisation hurts: the same float network to the bit, with channels far apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeneuro.benchmarks.quantisation_recovery import widen
from edgeneuro.calibration.ranges import Range, activation_parameters
from edgeneuro.errors import ModelFileError
from edgeneuro.training.checkpoint import load_model, packaged


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    widen(packaged("myositis"), folder, octaves=7, seed=0)
    return folder


def channels_behind_the_first_depthwise(folder: Path, frames: torch.Tensor) -> np.ndarray:
    """(channel,) largest value of each."""
    network = load_model(folder)
    seen: list[torch.Tensor] = []
    network.blocks[0].first.depthwise_relu.register_forward_hook(lambda *args: seen.append(args[2]))  # type: ignore[index,union-attr]
    with torch.no_grad():
        network(frames)
    return seen[0].amax((0, 2, 3)).numpy()


def test_the_float_network_is_the_same_to_the_bit_on_other_frames(wide: Path) -> None:
    frames = 3 * torch.randn(2, 1, 224, 224, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert torch.equal(load_model(wide)(frames), load_model(packaged("myositis"))(frames))


def test_its_channels_differ_by_powers_of_two_so_that_one_scale_leaves_the_small_ones_few_steps(wide: Path) -> None:
    frames = torch.randn(2, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    before = channels_behind_the_first_depthwise(packaged("myositis"), frames)
    after = channels_behind_the_first_depthwise(wide, frames)
    factors = np.log2(after[before > 0] / before[before > 0])
    assert set(factors.tolist()) <= set(map(float, range(8))) and factors.max() - factors.min() >= 5
    scale, _ = activation_parameters(Range(0.0, float(after.max())), "unsigned")
    steps = after[after > 0] / float(scale)
    assert np.quantile(steps, 0.25) < 16


def test_factors_that_change_the_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "exp2", lambda powers: 1.1**powers)
    with pytest.raises(ModelFileError, match="other logits"):
        widen(packaged("myositis"), tmp_path, octaves=7, seed=0)
