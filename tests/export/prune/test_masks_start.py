"""From a checkpoint to one with zeros in it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.prune.mask_start import masked_start
from edgeneuro.export.prune.masks import MaskSettings
from edgeneuro.export.prune.two_four import follows_2_4, layers_following_2_4
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.run import STATE
from edgeneuro.training.settings import TrainSettings
from tests.noise import write_noise
from tests.training.killing import Killed

SIDE = 32
TOY = ModelEntry(name="toy", title="for tests", builder="tests.export.qat_toy:build")
HALF, FOURS = MaskSettings(sparsity=0.5), MaskSettings(pattern="2:4")


@dataclass(frozen=True)
class Given:
    """A checkpoint of a few epochs on two kinds of noise."""

    folder: Path
    settings: TrainSettings


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    """A small model in the table, while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[str, ModelEntry], MODELS), "toy", TOY)
        yield


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    data = tmp_path_factory.mktemp("noise")
    write_noise(data, side=SIDE, groups=4, frames=3)
    folder = tmp_path_factory.mktemp("trained") / "run"
    settings = TrainSettings(model="toy", data=str(data), epochs=2, batch_size=8, image_size=SIDE)
    train(settings, folder, threads=1)
    return Given(folder=folder, settings=settings)


@pytest.fixture(scope="module", params=[HALF, FOURS], ids=["half", "2:4"])
def masked(request: pytest.FixtureRequest, given: Given, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    out = tmp_path_factory.mktemp("masked") / "run"
    train(given.settings, out, start=masked_start(given.folder, request.param), threads=1)
    return out


def settings_of(folder: Path) -> MaskSettings:
    made_from = read_config(folder).made_from
    assert made_from is not None
    return FOURS if "pattern" in made_from.pruned else HALF


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_zeros_are_still_zero_after_training_and_the_rest_has_moved(given: Given, masked: Path) -> None:
    before, after = weights(given.folder)["second.0.weight"], weights(masked)["second.0.weight"]
    zero = after == 0
    assert int(zero.sum()) == before.numel() // 2 and not torch.signbit(after[zero]).any()
    assert (before[zero] != 0).all() and (after[~zero] != before[~zero]).all()
    if settings_of(masked) == FOURS:
        assert follows_2_4(after.numpy())
    else:
        assert before.abs()[zero].max() <= before.abs()[~zero].min()


def test_the_result_is_a_plain_network_of_the_table_that_exports(given: Given, masked: Path) -> None:
    assert {name: value.shape for name, value in weights(masked).items()} == {
        name: value.shape for name, value in weights(given.folder).items()
    }
    assert read_config(masked).surgery is None and read_split(masked) == read_split(given.folder)
    network = load_model(masked)
    assert type(network.get_submodule("second.0")) is torch.nn.Conv2d
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    found = list(layers_following_2_4(graph).values())
    assert found == ([False, True, False] if settings_of(masked) == FOURS else [False, False, False])


def test_metrics_say_how_many_zeros_there_are_and_what_they_do_for_speed(given: Given, masked: Path) -> None:
    metrics, config = read_metrics(masked), read_config(masked)
    total = sum(parameter.numel() for parameter in load_model(masked).parameters())
    assert metrics["masks"] == {
        "share": pytest.approx(8 * 8 * 9 / 2 / total),
        "layers": {"second.0": 0.5},
        "dense": {"first.0": "reads the image", "head": "runs last"},
        "speed": settings_of(masked).speed,
    }
    assert config.made_from is not None
    assert config.made_from.checkpoint == read_config(given.folder).files["model.safetensors"]
    how = {"pattern": "2:4"} if settings_of(masked) == FOURS else {"sparsity": 0.5, "scope": "layer"}
    assert config.made_from.pruned == {**how, "seed": 0}
    assert [ancestor.checkpoint for ancestor in config.ancestors] == [config.made_from.checkpoint]


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_run_cut_off_resumes_to_the_same_weights(epochs: int, given: Given, masked: Path, tmp_path: Path) -> None:
    def progress(done: Progress) -> None:
        if done.stage == "training" and (done.row is not None if epochs else done.done == 1):
            raise Killed

    out, start = tmp_path / "run", masked_start(given.folder, settings_of(masked))
    with pytest.raises(Killed):
        train(given.settings, out, start=start, threads=1, progress=progress)
    train(given.settings, out, start=start, threads=1, resume=True)
    got, expected = weights(out), weights(masked)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert read_metrics(out)["before"] == read_metrics(masked)["before"]
    assert not (out / STATE).parent.exists()


def test_the_masks_an_interrupted_run_left_are_used_again(given: Given, tmp_path: Path) -> None:
    """Weights that changed in between would be masked elsewhere."""
    training = open_data(str(given.settings.data))
    samples = read_split(given.folder).part(training.samples, "training")
    start = masked_start(given.folder, HALF)
    first = start.prepare(training.subset(samples), tmp_path)
    (file,) = tmp_path.iterdir()
    other = {"second.0": torch.rand(8, 8, 3, 3) < 0.1}
    save_file(other, file)
    again = start.prepare(training.subset(samples), tmp_path)
    trained = [again.network.get_submodule("second.0"), first.network.get_submodule("second.0")]
    zeros = [getattr(layer, "weight") == 0 for layer in trained]  # noqa: B009
    assert torch.equal(zeros[0], ~other["second.0"]) and not torch.equal(zeros[0], zeros[1])
    masked_start(given.folder, FOURS).prepare(training.subset(samples), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # masks of other settings have a file of their own


def test_normalisation_is_adapted_to_the_zeros_before_training(given: Given, tmp_path: Path) -> None:
    """The statistics are those of the masked layer's outputs on training frames, not what unmasked training left."""
    data = open_data(str(given.settings.data))
    training = data.subset(read_split(given.folder).part(data.samples, "training"))
    network = masked_start(given.folder, MaskSettings(sparsity=0.9)).prepare(training, tmp_path).network.eval()
    config = read_config(given.folder)
    frames = torch.from_numpy(np.stack([config.frame_preprocess(data.read(sample)) for sample in training.samples]))
    with torch.no_grad():
        outputs = network.get_submodule("second.0")(network.get_submodule("first")(frames))
    expected = outputs.mean((0, 2, 3))
    norm = network.get_submodule("second.1")
    assert isinstance(norm, torch.nn.BatchNorm2d) and norm.running_mean is not None
    left = load_model(given.folder).get_buffer("second.1.running_mean")
    assert (norm.running_mean - expected).abs().max() < 0.05 * (left - expected).abs().max()


def test_other_data_and_layers_that_are_not_there_are_refused(given: Given, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keep third: no layer is called so"):
        train(given.settings, tmp_path / "one", start=masked_start(given.folder, replace(HALF, keep=("third",))))
    data = open_data(str(given.settings.data))
    with pytest.raises(CheckpointError, match="give the same data with --data"):
        masked_start(given.folder, HALF).prepare(data, tmp_path)
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        masked_start(tmp_path / "none", HALF)


def test_a_run_with_other_masks_is_not_resumed(given: Given, masked: Path) -> None:
    other = FOURS if settings_of(masked) == HALF else HALF
    with pytest.raises(CheckpointError, match=r"was trained from weights .* pruned with .*, now got .* pruned with"):
        train(given.settings, masked, start=masked_start(given.folder, other), resume=True)
