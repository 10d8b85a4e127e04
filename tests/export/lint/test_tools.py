"""Files of the tools people use: lint finds what each is known for, fix makes it clean, TensorRT-RTX takes it."""

from __future__ import annotations

import importlib.util
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgeneuro.export.census import int8_convolutions
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lint.finding import EVERY
from edgeneuro.export.lint.fix import Fixed, fix
from edgeneuro.export.lint.read import read_quantized
from edgeneuro.export.nncf_ranges import import_nncf, quiet_nncf
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.spec import Feed, Float32

SIDE = 16
needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt-rtx")


class Block(nn.Module):
    """A stem, a residual block with a depthwise convolution, a join of two branches, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 2, 1)
        self.widen = nn.Conv2d(16, 16, 3, 1, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, 1, 1, groups=16)
        self.project = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.project(nn.functional.relu6(self.depthwise(torch.relu(self.widen(x))))))
        halves = [nn.functional.max_pool2d(branch, 2) for branch in (x, torch.sigmoid(x))]
        joined: torch.Tensor = self.head(torch.cat(halves, 1).mean((2, 3)))
        return joined


class FakeQuantized(nn.Module):
    """Two convolutions trained with fake quantisation: INT8 into the first, UINT8 into the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1)
        self.register_buffer("zero", torch.zeros(16, dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self._convolve(self.first, torch.fake_quantize_per_tensor_affine(x, 0.03, 0, -128, 127)))
        x = self._convolve(self.second, torch.fake_quantize_per_tensor_affine(x, 0.01, 0, 0, 255))
        return x.mean((2, 3))

    def _convolve(self, layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        scale = layer.weight.detach().abs().amax((1, 2, 3)) / 127
        weights = torch.fake_quantize_per_channel_affine(layer.weight, scale, self.zero, 0, -128, 127)  # type: ignore[arg-type]
        return nn.functional.conv2d(x, weights, layer.bias, padding=1)


def frames() -> list[Float32]:
    rng = np.random.default_rng(4)
    return [rng.standard_normal((1, 1, SIDE, SIDE)).astype(np.float32) for _ in range(6)]


def exported(network: nn.Module, path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 1, SIDE, SIDE)
        torch.onnx.export(network.eval(), (example,), str(path), input_names=["x"], opset_version=20, **options)
    return path


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return exported(Block(), tmp_path_factory.mktemp("tools") / "float.onnx", dynamo=False)


@pytest.fixture(scope="module")
def from_nncf(float_file: Path) -> Path:
    """nncf.quantize with its defaults."""
    nncf = import_nncf()
    with quiet_nncf():
        data = nncf.Dataset(frames(), lambda frame: {"x": frame})
        model = nncf.quantize(onnx.load(str(float_file)), data, subset_size=6)
    path = float_file.with_name("nncf.onnx")
    onnx.save(model, str(path))
    return path


def from_onnxruntime(float_file: Path, name: str, **options: Any) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Frames(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": frame} for frame in frames()]

        def get_next(self) -> Feed | None:
            return self.left.pop() if self.left else None

    path = float_file.with_name(f"{name}.onnx")
    quantize_static(str(float_file), str(path), Frames(), **options)
    return path


@pytest.fixture(scope="module")
def default_static(float_file: Path) -> Path:
    """quantize_static with its defaults: INT8 activations with zero points, INT32 biases, ReLUs folded away."""
    return from_onnxruntime(float_file, "default")


@pytest.fixture(scope="module")
def signed_static(float_file: Path) -> Path:
    """quantize_static, symmetric INT8 for both."""
    from onnxruntime.quantization import QuantType

    signed = QuantType.QInt8
    return from_onnxruntime(
        float_file,
        "s8s8",
        activation_type=signed,
        weight_type=signed,
        per_channel=True,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
    )


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def from_torch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fake_quantize calls, through either exporter."""
    torch.manual_seed(0)
    dynamo = request.param == "dynamo"
    options = {"verbose": False, "external_data": False} if dynamo else {}
    path = tmp_path_factory.mktemp(request.param) / "fake.onnx"
    return exported(FakeQuantized(), path, dynamo=dynamo, **options)


def rules(path: Path, target: str) -> dict[str, int]:
    """Rule -> how often it is broken."""
    found: dict[str, int] = {}
    for finding in lint(read_quantized(path), (target,)):
        found[finding.rule] = found.get(finding.rule, 0) + 1
    return found


def fixed(path: Path, target: str) -> tuple[onnx.ModelProto, Fixed]:
    model = read_quantized(path)
    return fix(model, FORMS[target], lint(model, (target,)))


def outputs(model: onnx.ModelProto | bytes) -> dict[str, Any]:
    with closing(open_emulated(model)) as backend:
        return stacked_outputs(backend, [{"x": frame} for frame in frames()])


def test_nncf_is_known_for_uint8_per_channel_depthwise_and_both_sides_of_an_addition(from_nncf: Path) -> None:
    found = rules(from_nncf, "tensorrt")
    assert found["uint8-activations"] >= 3
    assert found["per-channel-activations"] == 1
    assert found["residual-add"] == 1
    assert "int32-bias" not in found
    assert rules(from_nncf, "onnxruntime-x86-vnni")["mixed-signedness"] >= 1
    assert rules(from_nncf, "openvino") == {}


def test_nncf_fixed_for_tensorrt_is_as_good_as_it_was_meant_to_be(from_nncf: Path, float_file: Path) -> None:
    written, report = fixed(from_nncf, "tensorrt")
    assert report.before is not None and report.before.error is not None and report.before.error > 0.3
    assert report.after is not None and report.after.error is not None and report.after.error < 0.05
    expected = outputs(float_file.read_bytes())
    to_the_letter = outputs(from_nncf.read_bytes())
    assert relative_error(outputs(written), expected) < 1.5 * relative_error(to_the_letter, expected)


def test_what_was_fixed_for_onnxruntime_runs_there_in_int8(from_nncf: Path, signed_static: Path) -> None:
    for path in (from_nncf, signed_static):
        written, _ = fixed(path, "onnxruntime-x86-vnni")
        assert int8_convolutions(path.read_bytes()) < int8_convolutions(written.SerializeToString()) == 4


def test_onnxruntime_s_defaults_are_known_for_zero_points_and_int32_biases(default_static: Path) -> None:
    found = rules(default_static, "tensorrt")
    assert found["nonzero-zero-point"] >= 5
    assert found["int32-bias"] == 5
    assert set(rules(default_static, "onnxruntime-x86-vnni")) == {"signed-activations"}
    assert rules(default_static, "onnxruntime-arm") == {}


def test_the_relus_that_onnxruntime_folded_away_are_put_back(default_static: Path, float_file: Path) -> None:
    assert "Relu" not in {node.op_type for node in read_quantized(default_static).graph.node}
    written, report = fixed(default_static, "tensorrt")
    assert any(line.startswith("Relu put back") for line in report.changed)
    assert relative_error(outputs(written), outputs(float_file.read_bytes())) < 0.1


def test_onnxruntime_s_symmetric_file_becomes_unsigned_and_no_less_exact(signed_static: Path, float_file: Path) -> None:
    assert set(rules(signed_static, "onnxruntime-x86-vnni")) == {"signed-activations"}
    written, report = fixed(signed_static, "onnxruntime-x86-vnni")
    expected = outputs(float_file.read_bytes())
    before, after = (relative_error(outputs(model), expected) for model in (signed_static.read_bytes(), written))
    assert after < 1.1 * before
    assert report.kept_float == {}


def test_torch_s_fake_quantisation_is_known_for_uint8_and_an_open_output(from_torch: Path) -> None:
    assert rules(from_torch, "tensorrt") == {"uint8-activations": 1}
    assert rules(from_torch, "onnxruntime-x86-vnni") == {
        "open-output": 1,
        "float-bias": 2,
        "mixed-signedness": 1,
        "signed-activations": 1,
    }
    written, report = fixed(from_torch, "tensorrt")
    kinds = {tensor.data_type for tensor in written.graph.initializer}
    assert onnx.TensorProto.UINT8 not in kinds
    assert report.kept_float == {}
    assert relative_error(outputs(written), outputs(from_torch.read_bytes())) < 0.05


@pytest.mark.parametrize("target", EVERY)
def test_every_tool_s_file_is_clean_after_fix(
    target: str, from_nncf: Path, default_static: Path, signed_static: Path
) -> None:
    for path in (from_nncf, default_static, signed_static):
        if target == "openvino" and path != signed_static:
            continue  # it starts a process for every graph
        written, report = fixed(path, target)
        onnx.checker.check_model(written, full_check=True)
        assert report.left == ()
        if report.before is not None and report.before.error is not None:
            assert report.after is not None and report.after.error is not None
            assert report.after.error < 1.1 * report.before.error


@needs_rtx
@pytest.mark.parametrize("tool", ["nncf", "onnxruntime", "torch"])
def test_tensorrt_rtx_builds_what_was_fixed_with_every_convolution_in_int8(
    tool: str, from_nncf: Path, default_static: Path, tmp_path: Path
) -> None:
    path = {"nncf": from_nncf, "onnxruntime": default_static}.get(tool)
    path = path or exported(FakeQuantized(), tmp_path / "fake.onnx", dynamo=False)
    written, _ = fixed(path, "tensorrt")
    report = evidence(written.SerializeToString(), compute_capabilities=("8.6",))
    assert report.layers is not None
    assert report.layers.int8_convolutions == report.layers.convolutions == (2 if tool == "torch" else 4)
    assert not any("INT8" in warning for warning in report.warnings)
