"""TensorRT and TensorRT-RTX as backends: by name on fakes, and on a real GPU where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.backends import open_backend, unavailable
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.runtime.backends.ort import OrtBackend
from edgeneuro.spec import Array, Feed
from tests.fakes.use import TensorRt, fake_gpu
from tests.gpu import needs_gpu
from tests.runtime.bundles import SIDE, logits_of, tiny_onnx, write_bundle
from tests.tiny_graphs import positive_frame, quantized_convolution


def frames(count: int) -> Array:
    return np.random.default_rng(0).random((count, 1, SIDE, SIDE), np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path))


@pytest.mark.parametrize("version", ("10.3.0", "10.16.1", "11.4.0"))
def test_tensorrt_opens_by_its_name(monkeypatch: pytest.MonkeyPatch, version: TensorRt) -> None:
    gpu = fake_gpu(monkeypatch, tensorrt=version)
    opened = open_backend("tensorrt", tiny_onnx(), threads=None)
    x = frames(2)
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()
    assert (gpu.live, gpu.problems) == ({}, [])


def test_tensorrt_rtx_opens_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="8.9")
    opened = open_backend("tensorrt-rtx", tiny_onnx(), threads=None)
    x = frames(2)
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()
    assert (gpu.live, gpu.problems) == ({}, [])


def test_an_opened_bundle_takes_arrays_of_other_libraries_and_raw_pointers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    x = frames(1)
    with open_engine(write_bundle(tmp_path / "net.edge"), backend="tensorrt") as engine:
        np.testing.assert_allclose(engine.infer({"image": torch.from_numpy(x)})["logits"], logits_of(x), atol=1e-4)
        with closing(open_cuda()) as cuda:
            address = cuda.allocate(x.nbytes)
            stream = cuda.create_stream()
            cuda.copy(address, x.ctypes.data, x.nbytes, "to_device", stream)
            cuda.synchronize(stream)
            on_device = DeviceArray(address=address, shape=x.shape, dtype=x.dtype, owner=None)
            np.testing.assert_allclose(engine.infer({"image": on_device})["logits"], logits_of(x), atol=1e-4)
            with pytest.raises(BackendError, match="'image'"):
                engine.infer({"image": torch.zeros(1, 1, SIDE, SIDE + 1)})


@pytest.fixture(params=("tensorrt", "tensorrt-rtx"))
def real(request: pytest.FixtureRequest) -> str:
    needs_gpu()
    name: str = request.param
    if reason := unavailable(name):
        pytest.skip(f"needs {name}: it {reason}")
    return name


@pytest.mark.gpu
def test_a_gpu_computes_what_the_processor_computes(real: str) -> None:
    opened = open_backend(real, tiny_onnx(), threads=None)
    for seed in range(8):  # plain runs, the capture, and replays
        x = np.random.default_rng(seed).random((1, 1, SIDE, SIDE), np.float32)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-3)
    opened.close()


@pytest.mark.gpu
def test_a_gpu_rounds_and_clips_as_onnx_says(real: str) -> None:
    model, x = quantized_convolution(np.array(0, np.int8)).SerializeToString(), positive_frame()
    opened = open_backend(real, model, threads=None)
    y = opened.run({"x": x})["y"]
    np.testing.assert_allclose(y, OrtBackend(model).run({"x": x})["y"], atol=0.021)  # one step: ties may part
    opened.close()


@pytest.mark.gpu
def test_streams_on_a_gpu_keep_the_order_of_the_frames(real: str) -> None:
    inputs = [np.full((1, 1, SIDE, SIDE), level / 20, np.float32) for level in range(20)]

    def feeds() -> Iterator[Feed]:
        for x in inputs:
            yield {"image": x}

    opened = open_backend(real, tiny_onnx(), threads=None, streams=3)
    for result, x in zip(opened.run_many(feeds()), inputs, strict=True):
        np.testing.assert_allclose(result["logits"], logits_of(x), atol=1e-3)
    opened.close()


@pytest.mark.gpu
def test_a_thousand_frames_on_a_gpu_leave_its_memory_as_it_was(real: str) -> None:
    opened = open_backend(real, tiny_onnx(), threads=None)
    for _ in range(20):
        opened.run({"image": frames(1)})
    cuda = open_cuda()
    before = cuda.device().free_bytes
    for _ in range(1000):
        opened.run({"image": frames(1)})
    assert before - cuda.device().free_bytes < 1 << 20
    cuda.close()
    opened.close()
