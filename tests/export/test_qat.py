"""Training with quantisation, from checkpoint to checkpoint."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import jsonschema
import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.calibration.ranges import Range
from edgeneuro.cli.main import main
from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.lower import lower
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.qat import QatSettings, form_to_train, train_qat
from edgeneuro.export.quantizable import quantizable_nodes, tensors_needing_ranges
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_ranges, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.run import STATE
from edgeneuro.training.settings import TrainSettings
from tests.noise import write_noise
from tests.training.killing import Killed

SIDE = 32
TOY = ModelEntry(name="toy", title="for tests", builder="tests.export.qat_toy:build")
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "train.schema.json"


@dataclass(frozen=True)
class Given:
    """A checkpoint of a few epochs on two kinds of noise, and ranges with a placement for it."""

    folder: Path
    data: Path
    plan: Plan

    @property
    def settings(self) -> QatSettings:
        return QatSettings(epochs=2, batch_size=8, plan=self.plan)


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
    return Given(folder=folder, data=data, plan=made_up_plan(folder))


def exported(folder: Path) -> onnx.ModelProto:
    return export_onnx(load_model(folder), channels=1, height=SIDE, width=SIDE)[0]


def made_up_plan(folder: Path) -> Plan:
    """Ranges and a placement without the minute that calibration and search take."""
    graph = exported(folder)
    plan = Plan(method="made up", ranges={name: Range(-4.0, 4.0) for name in tensors_needing_ranges(graph)}, biases={})
    form = form_to_train("onnxruntime")
    return with_placement(plan, form.target, tuple(node.name for node in quantizable_nodes(graph, form)))


@pytest.fixture(scope="module")
def quantised(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    out = tmp_path_factory.mktemp("qat") / "run"
    train_qat(given.folder, out, given.settings, model="toy", threads=1)
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_result_is_a_float_checkpoint_with_its_ranges(given: Given, quantised: Path) -> None:
    names = ["config.json", "metrics.json", "model.safetensors", "ranges.json", "split.json"]
    assert sorted(path.name for path in quantised.iterdir()) == names
    before, config = read_config(given.folder), read_config(quantised)
    assert config.made_from is not None
    assert config.made_from.checkpoint == before.files["model.safetensors"]
    assert config.made_from.quantised_for == "onnxruntime"
    assert (config.frame_preprocess, config.trained_on) == (before.frame_preprocess, before.trained_on)
    assert read_split(quantised) == read_split(given.folder)
    content = read_ranges(quantised)
    assert content is not None
    plan = Plan.from_bytes(content)
    assert plan.ranges == given.plan.ranges and (plan.biases, plan.placement) == ({}, {})
    assert not torch.equal(weights(quantised)["head.weight"], weights(given.folder)["head.weight"])


def test_what_was_measured_in_training_is_what_the_lowered_checkpoint_gives(given: Given, quantised: Path) -> None:
    data, config = open_data(str(given.data)), read_config(quantised)
    test = read_split(quantised).part(data.samples, "test")
    frames = np.stack([config.frame_preprocess(data.read(sample)) for sample in test])
    content = read_ranges(quantised)
    assert content is not None
    plan = replace(Plan.from_bytes(content), placement=given.plan.placement)
    lowered = lower(exported(quantised), plan, form_to_train("onnxruntime"))
    predicted = open_emulated(lowered).run({"image": frames})["logits"].argmax(1)
    right = np.mean(predicted == [sample.target for sample in test])
    assert right == read_metrics(quantised)["test"]["accuracy"]


def test_metrics_say_where_it_started_and_what_was_rounded(given: Given, quantised: Path) -> None:
    metrics = read_metrics(quantised)
    assert metrics["made_from"]["quantised_for"] == "onnxruntime"
    assert metrics["quantised"]["nodes"] == list(given.plan.placement["onnxruntime"])
    assert metrics["quantised"]["ranges"] == "made up"
    for scores in (metrics, metrics["before"], metrics["stored"]):
        assert scores["test"]["frames"] == metrics["test"]["frames"]
    assert [row["epoch"] for row in metrics["history"]] == [0, 1]


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 1, id="before the first epoch ends"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 0, id="after the first epoch"),
    ],
)
def test_a_run_cut_off_resumes_to_the_same_weights(
    reached: Callable[[Progress], bool], given: Given, quantised: Path, tmp_path: Path
) -> None:
    def progress(done: Progress) -> None:
        if done.stage == "training" and reached(done):
            raise Killed

    out = tmp_path / "run"
    with pytest.raises(Killed):
        train_qat(given.folder, out, given.settings, threads=1, progress=progress)
    unplanned = replace(given.settings, plan=None)  # the plan that was begun with is kept, and not searched again
    train_qat(given.folder, out, unplanned, threads=1, resume=True)
    got, expected = weights(out), weights(quantised)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert not (out / STATE).parent.exists()


def test_a_finished_run_is_resumed_at_once_and_another_start_is_refused(given: Given, quantised: Path) -> None:
    result = train_qat(given.folder, quantised, given.settings, resume=True)
    assert result.metrics == read_metrics(quantised)
    with pytest.raises(CheckpointError, match=r"quantised for onnxruntime, now got from weights .* in float"):
        train_qat(given.folder, quantised, replace(given.settings, target=None), resume=True)
    plain = TrainSettings(model="toy", data=str(given.data), epochs=2, batch_size=8, image_size=SIDE)
    with pytest.raises(CheckpointError, match="now got from scratch; resume with the same one"):
        train(plain, quantised, resume=True)


def test_training_on_in_float_is_the_same_run_without_rounding(given: Given, tmp_path: Path) -> None:
    result = train_qat(given.folder, tmp_path / "run", replace(given.settings, target=None), threads=1)
    assert result.config.made_from is not None and result.config.made_from.quantised_for is None
    assert read_ranges(tmp_path / "run") is None and "quantised" not in result.metrics
    assert result.metrics["before"]["test"] == read_metrics(given.folder)["test"]


def test_ranges_of_other_weights_are_refused(given: Given, quantised: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((given.folder / name).read_bytes())
    (tmp_path / "ranges.json").write_bytes((quantised / "ranges.json").read_bytes())
    with pytest.raises(CheckpointError, match=r"ranges.json: is not listed in config.json"):
        read_ranges(tmp_path)
    (tmp_path / "config.json").write_bytes((quantised / "config.json").read_bytes())
    (tmp_path / "ranges.json").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="was edited or comes from another run"):
        read_ranges(tmp_path)


def test_a_checkpoint_that_does_not_fit_is_refused(given: Given, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(CheckpointError, match="is a checkpoint of 'toy', expected 'myositis'"):
        train_qat(given.folder, out, given.settings, model="myositis")
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        train_qat(tmp_path / "none", out, given.settings)
    with pytest.raises(UsageError, match="is the checkpoint to start from"):
        train_qat(given.folder, given.folder, given.settings, force=True)
    with pytest.raises(UsageError, match="target 'tensorflow': is not known, expected one of onnxruntime"):
        train_qat(given.folder, out, replace(given.settings, target="tensorflow"))
    assert not out.exists()


def test_weights_that_were_edited_and_other_data_are_refused(given: Given, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    edited.mkdir()
    for path in given.folder.iterdir():
        (edited / path.name).write_bytes(path.read_bytes())
    (edited / "model.safetensors").write_bytes(b"x" + (given.folder / "model.safetensors").read_bytes()[1:])
    with pytest.raises(CheckpointError, match="was edited or comes from another run"):
        train_qat(edited, tmp_path / "one", given.settings)
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for path in given.data.iterdir():
        (fewer / path.name).write_bytes(path.read_bytes())
    kept = [
        row for row in (given.data / "labels.csv").read_text().splitlines() if not row.split(",")[0].endswith("-0.png")
    ]
    (fewer / "labels.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(CheckpointError, match="in the same split; give the same data with --data"):
        train_qat(given.folder, tmp_path / "two", replace(given.settings, data=str(fewer)))


def test_the_command_trains_a_checkpoint_that_brings_its_ranges(
    quantised: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call = ["train", "toy", "--finetune", str(quantised), "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main([*call, "--threads", "1", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out)
    jsonschema.validate(summary, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert summary["made_from"]["quantised_for"] is None and summary["before"]["test"]["frames"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--qat", "{run}", "--finetune", "{run}"], 2, "--qat and --finetune: got both"),
        (["--qat", "{run}", "--fold", "0"], 2, "--fold: is the checkpoint's own"),
        (["--qat", "{run}", "--option", "tau=1"], 2, "--option: is the checkpoint's own"),
        (["--target", "tensorrt"], 2, "--target: is for --qat"),
        (["--qat", "{run}", "--target", "tensorflow"], 2, "target 'tensorflow': is not known"),
        (["--qat", "{run}/none"], 1, "is not a checkpoint folder"),
    ],
)
def test_wrong_use_of_the_command_is_told_in_one_line(
    arguments: list[str], code: int, said: str, given: Given, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    filled = [item.format(run=given.folder) for item in arguments]
    assert main(["train", "toy", *filled, "--out", str(tmp_path / "run")]) == code
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line
