"""`edgeneuro distil` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeneuro.cli.distil import default_folder
from edgeneuro.cli.main import main
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.training.checkpoint import load_model, read_config
from tests.cli.conftest import Validate
from tests.export.distil.toys import SIDE, in_the_table, train_toy, write_noise, write_onnx

SHORT = ("--epochs", "2", "--batch-size", "8", "--image-size", str(SIDE), "--threads", "1")


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    with in_the_table():
        yield


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    write_noise(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_toy("large", noise, tmp_path_factory.mktemp("teacher") / "run")


@pytest.fixture(scope="module")
def foreign(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph, _ = export_onnx(load_model(teacher), channels=1, height=SIDE, width=SIDE)
    return write_onnx(graph, tmp_path_factory.mktemp("foreign") / "net.onnx")


@pytest.fixture(scope="module")
def preprocess(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the file does not say: how the teacher's frames are normalised."""
    size = read_config(teacher).frame_preprocess
    file = tmp_path_factory.mktemp("said") / "preprocess.toml"
    file.write_text(f"mean = {list(size.mean)}\nstd = {list(size.std)}\n")
    return file


def test_json_is_one_document_with_both_networks(
    teacher: Path, tmp_path: Path, validate: Validate, capfd: pytest.CaptureFixture[str]
) -> None:
    lesson = ("--hint-weight", "1", "--hint", "auto", "--attention-weight", "0.5")
    where = ("--teacher", str(teacher), "--student", "small", "--out", str(tmp_path / "run"))
    assert main(["distil", *where, *lesson, *SHORT, "--json"]) == 0
    printed = capfd.readouterr()
    document = json.loads(printed.out)
    validate("distil", document)
    assert (document["model"], document["teacher"]["model"], document["teacher"]["unseen"]) == ("small", "large", True)
    assert document["taught"]["teacher"] == document["teacher"]["identity"]
    said = [line[:9] for line in printed.err.splitlines()]
    assert said == ["reading t", "scoring t", "epoch   1", "epoch   2"]


def test_people_see_both_scores_side_by_side_and_what_is_not_known_of_the_teacher(
    foreign: Path, preprocess: Path, noise: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ("--teacher", str(foreign), "--preprocess", str(preprocess), "--student", "small")
    assert main(["distil", *where, "--data", str(noise), "--out", str(tmp_path / "run"), *SHORT]) == 0
    printed = capfd.readouterr()
    (line,) = printed.out.splitlines()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    macs = {who: cost["macs"] for who, cost in metrics["operations"].items()}
    for scores, who in ((metrics["test"], "student"), (metrics["teacher"]["test"], "teacher")):
        assert f"{who} {scores['interval']['value']:.3f} ({scores['interval']['low']:.3f} to " in line
        assert f"{macs[who]:,}" in line
    assert f"({macs['student'] / macs['teacher']:.1%} of the teacher's)" in line
    assert line.endswith(", which may have learnt from these frames")
    warnings = [text for text in printed.err.splitlines() if text.startswith("warning: ")]
    assert [text[:50] for text in warnings] == [
        "warning: teacher net: does not say what it has lea",
        "warning: teacher net: names no classes; its logits",
    ]


def test_a_file_with_its_preprocessing_scores_as_the_checkpoint_it_came_from(
    foreign: Path, preprocess: Path, teacher: Path, noise: Path, tmp_path: Path
) -> None:
    """Fold and seed are the teacher's own, which the file does not say."""
    where = ("--teacher", str(foreign), "--preprocess", str(preprocess), "--student", "small", "--data", str(noise))
    split = ("--fold", "1", "--seed", "3", "--out", str(tmp_path / "run"), "--quiet")
    assert main(["distil", *where, *split, *SHORT]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["teacher"]["test"] == json.loads((teacher / "metrics.json").read_text())["test"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--resume", "--force"), "--resume and --force: got both"),
        (("--hint", "auto"), "--hint: counts for nothing without --hint-weight"),
        (("--attention", "relu=relu"), "--attention: counts for nothing without --attention-weight"),
        (("--hint-weight", "1", "--hint", "relu"), "--hint 'relu': expected STUDENT=TEACHER"),
        (("--soft-weight", "0"), "lesson: all weights are 0"),
        (("--option", "tau"), "--option 'tau': expected NAME=VALUE"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], said: str, foreign: Path, noise: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ("--teacher", str(foreign), "--student", "small", "--data", str(noise), "--out", str(tmp_path / "run"))
    assert main(["distil", *where, *arguments, "--quiet"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
    assert not (tmp_path / "run").exists()


def test_the_default_folder_lies_beside_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "lung"
    checkpoint.mkdir()
    assert default_folder(str(checkpoint)) == tmp_path / "lung-taught"
    assert default_folder("myositis") == Path("runs") / "myositis-taught"
