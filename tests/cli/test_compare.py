"""edgeneuro compare, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks.compare.certificate import CERTIFICATE
from edgeneuro.cli.main import main
from edgeneuro.runtime.container import read_container
from tests.benchmarks.compare.files import write_folder, write_int8, write_network, write_onnx
from tests.benchmarks.frames import flat_data, split_of
from tests.cli.conftest import Validate
from tests.runtime.bundles import tiny_manifest
from tests.runtime.foreign import write_array_bundle

ORT = ("--backend", "onnxruntime")


@pytest.fixture
def frames(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "frames"))


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_people_see_the_reference_the_differences_and_what_each_verdict_rests_on(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str]
) -> None:
    split = split_of(flat_data(), training=["dark-0"])
    engine = write_int8(tmp_path / "a.edge", (0.1, 0.0, 0.0), split=split)
    assert main(["compare", str(engine), "--data", frames, *ORT]) == 0
    printed = capsys.readouterr().out
    assert "reference: a.edge: fp32 onnxruntime " in printed
    assert "data: frames, 33 frames of 11 groups" in printed
    assert "left out: 3 frames of 1 groups that training, validation or calibration has seen" in printed
    (tensors,) = [line for line in printed.splitlines() if "a.edge: int8 onnxruntime: logits" in line and "│" in line]
    assert "0.1 (0.004)" in tensors
    assert "pass: a.edge: int8 onnxruntime: logits: mean cosine 0.99" in printed
    assert "balanced accuracy, %" in printed and "100.0 [" in printed


def test_the_document_is_what_its_schema_says_on_screen_and_in_a_file(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    engine, out = write_int8(tmp_path / "a.edge"), tmp_path / "done.json"
    words = ["compare", str(engine), str(write_onnx(tmp_path / "b.onnx")), "--data", frames, *ORT, "--json"]
    assert main([*words, "--out", str(out), "--max-frames", "20"]) == 0
    printed = document(capsys)
    validate("compare", printed)
    assert json.loads(out.read_text(encoding="utf-8")) == printed
    assert printed["drawn_from"] == 36 and printed["verdict"] == "pass"
    assert str(tmp_path) not in json.dumps(printed), "no path of this machine"
    assert main([*words, "--out", str(out)]) == 1
    assert "done.json: exists already; give --force" in capsys.readouterr().err
    assert main([*words, "--out", str(out), "--force"]) == 0


def test_tensors_and_frames_without_labels_have_documents_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    import numpy as np

    folder = tmp_path / "arrays"
    folder.mkdir()
    np.savez(folder / "0.npz", left=np.ones((1, 4), np.float32), steps=np.array([1, 2]))
    engine = write_array_bundle(tmp_path / "t.edge")
    assert main(["compare", str(engine), "--data", str(folder), "--backend", "openvino", "--json"]) == 0
    printed = document(capsys)
    validate("compare", printed)
    assert printed["task"] == "tensors" and printed["executables"][0]["agreement"] is None
    assert main(["compare", str(engine), "--data", str(folder), "--backend", "openvino"]) == 0
    assert "t.edge: fp32 openvino: total" in capsys.readouterr().out


def test_beyond_tolerance_is_exit_code_3_with_the_numbers_printed_all_the_same(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    engine = write_int8(tmp_path / "a.edge", (20.0, -20.0, 20.0))
    words = ["compare", str(engine), "--data", frames, *ORT]
    assert main([*words, "--json"]) == 3
    printed = capsys.readouterr()
    validate("compare", json.loads(printed.out))
    assert json.loads(printed.out)["verdict"] == "fail"
    assert "error: a.edge: int8 onnxruntime: differs from a.edge: fp32 onnxruntime on frames: " in printed.err
    assert main([*words, "--min-cosine", "-1"]) == 0
    assert main([*words, "--max-drop", "40"]) == 3
    printed = capsys.readouterr()
    assert "balanced accuracy drops by" in printed.err


def test_wrong_options_are_refused_before_any_work(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = str(write_int8(tmp_path / "a.edge"))
    assert main(["compare", engine, "--data", frames, "--max-drop", "much"]) == 2
    assert "--max-drop much: is no number" in capsys.readouterr().err
    assert main(["compare", engine, "--data", frames, "--backend", "abacus"]) == 1
    assert "backend 'abacus': is not known here" in capsys.readouterr().err
    assert main(["compare", engine, "--data", frames, "--min-cosine", "2"]) == 2
    assert main(["compare", str(tmp_path / "none.edge"), "--data", frames]) == 1
    assert "none.edge: does not exist" in capsys.readouterr().err
    assert main(["compare", engine, engine, "--data", frames, "--certify"]) == 2
    assert "--certify: got 2 .edge files, expected one" in capsys.readouterr().err


def test_a_checkpoint_is_compared_with_an_engine(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    split = split_of(flat_data(), training=["dark-0"])
    write_network(tmp_path / "ckpt", tiny_manifest(), split=split)
    engine = write_int8(tmp_path / "a.edge", split=split)
    assert main(["compare", str(engine), str(tmp_path / "ckpt"), "--data", frames, *ORT, "--json"]) == 3
    printed = document(capsys)
    validate("compare", printed)
    assert printed["reference"]["backend"] == "pytorch"
    assert [found["executable"]["precision"] for found in printed["executables"]] == ["fp32", "int8"]


def test_a_certificate_is_the_document_that_was_printed(
    tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    engine = write_int8(tmp_path / "a.edge")
    assert main(["compare", str(engine), "--data", frames, *ORT, "--certify", "--json"]) == 0
    printed = capsys.readouterr()
    assert "a.edge, certified" in printed.err
    kept = json.loads(read_container(engine)[CERTIFICATE])
    validate("compare", kept)
    assert kept == json.loads(printed.out)
    assert main(["verify", str(engine)]) == 0
    failing = write_int8(tmp_path / "b.edge", (20.0, -20.0, 20.0))
    assert main(["compare", str(failing), "--data", frames, *ORT, "--certify"]) == 3
    assert CERTIFICATE not in read_container(failing)


def test_comparing_engines_needs_the_base_install_only() -> None:
    script = (
        "import sys, edgeneuro.benchmarks.compare.run, edgeneuro.benchmarks.compare.show, edgeneuro.cli.compare\n"
        "import edgeneuro.benchmarks.compare.certificate\n"
        "heavy = {'torch', 'onnx', 'nncf', 'sklearn', 'scipy', 'safetensors', 'openvino'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_quiet_says_nothing_but_errors(tmp_path: Path, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine, out = write_int8(tmp_path / "a.edge"), tmp_path / "done.json"
    assert main(["compare", str(engine), "--data", frames, *ORT, "--out", str(out), "--certify", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert out.exists() and CERTIFICATE in read_container(engine)
