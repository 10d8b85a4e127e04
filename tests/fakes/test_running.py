"""The fake TensorRTs parse, build and run; what a GPU would not forgive is seen. Nothing here is a GPU result."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeneuro.spec import Array
from tests.fakes.use import FakeGpu, TensorRt, fake_gpu
from tests.tiny_graphs import graph_of, positive_frame, quantized_convolution

ANY = ["10.3.0", "10.16.1", "11.4.0", "rtx"]
MODEL = quantized_convolution(np.array(0, np.int8)).SerializeToString()
FRAME = positive_frame()


class Bench:
    """One fake library on a fake GPU, and steps that every test takes."""

    def __init__(self, patch: pytest.MonkeyPatch, library: str, **gpu: Any) -> None:
        rtx = library == "rtx"
        version: TensorRt | None = None if rtx else library  # type: ignore[assignment]
        settings = {"compute_capability": "8.6", **gpu}
        self.gpu: FakeGpu = fake_gpu(patch, tensorrt=version, rtx="1.7.1" if rtx else None, **settings)
        self.trt: Any = importlib.import_module("tensorrt_rtx" if rtx else "tensorrt")
        self.cuda: Any = importlib.import_module("cuda.bindings.runtime")
        self.said: list[str] = []
        said = self.said

        class Log(self.trt.ILogger):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()

            def log(self, severity: Any, msg: str) -> None:
                said.append(f"{severity.name}: {msg}")

        self.log = Log()
        self.builder = self.trt.Builder(self.log)
        self.config = self.builder.create_builder_config()

    def parse(self, model: bytes) -> tuple[Any, Any]:
        network = self.builder.create_network(0)
        parser = self.trt.OnnxParser(network, self.log)
        parser.parse(model)
        return network, parser

    def build(self, model: bytes = MODEL) -> bytes | None:
        network, _ = self.parse(model)
        profile = self.builder.create_optimization_profile()
        profile.set_shape("x", *[(count, 8, 6, 6) for count in (1, 2, 4)])
        self.config.add_optimization_profile(profile)
        plan = self.builder.build_serialized_network(network, self.config)
        return None if plan is None else bytes(plan)

    def load(self, plan: bytes) -> Any:
        return self.trt.Runtime(self.log).deserialize_cuda_engine(plan)

    def call(self, name: str, *arguments: Any) -> Any:
        status, *values = getattr(self.cuda, name)(*arguments)
        assert int(status) == 0, status
        return values[0] if values else None

    def ready(self, engine: Any, frame: Array = FRAME) -> tuple[Any, int, int]:
        """A context with its addresses set, a stream, and the address of the output."""
        context, stream = engine.create_execution_context(), int(self.call("cudaStreamCreateWithFlags", 1))
        x, y = self.call("cudaMalloc", frame.nbytes), self.call("cudaMalloc", frame.nbytes)
        self.call("cudaMemcpy", x, frame.ctypes.data, frame.nbytes, self.cuda.cudaMemcpyKind.cudaMemcpyHostToDevice)
        assert context.set_input_shape("x", frame.shape)
        assert context.set_tensor_address("x", x)
        assert context.set_tensor_address("y", y)
        return context, stream, y

    def read(self, address: int) -> Array:
        out = np.empty_like(FRAME)
        self.call("cudaMemcpy", out.ctypes.data, address, out.nbytes, self.cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost)
        return out


@pytest.mark.parametrize("library", ANY)
def test_an_engine_gives_the_numbers_of_onnx_runtime(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    bench = Bench(monkeypatch, library)
    plan = bench.build()
    assert plan is not None
    context, stream, y = bench.ready(bench.load(plan))
    assert context.execute_async_v3(stream)
    bench.call("cudaStreamSynchronize", stream)
    expected = onnxruntime.InferenceSession(MODEL).run(None, {"x": FRAME})[0]
    assert np.array_equal(bench.read(y), expected)
    assert tuple(context.get_tensor_shape("y")) == FRAME.shape


def test_before_the_stream_is_waited_for_the_output_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0")
    context, stream, y = bench.ready(bench.load(bench.build() or b""))
    before = bench.read(y)
    context.execute_async_v3(stream)
    assert np.array_equal(bench.read(y), before)
    bench.call("cudaStreamSynchronize", stream)
    assert not np.array_equal(bench.read(y), before)


def test_two_builds_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0")
    assert bench.build() != bench.build()


@pytest.mark.parametrize(
    ("library", "compute_capability", "reason"),
    [
        ("10.16.1", "8.6", "Version tag does not match"),
        ("rtx", "8.6", "magicTag"),
        ("10.3.0", "8.7", "compute capability 8.6"),
    ],
)
def test_an_engine_from_elsewhere_is_refused_with_a_reason(
    library: str, compute_capability: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Bench(monkeypatch, "10.3.0").build() or b""
    elsewhere = Bench(monkeypatch, library, compute_capability=compute_capability)
    assert elsewhere.load(plan) is None
    assert any(reason in text for text in elsewhere.said)


def test_a_portable_engine_fits_its_targets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "rtx")
    bench.config.num_compute_capabilities = 1
    assert bench.config.set_compute_capability(bench.trt.ComputeCapability.SM86, 0)
    plan = bench.build() or b""
    assert bench.load(plan) is not None
    assert Bench(monkeypatch, "rtx", compute_capability="9.0").load(plan) is None


@pytest.mark.parametrize("library", ANY)
def test_the_inspector_speaks_the_language_of_its_version(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, library)
    bench.config.profiling_verbosity = bench.trt.ProfilingVerbosity.DETAILED
    inspector = bench.load(bench.build() or b"").create_engine_inspector()
    found = json.loads(inspector.get_engine_information(bench.trt.LayerInformationFormat.JSON))
    convolution = next(layer for layer in found["Layers"] if layer["Name"] == "conv")
    if library.startswith("10."):
        assert found["Bindings"] == ["x", "y"]
        assert "Int8" in convolution["Inputs"][0]["Format/Datatype"]
    else:
        assert [tensor["Name"] for tensor in found["I/O Tensors"]] == ["x", "y"]
        assert convolution["Inputs"][0]["Datatype"] == "Int8"


def test_the_parser_refuses_what_the_real_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "rtx")
    unsupported = graph_of([helper.make_node("Det", ["x"], ["y"], name="det")], {}).SerializeToString()
    for model, node, words in (
        (unsupported, "det", "false"),
        (quantized_convolution(np.array(3, np.int8)).SerializeToString(), "Q", "Non-zero zero point is not supported"),
    ):
        _, parser = bench.parse(model)
        assert parser.num_errors == 1
        assert parser.get_error(0).node_name() == node
        assert words in parser.get_error(0).desc()
    _, parser = bench.parse(quantized_convolution(np.array(0, np.uint8)).SerializeToString())
    assert parser.num_errors == 0
    assert any("Defaulting to INT8 instead" in text for text in bench.said)


def test_a_build_needs_profiles_and_on_rtx_no_version_compatibility(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "rtx")
    network, _ = bench.parse(MODEL)
    assert bench.builder.build_serialized_network(network, bench.config) is None
    assert "no optimization profile" in bench.said[-1]
    bench.config.set_flag(bench.trt.BuilderFlag.VERSION_COMPATIBLE)
    assert bench.build() is None
    assert "lean runtime" in bench.said[-1]


def test_dla_takes_convolutions_and_wants_leave_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0", dla_cores=2)
    bench.config.default_device_type, bench.config.DLA_core = bench.trt.DeviceType.DLA, 0
    network, _ = bench.parse(MODEL)
    kinds = {
        layer.type.name: bench.config.can_run_on_DLA(layer) for layer in map(network.get_layer, range(len(network)))
    }
    assert (kinds["CONVOLUTION"], kinds["QUANTIZE"]) == (True, False)
    assert bench.build() is None
    bench.config.set_flag(bench.trt.BuilderFlag.GPU_FALLBACK)
    assert bench.build() is not None


def test_a_graph_is_captured_only_after_a_plain_run_at_these_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "11.4.0")
    context, stream, _ = bench.ready(bench.load(bench.build() or b""))
    local = bench.cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    bench.call("cudaStreamBeginCapture", stream, local)
    assert not context.execute_async_v3(stream)
    status, _ = bench.cuda.cudaStreamEndCapture(stream)
    assert status == bench.cuda.cudaError_t.cudaErrorStreamCaptureInvalidated
    assert context.execute_async_v3(stream)
    bench.call("cudaStreamBeginCapture", stream, local)
    assert context.execute_async_v3(stream)
    executable = bench.call("cudaGraphInstantiate", bench.call("cudaStreamEndCapture", stream), 0)
    bench.call("cudaGraphLaunch", executable, stream)
    bench.call("cudaStreamSynchronize", stream)
    assert bench.gpu.counts["launch"] == 1
    assert bench.gpu.problems == []


def test_one_context_on_two_streams_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0")
    context, stream, _ = bench.ready(bench.load(bench.build() or b""))
    other = bench.call("cudaStreamCreateWithFlags", 1)
    context.execute_async_v3(stream)
    context.execute_async_v3(int(other))
    assert len(bench.gpu.problems) == 1
    assert "while at work on" in bench.gpu.problems[0]


def test_double_free_late_use_and_leaks_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0")
    context, stream, y = bench.ready(bench.load(bench.build() or b""))
    bench.call("cudaFree", y)
    assert not context.execute_async_v3(stream)
    assert "no live device memory" in bench.gpu.problems[0]
    assert bench.cuda.cudaFree(y) == (bench.cuda.cudaError_t.cudaErrorInvalidValue,)
    assert "freed twice" in bench.gpu.problems[1]
    assert bench.gpu.live == {"device": 1, "stream": 1}


def test_a_copy_beyond_its_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "10.3.0")
    address, frame = bench.call("cudaMalloc", 16), np.zeros(17, np.uint8)
    kind = bench.cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
    (status,) = bench.cuda.cudaMemcpyAsync(address, frame.ctypes.data, 17, kind, 0)
    assert status == bench.cuda.cudaError_t.cudaErrorInvalidValue
    assert "outside every live allocation" in bench.gpu.problems[0]


def test_the_runtime_cache_is_kept_for_its_device_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "rtx")
    plan = bench.build() or b""

    def cached(device: Bench) -> Any:
        return device.load(plan).create_runtime_config().create_runtime_cache()

    kernels = bytes(cached(bench).serialize())
    assert cached(bench).deserialize(kernels)
    assert not cached(Bench(monkeypatch, "rtx", name="Another")).deserialize(kernels)
