"""edgeneuro lint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeneuro.cli.main import main
from tests.cli.conftest import Validate
from tests.export.lint.graphs import Builder, for_onnxruntime, for_tensorrt

Capture = pytest.CaptureFixture[str]


def saved(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """UINT8 with zero point 0 into one convolution: wrong on TensorRT, open on ONNX Runtime, right for OpenVINO."""
    net = Builder()
    y = net.layer(net.pair("x", 0.02, np.uint8(0)), "y")
    return saved(net.model(y), tmp_path / "wrong.onnx")


def test_an_error_ends_with_3_and_names_target_tensor_and_remedy(wrong: Path, capsys: Capture) -> None:
    assert main(["lint", str(wrong)]) == 3
    lines = capsys.readouterr().out.splitlines()
    [line] = [line for line in lines if "uint8-activations" in line]
    assert line.startswith("error: uint8-activations [tensorrt, tensorrt-mixed] tensor 'x': is UINT8 with zero point 0")
    assert line.endswith("expected INT8 with zero point 0 and scale x 255/127; rewrite it for this target with --fix")
    assert lines[-1].startswith(f"{wrong}: 1 error, ")


def test_warnings_alone_end_with_0(wrong: Path, capsys: Capture) -> None:
    assert main(["lint", str(wrong), "--target", "onnxruntime-arm"]) == 0
    said = capsys.readouterr().out
    assert "warning: open-output [onnxruntime-arm] Conv 'conv_y'" in said
    assert "0 errors, 1 warning (onnxruntime-arm)" in said


def test_a_target_whose_rules_hold_says_so(wrong: Path, capsys: Capture) -> None:
    assert main(["lint", str(wrong), "--target", "openvino"]) == 0
    assert capsys.readouterr().out == f"{wrong}: 0 errors, 0 warnings (openvino)\n"


def test_json_is_one_document_as_the_schema_has_it(wrong: Path, capsys: Capture, validate: Validate) -> None:
    assert main(["lint", str(wrong), "--json"]) == 3
    value = json.loads(capsys.readouterr().out)
    validate("lint", value)
    assert (value["ok"], value["quantized"], value["errors"], value["fix"]) == (False, True, 1, None)
    assert [item["rule"] for item in value["findings"] if item["severity"] == "error"] == ["uint8-activations"]


def test_fix_writes_a_clean_file_and_prints_both_errors(wrong: Path, capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "right.onnx"
    assert main(["lint", str(wrong), "--target", "tensorrt", "--fix", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "changed: uint8-activations: 1 place" in said
    before, after = (
        next(line for line in said if line.startswith(f"output error {when}: ")) for when in ("before", "after")
    )
    assert before != after
    assert before.endswith("% of the float outputs' standard deviation (emulated, UINT8 read as INT8)")
    assert main(["lint", str(out), "--target", "tensorrt"]) == 0
    assert capsys.readouterr().out == f"{out}: 0 errors, 0 warnings (tensorrt)\n"


def test_json_with_fix_holds_what_was_done(wrong: Path, capsys: Capture, tmp_path: Path, validate: Validate) -> None:
    out = tmp_path / "right.onnx"
    assert main(["lint", str(wrong), "--target", "tensorrt", "--fix", str(out), "--json"]) == 0
    said = capsys.readouterr()
    value = json.loads(said.out)
    validate("lint", value)
    assert value["ok"] is False  # the file that was given
    assert value["fix"]["before"]["error"] > value["fix"]["after"]["error"] > 0
    assert "output error after" in said.err


def test_a_layer_that_goes_to_float_is_named(capsys: Capture, tmp_path: Path) -> None:
    source = saved(for_tensorrt(), tmp_path / "trt.onnx")
    out = tmp_path / "ort.onnx"
    assert main(["lint", str(source), "--target", "onnxruntime-x86-vnni", "--fix", str(out)]) == 0
    assert "now in float: conv_y: the file holds no range for tensor 'y'" in capsys.readouterr().out


def test_a_clean_file_is_copied_unchanged(capsys: Capture, tmp_path: Path, validate: Validate) -> None:
    source, out = saved(for_onnxruntime(), tmp_path / "clean.onnx"), tmp_path / "out.onnx"
    arguments = ["lint", str(source), "--target", "onnxruntime-x86-vnni", "--fix", str(out)]
    assert main(arguments) == 0
    assert out.read_bytes() == source.read_bytes()
    assert f"{out}: nothing to fix for onnxruntime-x86-vnni, copied unchanged" in capsys.readouterr().out
    assert main([*arguments, "--json", "--force"]) == 0
    validate("lint", json.loads(capsys.readouterr().out))


def test_a_float_model_has_nothing_to_find(capsys: Capture, tmp_path: Path, validate: Validate) -> None:
    net = Builder()
    source = saved(net.model(net.node("Relu", ["x"], "y")), tmp_path / "float.onnx")
    assert main(["lint", str(source)]) == 0
    assert "a float model, nothing in it is quantised" in capsys.readouterr().out
    assert main(["lint", str(source), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("lint", value)
    assert value["quantized"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "abacus"), "--target abacus: is not known, expected all or one of onnxruntime-x86-vnni, "),
        (("--target", "tensorrt-fp16"), "--target tensorrt-fp16: is not known"),
        (("--fix", "out.onnx"), "--fix: got --target all, expected one"),
    ],
)
def test_wrong_usage_ends_with_2(wrong: Path, capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
    assert main(["lint", str(wrong), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_output_that_exists_is_kept(wrong: Path, capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "there.onnx"
    out.write_bytes(b"precious")
    assert main(["lint", str(wrong), "--target", "tensorrt", "--fix", str(out)]) == 1
    assert "exists already; give --force to replace it" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"


def test_what_is_no_onnx_file_ends_with_1(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "photo.onnx").write_bytes(b"\x89PNG")
    for name in ("photo.onnx", "missing.onnx", "."):
        assert main(["lint", str(tmp_path / name)]) == 1
        said = capsys.readouterr()
        assert said.err.startswith(f"error: {tmp_path / name}: ")
        assert len(said.err.splitlines()) == 1
        assert said.out == ""


def test_weights_in_a_file_that_is_missing_are_named(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "outside.onnx"
    onnx.save(for_tensorrt(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert main(["lint", str(path), "--target", "tensorrt"]) == 0
    (tmp_path / "weights.bin").unlink()
    assert main(["lint", str(path), "--target", "tensorrt"]) == 1
    said = capsys.readouterr().err
    assert "weights.bin" in said
    assert "with the weights inside or beside it" in said


def test_the_operator_format_is_refused_with_what_to_do(tmp_path: Path, capsys: Capture) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("QLinearConv", ["x"] * 8, ["y"])], "q", ends[:1], ends[1:])
    path = saved(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "q.onnx")
    assert main(["lint", str(path)]) == 1
    assert "quant_format=QuantFormat.QDQ" in capsys.readouterr().err


def test_pairs_inside_a_branch_are_refused(tmp_path: Path, capsys: Capture) -> None:
    inner = for_tensorrt().graph
    del inner.input[:]
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 8, 8])
    choose = helper.make_node("If", ["c"], ["out"], name="choice", then_branch=inner, else_branch=inner)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 16, 8, 8])
    model = helper.make_model(helper.make_graph([choose], "g", [condition, x], [out]))
    assert main(["lint", str(saved(model, tmp_path / "if.onnx"))]) == 1
    assert "has Q/DQ inside If 'choice'" in capsys.readouterr().err
