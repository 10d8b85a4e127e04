"""OpenVINO: float32 that is float32, results of their own, crashes kept in a child process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends import open_backend
from tests.runtime.bundles import SIDE, logits_of, tiny_onnx
from tests.tiny_graphs import graph_of, positive_frame, quantized_convolution

pytest.importorskip("openvino", reason="needs the openvino extra")

from edgeneuro.runtime.backends import openvino as module
from edgeneuro.runtime.backends.openvino import OpenVinoBackend


@pytest.fixture
def backend() -> Iterator[OpenVinoBackend]:
    opened = OpenVinoBackend(tiny_onnx(), threads=1)
    yield opened
    opened.close()


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 1, SIDE, SIDE), np.float32)


def test_it_computes_in_float32_whatever_the_processor_prefers(backend: OpenVinoBackend) -> None:
    assert str(backend.compiled.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"
    batch = frames(3)
    np.testing.assert_allclose(backend.run({"image": batch})["logits"], logits_of(batch), atol=1e-4)


def test_a_quantised_graph_rounds_and_clips_as_onnx_says() -> None:
    x = positive_frame()
    model = quantized_convolution(np.array(0, np.int8)).SerializeToString()
    y = OpenVinoBackend(model, threads=1).run({"x": x})["y"]
    np.testing.assert_allclose(y, np.minimum(np.rint(x / 0.02), 127) * 0.02, atol=0.021)  # one step: ties may part


def test_a_later_run_leaves_earlier_results_and_inputs_alone(backend: OpenVinoBackend) -> None:
    first, second = frames(2)[:1], frames(2)[1:]
    kept = backend.run({"image": first})["logits"]
    before = kept.copy()
    backend.run({"image": second})
    np.testing.assert_array_equal(kept, before)
    kept += 1
    np.testing.assert_array_equal(backend.run({"image": first})["logits"], before)
    np.testing.assert_array_equal(first, frames(2)[:1])


def test_the_batch_may_change_from_call_to_call(backend: OpenVinoBackend) -> None:
    for count in (1, 4, 2):
        assert backend.run({"image": frames(count)})["logits"].shape == (count, 3)


def test_it_is_compiled_for_one_frame_and_says_that_others_fit(backend: OpenVinoBackend) -> None:
    assert list(backend.compiled.inputs[0].get_shape()) == [1, 1, SIDE, SIDE]
    assert backend.inputs[0].shape == (-1, 1, SIDE, SIDE)
    assert backend.outputs[0].shape == (-1, 3)


def test_a_graph_that_no_batch_of_one_fits_is_compiled_free() -> None:
    nodes = [helper.make_node("Reshape", ["x", "pairs"], ["y"])]
    pairs = {"pairs": np.array([2, -1, 3], np.int64)}
    model = graph_of(nodes, pairs)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["points", 3]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, "half", 3]))
    opened = OpenVinoBackend(model.SerializeToString(), threads=1)
    assert opened.run({"x": np.ones((4, 3), np.float32)})["y"].shape == (2, 2, 3)
    opened.close()


def test_streams_ask_for_throughput_and_one_for_latency() -> None:
    for streams, hint in ((1, "LATENCY"), (2, "THROUGHPUT")):
        opened = OpenVinoBackend(tiny_onnx(), threads=2, streams=streams)
        assert opened.compiled.get_property("NUM_STREAMS") == streams
        assert opened.compiled.get_property("INFERENCE_NUM_THREADS") == 2
        assert hint in str(opened.compiled.get_property("PERFORMANCE_HINT"))
        assert opened.compiled.get_property("ENABLE_CPU_PINNING") is False
        opened.close()


def test_arrays_that_may_not_be_written_to_are_read_right(backend: OpenVinoBackend) -> None:
    batch = frames(1)
    batch.flags.writeable = False
    np.testing.assert_allclose(backend.run({"image": batch})["logits"], logits_of(batch), atol=1e-4)


def test_operators_are_timed_where_that_is_asked_for() -> None:
    compiled = module.compile_graph(tiny_onnx(), 1, fused=True, profile=True)
    request = compiled.create_infer_request()
    request.infer({"image": frames(1)})
    assert any(layer.real_time.total_seconds() > 0 for layer in request.get_profiling_info())


def test_arrays_that_are_not_contiguous_are_read_right(backend: OpenVinoBackend) -> None:
    batch = np.asfortranarray(frames(4))[::2]
    np.testing.assert_allclose(backend.run({"image": batch})["logits"], logits_of(batch), atol=1e-4)


@pytest.mark.parametrize("feed", [{}, {"picture": frames(1)}, {"image": frames(1).astype(np.float64)}])
def test_a_missing_or_foreign_input_and_another_type_are_refused(
    backend: OpenVinoBackend, feed: dict[str, np.ndarray]
) -> None:
    with pytest.raises(BackendError, match=r"failed to run.*expected image of float32"):
        backend.run(feed)


def test_threads_may_share_one(backend: OpenVinoBackend) -> None:
    batches = frames(16)
    found: dict[int, np.ndarray] = {}

    def work(start: int) -> None:
        for index in range(start, 16, 4):
            found[index] = backend.run({"image": batches[index : index + 1]})["logits"][0]

    workers = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_allclose([found[index] for index in range(16)], logits_of(batches), atol=1e-4)


def test_outputs_keep_the_graphs_names_and_order() -> None:
    model = graph_of([helper.make_node("Identity", ["x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])], {})
    model.graph.output.append(model.graph.output[0].__class__.FromString(model.graph.output[0].SerializeToString()))
    model.graph.output[1].name = "a"
    backend = OpenVinoBackend(model.SerializeToString(), threads=1)
    assert [spec.name for spec in backend.outputs] == ["y", "a"]
    outputs = backend.run({"x": -positive_frame()})
    assert outputs["y"].max() == 0
    assert outputs["a"].min() < -5


def test_an_output_keeps_its_name_where_the_library_takes_its_operator_away() -> None:
    model = onnx.ModelProto.FromString(tiny_onnx())
    for name in ("b", "a"):
        model.graph.node.append(helper.make_node("Identity", ["logits"], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3]))
    opened = OpenVinoBackend(model.SerializeToString(), threads=1)
    outputs = opened.run({"image": frames(1)})
    opened.close()
    assert list(outputs) == ["logits", "b", "a"]
    np.testing.assert_array_equal(outputs["a"], outputs["logits"])


def test_an_operator_nobody_has_is_refused_by_name() -> None:
    model = graph_of([helper.make_node("NoSuchThing", ["x"], ["y"])], {}).SerializeToString()
    with pytest.raises(BackendError, match=r"openvino 20.*refuses the graph.*NoSuchThing"):
        open_backend("openvino", model, threads=1)


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"garbage"])
def test_bytes_that_are_no_graph_are_refused(data: bytes) -> None:
    with pytest.raises(BackendError, match="refuses the graph"):
        open_backend("openvino", data, threads=1)


def test_weights_kept_outside_are_refused_before_the_library_sees_them() -> None:
    model = onnx.load_model_from_string(tiny_onnx())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    with pytest.raises(BackendError, match="keeps weights in another file"):
        open_backend("openvino", model.SerializeToString(), threads=1)


def test_a_graph_that_crashes_the_child_never_reaches_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE", "tests.runtime.backends.crashing_probe")
    monkeypatch.setattr(module, "compile_graph", None)
    model = graph_of([helper.make_node("Neg", ["x"], ["y"])], {}).SerializeToString()
    with pytest.raises(BackendError, match="compiling the graph: crashed with SIGSEGV"):
        OpenVinoBackend(model, threads=1)


def test_a_graph_is_proven_once_for_each_number_of_threads_and_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    proven: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "run_child", lambda what, module, arguments, data, timeout_s: proven.append(arguments))
    monkeypatch.setattr(module, "_fused", {})
    for threads, streams in ((1, 1), (1, 1), (2, 1), (None, 1), (2, 2), (2, 1)):
        OpenVinoBackend(tiny_onnx(), threads=threads, streams=streams).close()
    threads_streams_batch_fused = [
        ("1", "1", "1", "1"),
        ("2", "1", "1", "1"),
        ("0", "1", "1", "1"),
        ("2", "2", "1", "1"),
    ]
    assert proven == threads_streams_batch_fused


def test_a_graph_that_crashes_with_fusion_runs_without_and_that_is_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []

    def child(what: str, module: str, arguments: tuple[str, ...], data: bytes, *, timeout_s: float) -> None:
        tried.append(arguments[-1])
        if arguments[-1] == "1":
            raise BackendError(f"{what}: crashed with SIGSEGV; try another backend")

    monkeypatch.setattr(module, "run_child", child)
    monkeypatch.setattr(module, "_fused", {})
    with caplog.at_level("INFO", "edgeneuro"):
        for _ in range(2):
            backend = OpenVinoBackend(tiny_onnx(), threads=1)
            np.testing.assert_allclose(backend.run({"image": frames(1)})["logits"], logits_of(frames(1)), atol=1e-4)
    assert tried == ["1", "0"]
    assert "crashed with SIGSEGV; compiled without fusion" in caplog.text
