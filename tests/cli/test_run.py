"""edgeneuro run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.cli.options import BackendName
from edgeneuro.runtime import auto
from edgeneuro.runtime.backends import BACKENDS
from tests.cli.conftest import Validate
from tests.runtime.bundles import PHANTOM, tiny_manifest, write_bundle


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, level in ((2, 0), (10, 255)):
        cv2.imwrite(str(folder / f"frame{number}.png"), np.full((40, 48), level, np.uint8))
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_lines_follow_the_schema_in_the_order_of_the_frames(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    assert main(["run", str(edge), str(frames), "--json"]) == 0
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert [(Path(str(line["source"])).name, line["class"]) for line in got] == [
        ("frame2.png", "dark"),
        ("frame10.png", "bright"),
    ]
    assert all(line["frame"] == 0 and line["error"] is None for line in got)


def test_an_unreadable_file_is_reported_in_its_line_the_rest_goes_on_and_the_exit_code_is_1(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    (frames / "frame5.png").write_bytes(b"")
    assert main(["run", str(edge), str(frames), "--json"]) == 1
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert [line["class"] for line in got] == ["dark", None, "bright"]
    assert "frame5.png: is empty" in str(got[1]["error"])


def test_simulated_training_stands_in_every_line_and_on_standard_error(
    tmp_path: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bundle(tmp_path / "phantom.edge", tiny_manifest(trained_on=PHANTOM))
    (frames / "frame5.png").write_bytes(b"")
    assert main(["run", str(path), str(frames), "--json"]) == 1
    said = capsys.readouterr()
    assert [json.loads(line)["flags"] for line in said.out.splitlines()] == [["simulated_training"]] * 3
    assert said.err.startswith("warning: ")
    assert "simulated" in said.err


def test_people_get_one_sentence_a_frame(edge: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (frames / "frame5.png").write_bytes(b"")
    assert main(["run", str(edge), str(frames)]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{frames / 'frame2.png'}: dark 100.0 % (")
    assert second == f"{frames / 'frame5.png'}: error: is empty (0 bytes); copy it again from where it was recorded"
    assert "bright" in third


def test_a_bundle_that_cannot_be_trusted_runs_nothing(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = edge.read_bytes()
    edge.write_bytes(whole[:-30])
    assert main(["run", str(edge), str(frames)]) == 1
    edge.write_bytes(whole.replace(b"GlobalAveragePool", b"GlobalAveragePoul"))
    assert main(["run", str(edge), str(frames)]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    cut, altered = said.err.splitlines()
    assert "cut short" in cut
    assert "altered" in altered


def test_a_precision_the_bundle_lacks_is_refused(edge: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(edge), str(frames), "--precision", "int8"]) == 1
    assert "has no int8 graph" in capsys.readouterr().err


def test_a_backend_is_chosen_by_measurement_and_v_says_which(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        auto, "unavailable", lambda name: "" if name == "onnxruntime" else "is not installed; run: pip install it"
    )
    assert main(["run", str(edge), str(frames), "--backend", "auto", "-v"]) == 0
    said = capsys.readouterr()
    assert "model.onnx on onnxruntime is the only one that runs here" in said.err
    assert "openvino (is not installed; run: pip install it)" in said.err
    assert len(said.out.splitlines()) == 2


def test_a_backend_can_be_named(edge: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(edge), str(frames), "--backend", "onnxruntime", "--json"]) == 0
    assert [line["class"] for line in lines(capsys)] == ["dark", "bright"]


def test_a_backend_that_is_not_installed_is_refused_with_the_remedy(
    edge: Path, frames: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "edgeneuro.runtime.backends.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["run", str(edge), str(frames), "--backend", "openvino"]) == 1
    assert "run: pip install 'edgeneuro[openvino]'" in capsys.readouterr().err


def test_a_backend_nobody_knows_is_wrong_usage(edge: Path, frames: Path) -> None:
    assert main(["run", str(edge), str(frames), "--backend", "abacus"]) == 2


def test_the_command_line_offers_every_backend() -> None:
    assert [name.value for name in BackendName] == ["auto", *BACKENDS]


def test_the_schema_refuses_a_line_that_is_both_an_answer_and_an_error(validate: Validate) -> None:
    line = {
        "source": "a.png",
        "frame": 0,
        "task": "classification",
        "class": "ibm",
        "probabilities": {"ibm": 1.0},
        "overlay": None,
        "ms": {"preprocess": 1.0, "inference": 1.0, "postprocess": 0.1},
        "flags": [],
        "error": None,
    }
    validate("run", line)
    with pytest.raises(jsonschema.ValidationError):
        validate("run", line | {"error": "and yet"})
