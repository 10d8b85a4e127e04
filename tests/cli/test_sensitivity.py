"""`edgeneuro sensitivity` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.cli.main import main
from edgeneuro.export.keep_float import read_keep_float
from edgeneuro.export.source import load_source
from tests.cli.conftest import Validate

LAYERS = 6


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Six 1x1 convolutions of 16 channels with ReLU, pooling and a head of two classes, for images of 32 x 32."""
    rng = np.random.default_rng(1)
    nodes, constants = [], []
    tensor, inputs = "image", 1
    for layer in range(LAYERS):
        weights = rng.standard_normal((16, inputs, 1, 1)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"w{layer}"))
        nodes.append(helper.make_node("Conv", [tensor, f"w{layer}"], [f"c{layer}"], name=f"conv_{layer}"))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"], name=f"relu_{layer}"))
        tensor, inputs = f"r{layer}", 16
    constants.append(numpy_helper.from_array(rng.standard_normal((16, 2)).astype(np.float32), "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [tensor], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "head"], ["logits"], name="head"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        constants,
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def write_frames(folder: Path, groups: int, labels: bool) -> Path:
    """Noise of two brightnesses, two frames a group, 40 x 36 px."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    rows = ["file,label,group_id"]
    for group in range(groups):
        for frame in range(2):
            name = f"g{group:02}_{frame}.png"
            pixels = np.clip(rng.normal((70, 180)[group % 2], 25, (36, 40)), 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / name), pixels)
            rows.append(f"{name},{('dark', 'bright')[group % 2]},g{group:02}")
    if labels:
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return write_frames(tmp_path / "frames", 3, labels=False)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return write_frames(tmp_path / "labelled", 24, labels=True)


def test_json_follows_its_schema_and_the_list_fits_the_model(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    out = tmp_path / "keep.json"
    arguments = ["sensitivity", str(model), "--calibration", str(frames), "--top", "2", "--out", str(out), "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    validate("sensitivity", document)
    report = document["report"]
    assert len(report["found"]) == 2
    assert len(report["ranking"]) == report["layers"]
    assert document["labelled"] is None
    assert report["metric"]["name"] == "agreement"
    listed = read_keep_float(out)
    assert set(listed.reasons(load_source(str(model)).graph, "small", "keep.json")) == set(report["keep_float"])
    assert report["keep_float"] == report["found"][: len(report["keep_float"])]
    assert json.loads(out.read_bytes()) == document["keep_float"]


def test_people_get_a_table_and_a_chart_that_name_the_layers(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "layers.svg"
    arguments = ["sensitivity", str(model), "--calibration", str(frames), "--top", "2", "--target", "tensorrt"]
    assert main([*arguments, "--chart", str(chart), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "alone in INT8" in said.out
    assert "emulated operator by operator" in said.out
    texts = "".join(ElementTree.parse(chart).getroot().itertext())
    assert sum(f"conv_{layer} (Conv)" in said.out + texts for layer in range(LAYERS)) >= 2
    assert "tensorrt, emulated" in texts


def test_labels_are_scored_on_validation_groups_only(
    model: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sensitivity", str(model), "--data", str(labelled), "--top", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["report"]["metric"]["name"] == "balanced_accuracy"
    assert (
        document["report"]["metric"]["frames"] == document["labelled"]["frames"] == 2 * document["labelled"]["groups"]
    )
    assert document["labelled"]["groups"] + document["calibration"]["groups"] < 24  # the rest is the test part


def test_the_same_call_gives_the_same_answer(model: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for _ in range(2):
        assert main(["sensitivity", str(model), "--calibration", str(frames), "--json"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--target", "tensorr"], 2, "target 'tensorr': is not known, expected one of"),
        (["--target", "tensorrt-fp16"], 2, "--target tensorrt-fp16: has no layers in INT8, expected one of"),
        (["--chart", "layers.png"], 2, "--chart layers.png: ends in .png, expected .svg"),
        (["--out", "engine.edge"], 2, "--out engine.edge: ends in .edge, expected FILE.json"),
        (["--budget", "1"], 2, "--budget 1: is too small to look for"),
        (["--top", "0"], 2, "Invalid value for '--top'"),
        ([], 2, "does not say what it was trained on; name a folder of frames with --calibration"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    model: Path, frames: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    calibration = ["--calibration", str(frames)] if options else []
    assert main(["sensitivity", str(model), *calibration, *options]) == code
    assert said in capsys.readouterr().err


def test_why_a_target_takes_no_layer_is_said(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    narrow = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w"], ["mixed"], name="mix"),
            helper.make_node("GlobalMaxPool", ["mixed"], ["pooled"], name="pool"),
            helper.make_node("Flatten", ["pooled"], ["logits"], name="flat"),
        ],
        "narrow",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")],
    )
    path = tmp_path / "narrow.onnx"
    onnx.save(helper.make_model(narrow, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    assert main(["sensitivity", str(path), "--calibration", str(frames), "--target", "tensorrt"]) == 1
    assert "no layer for INT8 on tensorrt (mix: convolution from 3 to 3 channels)" in capsys.readouterr().err


def test_a_list_that_exists_is_kept_before_any_work(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "keep.json"
    out.write_text("mine")
    assert main(["sensitivity", str(model), "--calibration", str(frames), "--out", str(out)]) == 1
    assert "exists already; give --force to replace it" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_a_model_without_layers_for_int8_is_refused(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("GlobalMaxPool", ["image"], ["pooled"], name="pool"),
            helper.make_node("Flatten", ["pooled"], ["logits"], name="flat"),
        ],
        "none",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
    )
    path = tmp_path / "none.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    assert main(["sensitivity", str(path), "--calibration", str(frames)]) == 1
    assert "none: has no layer for INT8 on onnxruntime-x86-vnni (none with constant weights)" in capsys.readouterr().err
