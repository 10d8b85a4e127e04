import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.training import fit
from edgeneuro.training.checkpoint import MODEL, MadeFrom, lineage, load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.masks.scenes import PseudoScenes, Scene, read_scenes
from edgeneuro.training.masks.score import score_scenes
from edgeneuro.training.settings import MaskSettings, TrainSettings
from edgeneuro.training.start import Start, Trainee
from tests.noise import write_noise
from tests.training.killing import Killed, kill_when
from tests.training.masks.lines import line_image, line_volumes, tiny_settings, write_lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("lines"))


@pytest.fixture
def tiny(folder: Path) -> TrainSettings:
    """Three epochs of three batches."""
    return tiny_settings(folder, epochs=3)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run of the settings `tiny`."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(tiny_settings(folder, epochs=3), out, threads=1)
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, two: Path) -> bool:
    a, b = weights(one), weights(two)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def pseudo(number: int = 9) -> PseudoScenes:
    image, mask = line_image(number)
    scene = Scene(values=image.astype(np.uint16) * 257, label=mask, group="pool", weight=0.6, manual=False)
    return PseudoScenes(scenes=(scene,) * 8, record={"round": 1, "number": number})


def test_the_stored_network_reproduces_the_stored_scores_on_whole_frames(whole: Path, folder: Path) -> None:
    config, data = read_config(whole), open_data(str(folder))
    assert config.frame_preprocess.tiled is not None and config.frame_preprocess.tile == (32, 32)
    test = data.subset(read_split(whole).part(data.samples, "test"))
    scores = score_scenes(load_model(whole), read_scenes(test, config.frame_preprocess), config.frame_preprocess)
    stored = read_metrics(whole)["test"]
    assert (stored["frames"], stored["voxel_f1"]) == (scores.frames, scores.voxel_f1) == (2, scores.voxel_f1)
    assert config.masks == MaskSettings()


def test_the_epoch_of_the_highest_dice_is_kept(whole: Path) -> None:
    metrics = read_metrics(whole)
    best = max(metrics["history"], key=lambda row: (row["dice"], -row["validation_loss"]))
    assert best["epoch"] == metrics["best_epoch"]


def test_training_finds_bright_lines(tiny: TrainSettings, tmp_path: Path) -> None:
    settings = dataclasses.replace(tiny, epochs=12, learning_rate=2e-2, options={"width": 4, "levels": 2})
    result = train(settings, tmp_path / "run", threads=1)
    assert result.metrics["test"]["voxel_f1"] > 0.6
    assert result.metrics["test"]["tolerant_f1"]["2"] > 0.6


@pytest.mark.parametrize("done", [1, 4])
def test_a_killed_run_resumes_to_the_weights_of_an_uninterrupted_one(
    done: int, whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(tiny, tmp_path / "run", threads=1, progress=kill_when(lambda seen: seen.done == done))
    train(tiny, tmp_path / "run", threads=1, resume=True)
    assert same(tmp_path / "run", whole)


def test_volumes_are_learnt_from_and_their_ignored_places_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "open_data", lambda *_, **__: line_volumes(3, planes=4))
    settings = TrainSettings(
        model="segmentation-3d",
        epochs=1,
        batch_size=2,
        image_size=32,
        depth=4,
        options={"width": 2, "levels": 2},
        masks=MaskSettings(centreline_weight=0.3),
    )
    result = train(settings, tmp_path / "run", threads=1)
    assert result.config.frame_preprocess.tile == (4, 32, 32)
    assert all(math.isfinite(row["training_loss"]) for row in result.metrics["history"])
    assert load_model(tmp_path / "run")(torch.zeros(1, 1, 4, 32, 32)).shape == (1, 1, 4, 32, 32)
    with pytest.raises(CheckpointError, match="was trained with depth 4, now got 8"):
        train(dataclasses.replace(settings, depth=8), tmp_path / "run", resume=True)


def test_pseudo_labelled_scenes_change_what_is_learnt_and_are_part_of_the_run(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Killed):
        train(tiny, out, more=pseudo(), threads=1, progress=kill_when(lambda seen: seen.row is not None))
    with pytest.raises(CheckpointError, match=r"beside pseudo-labels of .*'number': 9.*, now got no pseudo-labels"):
        train(tiny, out, threads=1, resume=True)
    config = train(tiny, out, more=pseudo(), threads=1, resume=True).config
    assert config.pseudo == {"round": 1, "number": 9}
    assert config.frame_preprocess == read_config(whole).frame_preprocess
    assert not same(out, whole)
    with pytest.raises(CheckpointError, match=r"now got pseudo-labels of .*'number': 8"):
        train(tiny, out, more=pseudo(8), resume=True)
    assert train(tiny, out, more=pseudo(), resume=True).config == config


@pytest.mark.parametrize("model", ["segmentation-2d", "segmentation-3d"])
def test_a_run_takes_over_the_weights_of_another_checkpoint(
    model: str, tmp_path: Path, tiny: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model == "segmentation-3d":
        monkeypatch.setattr(fit, "open_data", lambda *_, **__: line_volumes(3, planes=4))
    settings = dataclasses.replace(
        tiny, model=model, epochs=1, batch_size=8, depth=4 if model == "segmentation-3d" else None
    )
    train(settings, tmp_path / "first", threads=1)
    frozen = dataclasses.replace(settings, initial=str(tmp_path / "first"), learning_rate=1e-12)
    result = train(frozen, tmp_path / "second", threads=1)
    assert result.config.initial is not None and result.config.initial.fresh == ()
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert all(torch.allclose(before[name], after[name]) for name in before if name.endswith("weight"))


def test_a_run_goes_on_from_a_checkpoint_with_its_split_and_grey_levels(whole: Path, tmp_path: Path) -> None:
    config = read_config(whole)
    start = Start(
        made_from=MadeFrom(checkpoint=config.files[MODEL]),
        ancestors=lineage(config),
        split=read_split(whole),
        preprocess=config.frame_preprocess,
        prepare=lambda *_: Trainee(network=load_model(whole), finish=lambda network: (network, None)),
    )
    result = train(settings_of(whole, epochs=1, seed=1), tmp_path / "run", start=start, threads=1)
    assert result.config.frame_preprocess == config.frame_preprocess
    assert result.metrics["before"]["test"] == read_metrics(whole)["test"]


def test_frames_without_masks_are_refused(tmp_path: Path, tiny: TrainSettings) -> None:
    (tmp_path / "noise").mkdir()
    write_noise(tmp_path / "noise", side=40, groups=3, frames=1)
    with pytest.raises(DataError, match="has no masks, segmentation-2d learns from frames with one each"):
        train(dataclasses.replace(tiny, data=str(tmp_path / "noise")), tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 0.5}, "crop: got 0.5, but 'segmentation-2d' learns from crops of whole frames"),
        ({"channels": 3}, "channels: got 3"),
        ({"augmentation": "photograph"}, "augmentation: got photograph"),
        ({"label_noise": 0.1}, "label noise: got 0.1"),
        ({"depth": 8}, "depth: got 8, but 'segmentation-2d' takes images, no volumes"),
        ({"model": "segmentation-3d", "depth": 0}, "depth: got 0, expected 1 or more"),
        ({"model": "myositis", "masks": MaskSettings()}, "--masks: 'myositis' is not trained so, only segmentation-2d"),
    ],
)
def test_settings_that_mean_nothing_for_masks_are_refused(
    change: dict[str, object], message: str, tiny: TrainSettings
) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(tiny, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("foreground_share", 1.5), ("manual_share", -0.1), ("centreline_weight", math.inf)]
)
def test_mask_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"masks {name}: got {value}"):
        MaskSettings(**{name: value})


def test_pseudo_labels_are_refused_for_a_classifier(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pseudo-labels: are masks, 'myositis' learns from classes"):
        train(TrainSettings(model="myositis"), tmp_path / "run", more=pseudo())
