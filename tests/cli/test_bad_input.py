"""Bad input, as a user meets it: one line that says what to do, the exit code, and nothing lost or half-written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.cli.main import main
from edgeneuro.data.split import Split
from edgeneuro.files import canonical_json
from edgeneuro.manifest import SCHEMA
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.container import serialise
from tests.data.folders import png, speckle, write_frames, write_table
from tests.export.test_onnx_file import classifier, saved, swish
from tests.own_models.files import save, value, weights
from tests.runtime.bundles import CLASSES, SIDE, tiny_calibration, tiny_manifest, tiny_members, write_bundle

EDGENEURO = (sys.executable, "-m", "edgeneuro")
HEADER = "file,label,group_id"

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must refuse: its exit code, nothing on standard output; returns its one line."""

    def run(*arguments: str | Path, code: int = 1) -> str:
        assert main([str(argument) for argument in arguments]) == code
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ") and said.err.count("\n") == 1
        return said.err

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where commands are told to write."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Somebody's .onnx file: one convolution, two classes."""
    (tmp_path / "net").mkdir()
    return saved(classifier(), tmp_path / "net")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A labelled folder of three classes, three groups each, one frame a group."""
    folder = tmp_path / "frames"
    names = [f"{label}{number}.png" for label in CLASSES for number in range(3)]
    write_frames(folder, names)
    write_table(folder, [HEADER, *(f"{name},{name[:-5]},{name}" for name in names)])
    return folder


def reading(source: str | Path, edge: Path, net: Path, out: Path) -> Sequence[Sequence[str | Path]]:
    """Every command that reads a data set, with `source` for it."""
    return (
        ("train", "myositis", "--data", source, "--out", out / "run", "--image-size", "32", "--quiet"),
        ("build-engine", net, "--int8", "--calibration", source, "--out", out / "x.edge", "--quiet"),
        ("build-engine", net, "--data", source, "--out", out / "x.edge", "--quiet"),
        ("evaluate", edge, "--data", source, "--quiet"),
    )


def opening(edge: Path, frame: Path) -> Sequence[Sequence[str | Path]]:
    """Every command that opens an engine."""
    return (
        ("run", edge, frame),
        ("inspect", edge),
        ("verify", edge),
        ("evaluate", edge, "--data", frame.parent, "--quiet"),
        ("benchmark", edge, "--queries", "1", "--quiet"),
    )


# --- data sets


def test_a_missing_folder_is_named_by_every_command(
    refused: Refused, edge: Path, net: Path, out: Path, tmp_path: Path
) -> None:
    for command in (*reading(tmp_path / "none", edge, net, out), ("data", "describe", tmp_path / "none")):
        assert f"'{tmp_path / 'none'}': no such folder" in refused(*command)
    assert not list(out.rglob("*.*"))


def test_an_empty_folder_says_what_was_expected(
    refused: Refused, edge: Path, net: Path, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for command in (*reading(tmp_path / "empty", edge, net, out), ("data", "describe", tmp_path / "empty")):
        assert "empty: holds no frames, expected labels.csv or files ending in .png" in refused(*command)
    assert not list(out.rglob("*.*"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.png", "none.png: no such file; check the name"),
        ("empty", "empty: holds no frame among 0 files; expected files ending in .png"),
        ("*.png", "*.png: matches no file; quote the pattern and check its folder"),
    ],
)
def test_run_reports_a_source_without_frames_in_its_line_and_goes_on(
    edge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "frame.npy", np.zeros((40, 40), np.uint8))
    assert main(["run", str(edge), str(tmp_path / source), str(tmp_path / "frame.npy"), "--json"]) == 1
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert message in bad["error"] and bad["class"] is None
    assert good["class"] == "dark"


def test_a_table_without_the_needed_columns_names_those_it_has_and_needs(
    refused: Refused, edge: Path, net: Path, out: Path, frames: Path
) -> None:
    write_table(frames, ["file,diagnosis", "dark0.png,dark"])
    for command in reading(frames, edge, net, out):
        said = refused(*command)
        assert "labels.csv: has columns file, diagnosis, but needs file, label, group_id" in said
        assert "(missing: label, group_id)" in said and "--label-column" in said
    assert not list(out.rglob("*.*"))


def test_a_class_with_one_group_cannot_be_split(refused: Refused, net: Path, out: Path, frames: Path) -> None:
    rows = [f"{label}{number}.png,{label},{label}{number}" for label in ("dark", "grey") for number in range(3)]
    write_table(frames, [HEADER, *rows, "bright0.png,bright,p9", "bright1.png,bright,p9"])
    message = "class 'bright' has 1 group(s), expected at least 3 (one each for training, validation and test)"
    assert message in refused("train", "myositis", "--data", frames, "--out", out / "run", "--quiet")
    assert message in refused("build-engine", net, "--data", frames, "--out", out / "x.edge", "--quiet")
    assert not list(out.rglob("*.*"))


# --- frames

BAD_FRAMES = {
    "zero bytes": (b"", "is empty (0 bytes); copy it again from where it was recorded"),
    "truncated": (png(speckle(0))[:-40], "is truncated, it ends after"),
    "damaged": (png(speckle(0)).replace(b"IDAT", b"IDAT\1", 1), "the checksum of a PNG chunk"),
    "unreadable": (b"hello", "is not a PNG, JPEG, BMP or TIFF file (it starts with 68 65 6c 6c)"),
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_a_frame_that_cannot_be_read_is_named_by_every_command(
    refused: Refused, edge: Path, net: Path, out: Path, frames: Path, kind: str
) -> None:
    content, message = BAD_FRAMES[kind]
    for frame in frames.glob("*.png"):
        frame.write_bytes(content)
    train, calibrate, _, evaluate = reading(frames, edge, net, out)
    for command in (train, calibrate, evaluate):
        said = refused(*command)
        assert f"{frames}{os.sep}" in said and ".png: " in said and message in said
    assert not list(out.rglob("*.*"))


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_run_reports_a_bad_frame_in_its_line_and_goes_on(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    content, message = BAD_FRAMES[kind]
    (frames / "dark1.png").write_bytes(content)
    assert main(["run", str(edge), *(str(frames / f"dark{number}.png") for number in range(3)), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] is None for line in lines] == [True, False, True]
    assert f"{frames / 'dark1.png'}: " in lines[1]["error"] and message in lines[1]["error"]


def test_another_size_or_bit_depth_is_flagged_not_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge = write_bundle(tmp_path / "calibrated.edge", tiny_manifest(calibration=tiny_calibration()))
    np.save(tmp_path / "same.npy", np.zeros((40, 40), np.uint8))
    np.save(tmp_path / "wide.npy", np.zeros((40, 200), np.uint8))
    np.save(tmp_path / "deep.npy", np.zeros((40, 40), np.uint16))
    names = [str(tmp_path / name) for name in ("same.npy", "wide.npy", "deep.npy")]
    assert main(["run", str(edge), *names, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["flags"] for line in lines] == [[], ["size_unseen"], ["bit_depth_unseen"]]
    assert main(["run", str(edge), *names]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("size_unseen")


def test_a_frame_whose_name_is_no_utf8_is_classified_and_named(edge: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "scans")
    os.mkdir(folder)
    try:
        with open(os.path.join(folder, b"M\xfcller.png"), "wb") as file:
            file.write(png(speckle(0)))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    command = [*EDGENEURO, "run", str(edge), str(tmp_path / "scans"), "--json"]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, env=strict, check=True)
    assert os.fsencode(json.loads(done.stdout)["source"]) == os.path.join(folder, b"M\xfcller.png")


# --- engines


def test_a_truncated_engine_is_named_by_every_command(refused: Refused, edge: Path, frames: Path) -> None:
    edge.write_bytes(edge.read_bytes()[:-100])
    for command in opening(edge, frames / "dark0.png"):
        assert "tiny.edge: is not a whole .edge file" in refused(*command)


def test_an_edited_engine_breaks_a_promise(refused: Refused, edge: Path, frames: Path) -> None:
    edge.write_bytes(edge.read_bytes().replace(b"GlobalAveragePool", b"GlobalAveragePoul"))
    for command in opening(edge, frames / "dark0.png"):
        assert "the file was altered" in refused(*command, code=3)


def test_an_engine_of_the_future_asks_for_an_upgrade(refused: Refused, edge: Path, frames: Path) -> None:
    future = json.loads(tiny_manifest().to_bytes()) | {"schema": SCHEMA + 1, "invented_later": True}
    edge.write_bytes(serialise({**tiny_members(tiny_manifest()), "manifest.json": canonical_json(future)}))
    for command in opening(edge, frames / "dark0.png"):
        said = refused(*command)
        assert f"tiny.edge: manifest.json: has schema {SCHEMA + 1}, this edgeneuro reads {SCHEMA};" in said
        assert "upgrade edgeneuro on this device" in said


# --- ONNX files and checkpoints


def beside(folder: Path) -> Path:
    """An .onnx file whose weights should lie beside it, and do not."""
    path = saved(classifier(), folder, weights_beside=True)
    (folder / "net.data").unlink()
    return path


def custom(folder: Path) -> Path:
    """An .onnx file with an operator of somebody's own."""
    model = classifier()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node.append(helper.make_node("Own", ["c"], ["o"], domain="com.example"))
    return saved(model, folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (beside, r"net\.data.* beside it"),
        (lambda folder: saved(swish(), folder), r"has opset 24, which cannot be converted to 20 .* export it again"),
        (custom, "cannot be run on one frame .* refuses the graph"),
        (lambda folder: saved(onnx.ModelProto(), folder), "is not a readable ONNX file"),
    ],
    ids=["external data missing", "opset", "operator", "empty"],
)
def test_an_onnx_file_that_cannot_be_built_says_why(
    refused: Refused, tmp_path: Path, out: Path, file: Callable[[Path], Path], message: str
) -> None:
    said = refused("build-engine", file(tmp_path), "--int8", "--out", out / "x.edge", "--quiet")
    assert "net.onnx: " in said
    assert re.search(message, said)
    assert list(out.iterdir()) == []


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint folder that promises three classes and holds a network of two."""
    from edgeneuro.models.build import build_model
    from edgeneuro.training.checkpoint import write_checkpoint
    from tests.checkpoints import checkpoint_config

    config = checkpoint_config(classes=CLASSES, preprocess=Preprocess(height=SIDE, width=SIDE))
    split = Split(protocol="grouped", fold=0, seed=0, salt="s", training=(), validation=(), test=())
    network = build_model("myositis", classes=2, channels=1)
    write_checkpoint(tmp_path / "run", network=network, config=config, metrics={}, split=split)
    return tmp_path / "run"


def test_a_checkpoint_of_another_model_is_refused(refused: Refused, checkpoint: Path, frames: Path, out: Path) -> None:
    message = "does not hold the weights of 'myositis' for 3 classes"
    for command in (
        ("build-engine", checkpoint, "--out", out / "x.edge", "--quiet"),
        ("evaluate", checkpoint, "--data", frames, "--quiet"),
    ):
        said = refused(*command)
        assert message in said and "is it of another model?" in said
    assert list(out.iterdir()) == []


def test_training_does_not_go_on_with_another_model(refused: Refused, checkpoint: Path, frames: Path) -> None:
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    command = ("train", "myositis-dual", "--data", frames, "--out", checkpoint, "--resume", "--quiet")
    assert "was trained with model 'myositis', now got 'myositis-dual'" in refused(*command)
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before


# --- outputs


def test_an_existing_output_is_kept_without_force(
    refused: Refused, net: Path, frames: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.edge").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for command in (
        ("train", "myositis", "--data", frames, "--out", checkpoint),
        ("build-engine", net, "--out", tmp_path / "x.edge"),
        ("data", "make", "phantom", "--out", frames),
    ):
        assert "exists already; give --force to replace it, or another name" in refused(*command)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[..., tuple[int, list[str], list[str]]]:
    """Runs a command with a real file system of 16 KiB mounted at `tmp_path`/small; returns its exit code, its lines on
    standard error and the files it left there."""
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=16k none "$0" || exit 99; "$@" >&2; code=$?; find "$0" -type f -printf "%f\\n"; exit $code'

    def run(*arguments: str | Path) -> tuple[int, list[str], list[str]]:
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(small), *EDGENEURO]
        with suppress(FileNotFoundError):
            done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)
            if done.returncode != 99 and not done.stderr.startswith("unshare"):
                return done.returncode, done.stderr.splitlines(), done.stdout.splitlines()
        pytest.skip("needs user namespaces, to mount a small file system without privileges")

    return run


def test_a_full_disk_is_said_in_one_line_and_leaves_no_file(
    small_disk: Callable[..., tuple[int, list[str], list[str]]], frames: Path, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    shapes = [value("x", ["n", 1, 32, 32])], [value("y", ["n", 30])]
    net = save(tmp_path / "net.onnx", nodes, *shapes, {"w": weights(1024, 30)})  # 123 kB
    small = tmp_path / "small"
    training = ("--image-size", "32", "--epochs", "1", "--batch-size", "2", "--quiet")
    for file, *command in (
        ("x.edge", "build-engine", net, "--out", small / "x.edge", "--quiet"),
        ("state.safetensors", "train", "myositis", "--data", frames, "--out", small / "run", *training),
        ("copy", "data", "make", "phantom", "--out", small / "copy"),
    ):
        code, said, left = small_disk(*command)
        assert (code, len(said), left) == (1, 1, [])
        assert f"{file}: the disk is full; nothing was written, " in said[0]


# --- interrupts


def build_until(step: str, number: signal.Signals, *arguments: str | Path) -> tuple[int, str]:
    """Start `build-engine --int8`, send the signal `number` as soon as it names `step` on standard error; returns the
    exit code and what it said after that."""
    command = [*EDGENEURO, "build-engine", "--int8", "--threads", "1", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith(step):
            assert process.poll() is None
        process.send_signal(number)
        rest = process.stderr.read()
    return process.returncode, rest


@pytest.mark.parametrize(
    ("source", "step"), [("net.onnx", "collecting ranges"), ("myositis", "reading the float network")]
)
def test_control_c_during_a_build_ends_with_130_and_leaves_no_file(
    net: Path, frames: Path, out: Path, source: str, step: str
) -> None:
    given = (net, "--calibration", frames) if source == net.name else (source,)
    assert build_until(step, signal.SIGINT, *given, "--out", out / "x.edge") == (130, "interrupted\n")
    assert list(out.iterdir()) == []


def test_a_killed_build_leaves_no_file_and_spares_the_one_there_was(net: Path, frames: Path, out: Path) -> None:
    (out / "x.edge").write_bytes(b"precious")
    options = ("--calibration", frames, "--out", out / "x.edge", "--force")
    assert build_until("collecting ranges", signal.SIGKILL, net, *options) == (-signal.SIGKILL, "")
    assert [path.read_bytes() for path in out.iterdir()] == [b"precious"]


def test_an_interrupt_that_a_library_turns_into_an_error_is_still_one(
    monkeypatch: pytest.MonkeyPatch, edge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As torch does: Ctrl-C while it is imported ends in an AttributeError, raised again from an exporter's own error."""

    def interrupted(path: Path) -> None:
        try:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt:
                raise AttributeError("module 'torch._dynamo' has no attribute 'exc'")  # noqa: B904
        except AttributeError as error:
            raise RuntimeError("export failed") from error

    monkeypatch.setattr("edgeneuro.runtime.read_untrusted", interrupted)
    assert main(["inspect", str(edge)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
