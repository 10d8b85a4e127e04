"""A DLA takes what it can, with the GPU for the rest; everything here runs on fakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.build import Job, build_here
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.records import BuildSettings, BuiltEngine
from tests.fakes.use import TensorRt, fake_gpu
from tests.tiny_graphs import graph_of, quantized_convolution

VERSIONS: tuple[TensorRt, ...] = ("10.3.0", "10.16.1", "11.4.0")


def built(model: onnx.ModelProto, core: int | None, told: list[str]) -> BuiltEngine:
    job = Job(model=model.SerializeToString(), settings=BuildSettings(dla_core=core))
    return build_here(job, open_library("tensorrt"), told.append)


def convolution() -> onnx.ModelProto:
    return quantized_convolution(np.array(0, np.int8))


@pytest.mark.parametrize("version", VERSIONS)
def test_layers_placed_on_the_dla_are_counted(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version, dla_cores=2)
    told: list[str] = []
    layers = built(convolution(), 1, told).report.layers
    assert layers is not None
    assert layers.on_dla == 1
    assert any(line.startswith("1 of ") and line.endswith("layers can run on the DLA") for line in told)


def test_without_a_core_asked_for_nothing_runs_on_the_dla(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", dla_cores=2)
    told: list[str] = []
    layers = built(convolution(), None, told).report.layers
    assert layers is not None
    assert layers.on_dla == 0
    assert not any("DLA" in line for line in told)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_board_without_dla_is_told_so(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    with pytest.raises(BackendError, match=r"got DLA core 0, but finds none here: .*leave out --dla"):
        built(convolution(), 0, [])


def test_a_core_beyond_the_last_is_refused_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", dla_cores=2)
    with pytest.raises(BackendError, match="got DLA core 2, but this board has 2, numbered from 0"):
        built(convolution(), 2, [])


def test_a_graph_of_which_nothing_can_run_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", dla_cores=1)
    model = graph_of([helper.make_node("Softmax", ["x"], ["y"], name="shares", axis=1)], {})
    with pytest.raises(BackendError, match=r"DLA core 0 can run none of the 1 layers; .* leave out --dla"):
        built(model, 0, [])


def test_tensorrt_rtx_has_no_dla(monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = fake_gpu(monkeypatch, rtx="1.7.1")
    assert fake.problems == []
    job = Job(model=convolution().SerializeToString(), settings=BuildSettings(dla_core=0))
    with pytest.raises(BackendError, match="TensorRT-RTX is for PCs and knows no DLA"):
        build_here(job, open_library("tensorrt-rtx"), lambda line: None)
