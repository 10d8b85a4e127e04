import dataclasses
import errno
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, DataError, OutputError, UsageError
from edgeneuro.training.checkpoint import load_model, read_config, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.run import STATE
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.trainer import torch_threads
from tests.training.killing import Killed, kill_when


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run of the settings `tiny`."""
    out = tmp_path_factory.mktemp("whole") / "run"
    settings = TrainSettings(model="myositis", data=str(tiny_folder), epochs=5, batch_size=8, image_size=32)
    train(settings, out, threads=1)
    return out


def test_a_run_leaves_four_files_and_no_unfinished_state(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "split.json",
    ]


def test_metrics_hold_a_row_an_epoch_and_scores_that_fit_the_split(whole: Path, tiny_folder: Path) -> None:
    metrics = json.loads((whole / "metrics.json").read_text())
    dataset, split = open_data(str(tiny_folder)), read_split(whole)
    assert [row["epoch"] for row in metrics["history"]] == [0, 1, 2, 3, 4]
    for part in ("validation", "test"):
        samples = split.part(dataset.samples, part)
        assert metrics[part]["frames"] == len(samples) == np.sum(metrics[part]["confusion_matrix"])
        assert metrics[part]["groups"] == len({sample.group for sample in samples})
    best = max(metrics["history"], key=lambda row: (row["macro_f1"], -row["validation_loss"]))
    assert best["epoch"] == metrics["best_epoch"]
    assert metrics["validation"]["macro_f1"] == pytest.approx(best["macro_f1"])


def test_config_records_the_training_part_and_its_grey_levels(whole: Path, tiny_folder: Path) -> None:
    config, dataset = read_config(whole), open_data(str(tiny_folder))
    training = read_split(whole).part(dataset.samples, "training")
    assert (config.trained_on.frames, config.trained_on.simulated) == (len(training), False)
    pixels = np.stack([config.frame_preprocess.resize(dataset.read(sample)) for sample in training]) / 255
    assert config.frame_preprocess.mean == pytest.approx((pixels.mean(),))
    assert config.frame_preprocess.std == pytest.approx((pixels.std(),))


def test_the_stored_network_reproduces_the_stored_test_accuracy(whole: Path, tiny_folder: Path) -> None:
    config, dataset, network = read_config(whole), open_data(str(tiny_folder)), load_model(whole)
    test = read_split(whole).part(dataset.samples, "test")
    frames = torch.from_numpy(np.stack([config.frame_preprocess(dataset.read(sample)) for sample in test]))
    with torch.no_grad():
        predicted = network(frames).argmax(1).numpy()
    right = np.mean(predicted == [sample.target for sample in test])
    assert right == json.loads((whole / "metrics.json").read_text())["test"]["accuracy"]


def test_training_learns_what_a_human_sees_at_once(tiny: TrainSettings, tmp_path: Path) -> None:
    result = train(dataclasses.replace(tiny, epochs=12, learning_rate=3e-3), tmp_path / "run", threads=1)
    assert result.metrics["test"]["accuracy"] == 1.0


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    train(tiny, tmp_path / "again", threads=1)
    train(dataclasses.replace(tiny, seed=1), tmp_path / "other", threads=1)
    assert same(weights(tmp_path / "again"), weights(whole))
    assert not same(weights(tmp_path / "other"), weights(whole))


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 1, id="before the first epoch ends"),
        pytest.param(lambda done: done.done == 8, id="within the third epoch"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 1, id="just after the second epoch"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 4, id="after the last epoch"),
    ],
)
def test_a_run_cut_off_anywhere_resumes_to_the_weights_of_an_uninterrupted_one(
    reached: Callable[[Progress], bool], whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Killed):
        train(tiny, out, threads=1, progress=kill_when(reached))
    assert not (out / "config.json").exists()
    result = train(tiny, out, threads=1, resume=True)
    assert same(weights(out), weights(whole))
    history = json.loads((whole / "metrics.json").read_text())["history"]
    assert [row | {"seconds": 0} for row in result.metrics["history"]] == [row | {"seconds": 0} for row in history]


def test_a_run_killed_by_the_system_resumes_to_the_same_weights(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    script = f"""
import os, signal
from pathlib import Path
from edgeneuro.training.fit import train
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.trainer import torch_threads
from tests.training.killing import Killed, kill_when
def progress(done):
    if done.stage == "training" and done.done == 11:
        os.kill(os.getpid(), signal.SIGKILL)
train({tiny!r}, Path({str(tmp_path / "run")!r}), threads=1, progress=progress)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    (tmp_path / "run" / STATE).with_name(".state.safetensors.abc.part").write_bytes(b"killed while writing")
    train(tiny, tmp_path / "run", threads=1, resume=True)
    assert same(weights(tmp_path / "run"), weights(whole))
    assert not (tmp_path / "run" / STATE).parent.exists()


def test_early_stopping_ends_a_run_and_a_resumed_run_ends_there_too(tiny: TrainSettings, tmp_path: Path) -> None:
    settings = dataclasses.replace(tiny, epochs=60, patience=2, learning_rate=1e-9)
    first = train(settings, tmp_path / "first", threads=1)
    scores = [row["macro_f1"] for row in first.metrics["history"]]
    last = len(scores) - 1
    assert last == scores.index(max(scores)) + 2 < 59
    with pytest.raises(Killed):
        stop = kill_when(lambda done: done.row is not None and done.row.epoch == last)
        train(settings, tmp_path / "second", threads=1, progress=stop)
    second = train(settings, tmp_path / "second", threads=1, resume=True)
    assert len(second.metrics["history"]) == last + 1


@pytest.mark.parametrize("name", [STATE.name, "config.json"])
def test_a_disk_that_fills_up_loses_nothing_and_the_run_resumes_to_the_same_weights(
    name: str, whole: Path, tiny: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is written after every epoch, the other files at the end, config.json last."""
    out, write_bytes = tmp_path / "run", Path.write_bytes

    def half_written(path: Path, data: bytes) -> int:
        if not path.name.startswith(f".{name}."):
            return write_bytes(path, data)
        write_bytes(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Killed):
        train(tiny, out, threads=1, progress=kill_when(lambda done: done.row is not None and done.row.epoch == 3))
    with monkeypatch.context() as full, pytest.raises(OutputError, match=f"{name}: the disk is full; nothing was"):
        full.setattr(Path, "write_bytes", half_written)
        train(tiny, out, threads=1, resume=True)
    assert not (out / "config.json").exists()
    assert not list(out.rglob("*.part"))
    train(tiny, out, threads=1, resume=True)
    assert same(weights(out), weights(whole))


def test_the_last_epoch_is_written_where_it_was_asked_for_whatever_validation_says(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    result = train(dataclasses.replace(tiny, keep="last", patience=1), tmp_path / "run", threads=1)
    assert result.config.best_epoch == len(result.metrics["history"]) - 1 == tiny.epochs - 1
    best = read_config(whole).best_epoch
    assert same(weights(tmp_path / "run"), weights(whole)) == (best == tiny.epochs - 1)


def test_a_model_for_grey_frames_is_trained_in_colour_where_asked(tiny: TrainSettings, tmp_path: Path) -> None:
    result = train(dataclasses.replace(tiny, channels=3, epochs=1), tmp_path / "run", threads=1)
    assert (result.config.channels, result.config.frame_preprocess.channels) == (3, 3)
    with torch.no_grad():
        assert load_model(tmp_path / "run").eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


def test_resuming_a_finished_run_returns_it_without_training(whole: Path, tiny: TrainSettings) -> None:
    before = (whole / "model.safetensors").stat().st_mtime_ns
    assert train(tiny, whole, resume=True).config == read_config(whole)
    assert (whole / "model.safetensors").stat().st_mtime_ns == before


def test_resuming_with_other_settings_names_the_one_that_differs(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    other = dataclasses.replace(tiny, batch_size=4)
    with pytest.raises(CheckpointError, match=r"was trained with batch size 8, now got 4; .*--force"):
        train(other, whole, resume=True)
    with pytest.raises(Killed):
        train(tiny, tmp_path / "run", threads=1, progress=kill_when(lambda done: done.done == 4))
    with pytest.raises(CheckpointError, match="was trained with batch size 8, now got 4"):
        train(other, tmp_path / "run", resume=True)


def test_an_existing_checkpoint_is_not_overwritten_without_force(
    whole: Path, tiny: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="exists already; give --force"):
        train(tiny, whole)
    with pytest.raises(Killed):
        train(tiny, tmp_path / "run", threads=1, progress=kill_when(lambda done: done.done == 4))
    with pytest.raises(OutputError, match="holds an unfinished run; give --resume to go on"):
        train(tiny, tmp_path / "run")
    train(dataclasses.replace(tiny, epochs=1), tmp_path / "run", threads=1, force=True)
    assert read_config(tmp_path / "run").epochs == 1


def test_an_unreadable_state_says_so(tiny: TrainSettings, tmp_path: Path) -> None:
    state = tmp_path / "run" / STATE
    state.parent.mkdir(parents=True)
    state.write_bytes(b"\x80\x04}.")  # an empty pickled dict
    with pytest.raises(CheckpointError, match=r"is not a training state .*--force"):
        train(tiny, tmp_path / "run", resume=True)


def test_a_diverging_run_ends_with_advice(tiny: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="give a smaller --learning-rate"):
        train(dataclasses.replace(tiny, learning_rate=1e30), tmp_path / "run", threads=1)


def test_frames_of_one_grey_level_are_refused(tiny: TrainSettings, tmp_path: Path) -> None:
    rows = ["file,label,group_id"]
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 40), 7, np.uint8))
        rows.append(f"{number}.png,{'ab'[number % 2]},{number}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match="all pixels have the same value"):
        train(dataclasses.replace(tiny, data=str(tmp_path)), tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: got 0, expected 1 or more"),
        ({"batch_size": 1}, "batch size: got 1, expected 2 or more"),
        ({"image_size": 16}, "image size: got 16, expected 32 or more"),
        ({"channels": 2}, r"channels: got 2, expected 1 \(grey\) or 3 \(colour\)"),
        ({"crop": 0.0}, "crop: got 0.0, expected more than 0, at most 1"),
        ({"training_share": 1.5}, "training share: got 1.5, expected more than 0, at most 1"),
        ({"learning_rate": -1.0}, "learning rate: got -1.0, expected a positive number"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], message: str, tiny: TrainSettings) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(tiny, **change)  # type: ignore[arg-type]


def test_a_colour_model_gets_grey_frames_three_times(tiny: TrainSettings, tmp_path: Path) -> None:
    """Only the data path: DualVGG itself is too large for a test."""
    from edgeneuro.preprocess import Preprocess
    from edgeneuro.training.frames import FrameBatches, normalised_for, read_frames

    assert tiny.data is not None
    dataset = open_data(tiny.data)
    preprocess = Preprocess(height=32, width=32, channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)
    frames = read_frames(dataset.subset(dataset.samples[:2]), preprocess)
    images, _ = FrameBatches(frames, normalised_for(preprocess, frames)).__getitems__([0, 1])
    assert images.shape == (2, 3, 32, 32)
    assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])


def test_training_does_not_disturb_torch_or_logging(tiny: TrainSettings, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.rand(1)
    torch.manual_seed(7)
    level = logging.getLogger("lightning.pytorch").level
    train(dataclasses.replace(tiny, epochs=1), tmp_path / "run", threads=1)
    assert torch.equal(torch.rand(1), before)
    assert logging.getLogger("lightning.pytorch").level == level


def test_the_number_of_threads_holds_for_training_only() -> None:
    with torch_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1
