"""`edgeneuro calibrate` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.cli.main import main
from edgeneuro.export.make_plan import METHOD_NAMES
from edgeneuro.export.plan import Plan
from tests.cli.conftest import Validate


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ranges"


def write_model(path: Path, seed: int = 1) -> Path:
    """Two convolutions of 16 channels, pooling and a head of two classes, for images of 32 x 32."""
    rng = np.random.default_rng(seed)
    shapes = {"w0": (16, 1, 3, 3), "w1": (16, 16, 1, 1), "head": (16, 2)}
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["c0"], name="conv_0"),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu_0"),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], name="conv_1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu_1"),
        helper.make_node("GlobalAveragePool", ["r1"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "head"], ["logits"], name="head"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def write_frames(folder: Path, count: int) -> Path:
    """Noise, one frame a group, 40 x 36 px."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    for number in range(count):
        pixels = np.clip(rng.normal(60 + 10 * (number % 8), 25, (36, 40)), 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"f{number:02}.png"), pixels)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    code = main(["calibrate", *arguments, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    value: dict[str, Any] = json.loads(printed.out)
    return value, printed.err


def test_all_methods_are_compared_on_frames_that_did_not_calibrate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 24)
    value, _ = run(capsys, str(model), "--calibration", str(frames), "--calibration-frames", "16")
    validate("calibrate", value)
    assert [row["name"] for row in value["comparison"]["methods"]] == list(METHOD_NAMES)
    assert value["unseen"] is True
    assert (value["calibration"]["frames"], value["compared"]["frames"]) == (16, 8)
    rows = {row["name"]: row for row in value["comparison"]["methods"]}
    assert all(0 < error < 0.2 for row in rows.values() for error in row["errors"].values())
    assert rows["percentile-99.9"]["clipped"] > rows["min-max"]["clipped"]
    tensors = value["comparison"]["tensors"]
    assert tensors == sorted(tensors, key=lambda row: -row["ratio"])


def test_without_other_frames_the_report_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 6)
    value, _ = run(capsys, str(model), "--calibration", str(frames), "--method", "mse")
    assert value["unseen"] is False
    assert any("there are no others" in note for note in value["notes"])
    assert value["comparison"]["tensors"] == []


def test_ranges_are_written_as_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 6)
    out = tmp_path / "ranges.json"
    arguments = ("calibrate", str(model), "--calibration", str(frames), "--method", "min-max", "--out", str(out))
    assert main(arguments) == 0
    plan = Plan.from_bytes(out.read_bytes())
    assert set(plan.ranges) >= {"image", "r0", "r1"}
    assert 0 < plan.ranges["image"].high <= 1.0
    assert "min-max" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_second_run_takes_the_ranges_from_the_cache_and_another_network_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 6)
    arguments = (str(model), "--calibration", str(frames), "--method", "mse")
    first, _ = run(capsys, *arguments)
    assert [path.name for path in cache.iterdir()] == ["small.mse.json"]
    again, _ = run(capsys, *arguments)
    assert "ranges from the cache: mse" in again["notes"]
    assert again["comparison"] == first["comparison"]
    write_model(model, seed=7)
    other, _ = run(capsys, *arguments)
    assert "mse: the cached result is of another state of the network; calibrated again" in other["notes"]
    assert other["comparison"] != first["comparison"]


def test_other_frames_are_named_as_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 6)
    run(capsys, str(model), "--calibration", str(frames), "--method", "mse")
    (frames / "f00.png").unlink()
    value, _ = run(capsys, str(model), "--calibration", str(frames), "--method", "mse")
    assert "mse: the cached result is of other calibration frames; calibrated again" in value["notes"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--method", "best"), 2, "method 'best': is not known, expected one of min-max"),
        (("--out", "ranges.json"), 2, "takes the ranges of one method; name it with --method"),
    ],
)
def test_wrong_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int, message: str
) -> None:
    model, frames = write_model(tmp_path / "small.onnx"), write_frames(tmp_path / "frames", 3)
    assert main(["calibrate", str(model), "--calibration", str(frames), *options]) == code
    assert message in capsys.readouterr().err


def test_a_file_without_frames_to_calibrate_on_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(write_model(tmp_path / "small.onnx"))]) == 2
    assert "name a folder of frames with --calibration" in capsys.readouterr().err
