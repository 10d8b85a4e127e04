"""Engines built in a process of their own: by TensorRT-RTX itself, which needs no GPU, and by fakes of TensorRT."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import edgeneuro
from edgeneuro.errors import BackendError
from edgeneuro.records import to_json
from edgeneuro.runtime.backends.trt import builder
from edgeneuro.runtime.backends.trt.build_child import ANSWER, ENGINE, REQUEST, TIMING_CACHE, Request
from edgeneuro.runtime.backends.trt.builder import COMPUTE_CAPABILITIES, build, evidence
from edgeneuro.runtime.backends.trt.records import BuildSettings, Layers
from tests.fakes.use import TensorRt, fake_gpu, no_gpu
from tests.tiny_graphs import graph_of, quantized_convolution

ONE = ("8.6",)
VERSIONS: tuple[TensorRt, ...] = ("10.3.0", "10.16.1", "11.4.0")


@pytest.fixture
def rtx() -> None:
    """The library itself."""
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")


def convolution() -> bytes:
    return bytes(quantized_convolution(np.array(0, np.int8)).SerializeToString())


def two_convolutions() -> bytes:
    """The first in INT8, the second in float."""
    model = quantized_convolution(np.array(0, np.int8))
    model.graph.node[3].output[0] = "c"
    weight = np.ones((8, 8, 1, 1), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "float weight"))
    model.graph.node.append(helper.make_node("Conv", ["c", "float weight"], ["y"], name="second"))
    return bytes(model.SerializeToString())


def layers_of(model: bytes, **options: Any) -> Layers:
    found = evidence(model, **{"compute_capabilities": ONE, **options}).layers
    assert found is not None
    return found


# --- TensorRT-RTX itself


@pytest.mark.usefixtures("rtx")
def test_each_convolution_is_counted_by_the_type_it_reads() -> None:
    report = evidence(two_convolutions(), compute_capabilities=ONE)
    assert report.layers is not None
    found = report.layers
    assert (found.convolutions, found.int8_convolutions, found.half_convolutions) == (2, 1, 0)
    assert found.source == "build log"
    assert report.warnings == ()
    assert report.engine_bytes > 0


@pytest.mark.usefixtures("rtx")
def test_nodes_without_names_are_counted_alike() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    for node in model.graph.node:
        node.name = ""
    found = layers_of(model.SerializeToString())
    assert (found.convolutions, found.int8_convolutions) == (1, 1)


@pytest.mark.usefixtures("rtx")
def test_an_engine_comes_back_with_its_report_and_what_was_said_meanwhile() -> None:
    told: list[str] = []
    built = build(convolution(), "tensorrt-rtx", BuildSettings(max_batch=4), progress=told.append)
    assert built.report.engine_bytes == len(built.content) > 0
    assert built.report.flavour == "tensorrt-rtx"
    assert built.timing_cache == b""
    assert told[0] == "Building engine"
    assert len(told) > 5


@pytest.mark.usefixtures("rtx")
def test_uint8_is_an_error_unless_it_is_asked_what_would_become_of_it() -> None:
    model = quantized_convolution(np.array(0, np.uint8)).SerializeToString()
    with pytest.raises(BackendError, match="which it reads as INT8"):
        evidence(model, compute_capabilities=ONE)
    with pytest.raises(BackendError, match="which it reads as INT8"):
        build(model, "tensorrt-rtx", BuildSettings(compute_capabilities=ONE))
    report = evidence(model, compute_capabilities=ONE, uint8_is_error=False)
    assert any("Defaulting to INT8" in warning for warning in report.warnings)


@pytest.mark.usefixtures("rtx")
def test_a_missing_zero_point_is_uint8_too() -> None:
    with pytest.raises(BackendError, match="which it reads as INT8"):
        evidence(quantized_convolution(None).SerializeToString(), compute_capabilities=ONE)


@pytest.mark.usefixtures("rtx")
def test_a_refusal_reaches_the_caller_in_its_own_words() -> None:
    with pytest.raises(BackendError, match=r"^tensorrt-rtx \S+: refuses the graph: QuantizeLinear 'Q' .*symmetrically"):
        evidence(quantized_convolution(np.array(3, np.int8)).SerializeToString(), compute_capabilities=ONE)


@pytest.mark.usefixtures("rtx")
def test_a_free_axis_behind_the_batch_is_refused_by_name() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(BackendError, match=r"input 'x' of shape \(-1, 8, -1, 6\) has a free axis 2 \('height'\)"):
        evidence(model.SerializeToString(), compute_capabilities=ONE)


@pytest.mark.usefixtures("rtx")
def test_a_matrix_product_in_float32_fails_on_turing_and_says_so() -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "w"], ["gates"], name="gemm"),
        helper.make_node("Unsqueeze", ["gates", "axes"], ["wide"], name="wide"),
        helper.make_node("Mul", ["x", "wide"], ["y"], name="scale"),
    ]
    weights = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    model = graph_of(nodes, {"w": weights, "axes": np.array([2, 3])}).SerializeToString()
    assert layers_of(model, compute_capabilities=COMPUTE_CAPABILITIES).convolutions == 0
    with pytest.raises(BackendError, match="FP32 GEMM is not supported"):
        evidence(model, compute_capabilities=("7.5",))


@pytest.mark.usefixtures("rtx")
def test_an_unknown_compute_capability_names_those_there_are() -> None:
    with pytest.raises(BackendError, match=r"compute capability 9.0: is not known.*8.6, 8.9, 12.0"):
        evidence(convolution(), compute_capabilities=("9.0",))


@pytest.mark.usefixtures("rtx")
def test_too_little_workspace_says_what_to_raise() -> None:
    settings = BuildSettings(workspace_mib=1, compute_capabilities=ONE)
    with pytest.raises(BackendError, match=r"workspace limit.*raise --workspace, or leave it out"):
        build(two_convolutions(), "tensorrt-rtx", settings)


@pytest.mark.usefixtures("rtx")
def test_a_level_is_taken() -> None:
    built = build(convolution(), "tensorrt-rtx", BuildSettings(level=1, compute_capabilities=ONE))
    assert built.report.engine_bytes > 0


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("settings", [BuildSettings(refit=True), BuildSettings(strip=True)])
def test_an_engine_for_other_weights_is_built_or_refused_for_want_of_a_gpu(settings: BuildSettings) -> None:
    try:
        built = build(convolution(), "tensorrt-rtx", settings)
    except BackendError as error:
        assert "build on a machine that has one, or leave them out" in str(error)
    else:
        assert built.report.engine_bytes > 0


@pytest.mark.usefixtures("rtx")
def test_a_version_compatible_engine_is_refused_before_the_build() -> None:
    with pytest.raises(BackendError, match="no release runs the engines of another"):
        build(convolution(), "tensorrt-rtx", BuildSettings(version_compatible=True))


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"garbage"])
def test_bytes_that_are_no_graph_are_refused(data: bytes) -> None:
    with pytest.raises(BackendError, match="refuses the graph"):
        evidence(data)


# --- the process


def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.usefixtures("rtx")
def test_the_child_has_the_library_and_nothing_heavy_beside_it(tmp_path: Path) -> None:
    request = Request(flavour="tensorrt-rtx", settings=BuildSettings(compute_capabilities=ONE), uint8_is_error=True)
    (tmp_path / REQUEST).write_text(json.dumps(to_json(request)))
    (tmp_path / TIMING_CACHE).write_bytes(b"")
    program = (
        "import runpy, sys; runpy.run_module('edgeneuro.runtime.backends.trt.build_child', run_name='__main__', alter_sys=True);"
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        input=convolution(),
        capture_output=True,
        check=True,
        cwd=Path(edgeneuro.__file__).parents[1],
    )
    assert (tmp_path / ENGINE).stat().st_size > 0
    assert json.loads((tmp_path / ANSWER).read_bytes())["report"]["layers"]["convolutions"] == 1
    modules = set(done.stdout.decode().rpartition("MODULES ")[2].split())
    assert "tensorrt_rtx" in modules
    assert modules.isdisjoint({"torch", "onnx", "onnxruntime", "nncf", "openvino", "scipy", "typer"})


@pytest.mark.usefixtures("rtx")
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = in_a_folder_of_its_own(tmp_path, monkeypatch)
    seen: list[Path] = []

    def interrupt(line: str) -> None:
        seen.extend(folder.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(convolution(), "tensorrt-rtx", BuildSettings(compute_capabilities=ONE), progress=interrupt)
    (private,) = seen
    assert list(folder.iterdir()) == []
    assert not private.exists()


def test_a_child_that_is_killed_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = in_a_folder_of_its_own(tmp_path, monkeypatch)
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    monkeypatch.setattr(builder, "_CHILD", "tests.runtime.backends.killed")
    with pytest.raises(BackendError) as caught:
        build(convolution(), "tensorrt")
    assert str(caught.value) == (
        "tensorrt: building the engine: was killed in a child process, most likely because memory ran out; "
        "free some memory, or lower --workspace or --level"
    )
    assert list(folder.iterdir()) == []


def test_weights_in_another_file_are_refused_before_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    model = quantized_convolution(np.array(0, np.int8))
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    monkeypatch.setattr(builder, "run_child", lambda *_, **__: pytest.fail("a child was started"))
    with pytest.raises(BackendError, match="keeps weights in another file"):
        build(model.SerializeToString(), "tensorrt")


# --- fakes of TensorRT


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_builds_and_inspects(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    told: list[str] = []
    settings = BuildSettings(max_batch=4, workspace_mib=64, level=2)
    built = build(two_convolutions(), "tensorrt", settings, progress=told.append)
    layers = built.report.layers
    assert layers is not None
    assert (layers.convolutions, layers.int8_convolutions, layers.half_convolutions) == (2, 1, 0)
    assert layers.source == "inspector"
    assert layers.reformats == 1
    assert built.report.version.startswith(version)
    assert built.report.seconds > 0
    assert told[0] == "Building engine"
    assert built.timing_cache
    again = build(two_convolutions(), "tensorrt", settings, timing_cache=built.timing_cache)
    assert again.timing_cache == built.timing_cache


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_compatible_engine_is_not_loaded_to_list_its_layers(
    version: TensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    built = build(convolution(), "tensorrt", BuildSettings(version_compatible=True))
    assert built.content
    assert built.report.layers is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stripped_engine_is_inspected_all_the_same(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    layers = build(convolution(), "tensorrt", BuildSettings(strip=True)).report.layers
    assert layers is not None
    assert layers.int8_convolutions == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_gpu_tensorrt_says_that_it_needs_one(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch, tensorrt=version)
    with pytest.raises(BackendError, match=r"cannot start building \(.*CUDA.*\); it needs the GPU it builds for"):
        build(convolution(), "tensorrt")


@pytest.mark.parametrize("version", VERSIONS)
def test_nodes_refused_by_tensorrt_are_listed(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    with pytest.raises(BackendError, match=rf"^tensorrt {version}\S*: refuses the graph: QuantizeLinear 'Q'"):
        build(quantized_convolution(np.array(3, np.int8)).SerializeToString(), "tensorrt")


def test_tensorrt_rtx_builds_for_the_gpu_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="8.9")
    assert b'"capabilities": ["SM89"]' in build(convolution(), "tensorrt-rtx").content


def test_tensorrt_rtx_builds_for_the_usual_gpus_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch, rtx="1.7.1")
    assert b'"capabilities": ["SM86", "SM89", "SM120"]' in build(convolution(), "tensorrt-rtx").content


def test_a_gpu_that_tensorrt_rtx_makes_no_kernels_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="9.0")
    with pytest.raises(BackendError, match=r"compute capability 9.0: is not known to tensorrt-rtx 1.7.1.*which has"):
        build(convolution(), "tensorrt-rtx")
