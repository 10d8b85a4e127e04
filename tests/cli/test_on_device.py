"""A bundle from the host on a device with a GPU, by the command line. The GPU and its libraries are fakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.manifest import PrebuiltEngine
from edgeneuro.runtime.backends.trt.builder import build
from edgeneuro.runtime.backends.trt.identity import platform_name
from edgeneuro.runtime.backends.trt.records import BuildSettings
from tests.fakes.use import TensorRt, fake_gpu, no_gpu
from tests.runtime.bundles import SIDE, tiny_graph, tiny_manifest, tiny_members, tiny_onnx, write_bundle

FLOAT = tiny_graph("model.onnx")
INT8 = tiny_graph("graphs/tensorrt.int8.onnx", precision="int8", backend="tensorrt", checked="emulated")


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the host ships it: a float graph, and one for TensorRT."""
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    return write_bundle(tmp_path / "net.edge", tiny_manifest(precision="int8", graphs=(FLOAT, INT8)))


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "bright.png"
    assert cv2.imwrite(str(path), np.full((SIDE, SIDE), 250, np.uint8))
    return path


@pytest.mark.parametrize("version", ("10.3.0", "10.16.1", "11.4.0"))
def test_the_same_commands_serve_every_tensorrt(
    edge: Path,
    frame: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: TensorRt,
) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    assert main(["build-engine", str(edge), "--backend", "tensorrt", "--workspace", "64", "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["graph"], built["flavour"]) == (INT8.path, "tensorrt")
    assert built["version"].startswith(version)
    assert main(["run", str(edge), str(frame), "--backend", "tensorrt", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["class"] == "bright"
    assert "building" not in said.err  # it was there


def test_sparse_kernels_are_for_tensorrt_and_refused_by_tensorrt_rtx(
    edge: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", rtx="1.7.1", compute_capability="8.6")
    assert main(["build-engine", str(edge), "--backend", "tensorrt", "--sparse"]) == 0
    assert "is ready for tensorrt" in capsys.readouterr().out
    assert main(["build-engine", str(edge), "--backend", "tensorrt-rtx", "--sparse"]) == 1
    assert "has no use for sparse weights" in capsys.readouterr().err


def test_the_first_run_builds_the_engine_and_says_so(
    edge: Path, frame: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    assert main(["run", str(edge), str(frame), "--backend", "tensorrt"]) == 0
    assert "tensorrt 10.3.0: building the engine for this device, once" in capsys.readouterr().err
    assert main(["run", str(edge), str(frame), "--backend", "tensorrt"]) == 0
    assert "building" not in capsys.readouterr().err


def test_int8_runs_on_the_gpu_where_no_graph_for_processors_has_it(
    edge: Path, frame: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gpu(monkeypatch, tensorrt="11.4.0")
    assert main(["run", str(edge), str(frame), "-v"]) == 0
    assert f"runs {INT8.path} on tensorrt" in capsys.readouterr().err


def test_verify_runs_every_graph_on_the_gpu_too(
    edge: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gpu(monkeypatch, tensorrt="11.4.0", rtx="1.7.1", compute_capability="8.9", integrated=False)
    assert main(["verify", str(edge), "--json"]) == 0
    graphs = json.loads(capsys.readouterr().out)["graphs"]
    ran = {(graph["path"], graph["backend"]) for graph in graphs if graph["skipped"] is None}
    assert ran >= {(path, name) for path in (FLOAT.path, INT8.path) for name in ("tensorrt", "tensorrt-rtx")}


def test_auto_compares_the_gpu_with_the_processor(
    edge: Path, frame: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gpu(monkeypatch, tensorrt="10.16.1")
    assert main(["run", str(edge), str(frame), "--backend", "auto", "-v"]) == 0
    said = capsys.readouterr().err
    assert f"{INT8.path} on tensorrt" in said
    assert f"{FLOAT.path} on onnxruntime" in said


def test_an_engine_that_travels_in_the_bundle_needs_no_build(
    tmp_path: Path, frame: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="8.6", integrated=False)
    made = build(tiny_onnx(), "tensorrt-rtx", BuildSettings(compute_capabilities=("8.6",)))
    engine = PrebuiltEngine(
        path="engines/tensorrt-rtx.int8.engine",
        graph=INT8.path,
        backend="tensorrt-rtx",
        version=made.report.version,
        platform=platform_name(),
        compute_capabilities=("8.6",),
        convolutions=0,
        int8_convolutions=0,
        half_convolutions=0,
    )
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, INT8), engines=(engine,))
    path = write_bundle(tmp_path / "net.edge", manifest, tiny_members(manifest) | {engine.path: made.content})
    assert main(["run", str(path), str(frame), "--backend", "tensorrt-rtx"]) == 0
    said = capsys.readouterr()
    assert "bright" in said.out
    assert "building" not in said.err
    other = replace(manifest, engines=(replace(engine, version="1.6.0"),))
    write_bundle(path, other, tiny_members(other) | {engine.path: made.content})
    assert main(["run", str(path), str(frame), "--backend", "tensorrt-rtx"]) == 0
    assert f"the bundle's engine is for version 1.6.0, here is {made.report.version}" in capsys.readouterr().err


def test_without_a_gpu_the_engine_cannot_be_built_ahead_and_the_remedy_is_said(
    edge: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_gpu(monkeypatch, tensorrt="10.3.0")
    assert main(["build-engine", str(edge), "--backend", "tensorrt"]) == 1
    assert capsys.readouterr().err.startswith("error: tensorrt: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --backend tensorrt or tensorrt-rtx"),
        (["--backend", "openvino"], "give --backend tensorrt or tensorrt-rtx"),
        (["--backend", "tensorrt", "--backend", "tensorrt-rtx"], "give --backend tensorrt or tensorrt-rtx"),
        (["--backend", "tensorrt", "--out", "other.edge"], "--out: means nothing for an .edge file"),
        (["--backend", "tensorrt", "--calibration", "frames"], "--calibration: means nothing"),
    ],
)
def test_what_means_nothing_for_an_edge_file_is_refused(
    edge: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["build-engine", str(edge), *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workspace", "64"], "give them with the .edge file there"),
        (["--dla", "0"], "give them with the .edge file there"),
        (["--sparse"], "give them with the .edge file there"),
        (["--level", "2"], "add --backend tensorrt-rtx"),
        (["--compute-capability", "8.6"], "add --backend tensorrt-rtx"),
    ],
)
def test_what_no_engine_would_heed_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["build-engine", "myositis", "--int8", *arguments]) == 2
    assert said in capsys.readouterr().err
