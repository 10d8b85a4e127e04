"""The command as a user calls it, in a process of its own."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from edgeneuro.cli.main import main
from edgeneuro.cli.named import parse_option, siamese_settings
from edgeneuro.errors import UsageError
from edgeneuro.training.checkpoint import read_config
from edgeneuro.training.run import STATE
from edgeneuro.training.settings import SiameseSettings
from tests.training.masks.lines import write_lines

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "train.schema.json"
TRAIN = (sys.executable, "-c", "from edgeneuro.cli.main import run; run()", "train", "myositis", "--threads", "1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_interrupt_ends_with_130_and_leaves_what_resume_needs(
    tiny_folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = (*TRAIN, "--data", str(tiny_folder), "--out", str(tmp_path / "run"), "--image-size", "32")
    with subprocess.Popen([*command, "--epochs", "5000"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("epoch   2"):
            assert process.poll() is None
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "interrupted" and "Traceback" not in rest
    assert (tmp_path / "run" / STATE).is_file() and not (tmp_path / "run" / "config.json").exists()


def test_json_is_one_document_and_nothing_but_epochs_goes_to_standard_error(
    tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = ("--data", str(tiny_folder), "--out", str(tmp_path / "run"))
    assert main(["train", "myositis", *source, "--image-size", "32", "--epochs", "2", "--threads", "1", "--json"]) == 0
    printed = capfd.readouterr()
    summary = json.loads(printed.out)
    jsonschema.validate(summary, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert (summary["model"], summary["protocol"], summary["simulated"]) == ("myositis", "grouped", False)
    assert [text[:9] for text in printed.err.splitlines()] == ["epoch   1", "epoch   2"]


def test_wrong_usage_ends_with_2_and_refused_input_with_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "myositis", "--resume", "--force"]) == 2
    assert main(["train", "myositis", "--option", "attention"]) == 2
    assert main(["train", "myositis", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert [line[:30] for line in lines[:2]] == ["error: --resume and --force: g", "error: --option 'attention': e"]
    assert "no such folder" in lines[2] and len(lines) == 3


def test_rounds_are_printed_as_the_schema_says_and_a_review_says_what_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few, schema = write_lines(tmp_path / "few", images=3), json.loads(SCHEMA.read_text(encoding="utf-8"))
    (tmp_path / "pool").mkdir()
    shutil.copy(write_lines(tmp_path / "more", images=4) / "images" / "3.png", tmp_path / "pool")
    network = (
        "--option",
        "width=2",
        "--option",
        "levels=2",
        "--image-size",
        "32",
        "--batch-size",
        "8",
        "--epochs",
        "1",
    )
    rounds = (
        "--pool",
        str(tmp_path / "pool"),
        "--rounds",
        "2",
        "--round-epochs",
        "1",
        "--review",
        "1",
        "--threads",
        "1",
    )
    command = ["train", "segmentation-2d", "--data", str(few), "--out", str(tmp_path / "run"), *network, *rounds]
    assert main([*command, "--quiet", "--json"]) == 0
    waits = json.loads(capfd.readouterr().out)
    assert waits == {"review": str(tmp_path / "run" / "rounds" / "1" / "review"), "blocks": 1}
    assert main([*command, "--quiet", "--json", "--resume"]) == 0
    summary = json.loads(capfd.readouterr().out)
    for document in (waits, summary):
        jsonschema.validate(document, schema)
    assert len(summary["rounds"]["rounds"]) == 2
    assert main(["train", "segmentation-2d", "--data", str(few), "--seed-with", "filter"]) == 2
    assert "--seed-with: is for training in rounds" in capfd.readouterr().err


def test_options_are_numbers_where_they_look_like_it() -> None:
    assert parse_option("attention=none") == ("attention", "none")
    assert parse_option("tau=0.2") == ("tau", 0.2)


def test_settings_of_pairs_are_named_one_by_one() -> None:
    expected = SiameseSettings(gamma=0.0, shared=True, alpha="none")
    assert siamese_settings(["gamma=0", "shared=true", "alpha=none"]) == expected
    with pytest.raises(UsageError, match="--siamese: unknown field 'delta'; expected alpha, discriminator_weight, "):
        siamese_settings(["delta=1"])
    with pytest.raises(UsageError, match=r"--siamese\.shared: got 1, expected true or false"):
        siamese_settings(["shared=1"])
    with pytest.raises(UsageError, match=r"--siamese 'gamma': expected NAME=VALUE, e\.g\. gamma=0"):
        siamese_settings(["gamma"])


def test_a_model_is_trained_on_pairs_as_the_command_says(
    tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = ("--data", str(tiny_folder), "--out", str(tmp_path / "run"), "--image-size", "32", "--epochs", "1")
    how = ("--siamese", "discriminator_weight=0", "--siamese", "shared=true", "--augmentation", "ultrasound")
    assert main(["train", "skin", *source, *how, "--option", "branch_depth=0", "--threads", "1"]) == 0
    config = read_config(tmp_path / "run")
    assert config.siamese == SiameseSettings(discriminator_weight=0.0, shared=True)
    assert (config.augmentation, config.options) == ("ultrasound", {"branch_depth": 0})
    assert re.match(r"epoch   1 .* macro-F1 0\.\d{3}  pairs [01]\.\d{3}  ", capfd.readouterr().err)
    assert main(["train", "myositis", *source, "--siamese", "gamma=0"]) == 2
    assert main(["train", "skin", "--qat", str(tmp_path / "run"), "--siamese", "gamma=0"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert "'myositis' is not trained so, only skin" in lines[0] and "--siamese: is the checkpoint's own" in lines[1]
