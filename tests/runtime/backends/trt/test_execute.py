"""Engines on a fake GPU give the answers of ONNX Runtime. None of this is a result of a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.pycuda_driver import leave_thread
from edgeneuro.runtime.backends.ort import OrtBackend
from edgeneuro.spec import Feed
from tests.fakes.trt.engine import Engine
from tests.fakes.use import CudaLibrary
from tests.runtime.backends.trt.setup import BATCH, Setup, frames, set_up
from tests.runtime.bundles import SIDE, logits_of
from tests.tiny_graphs import graph_of


def convolution() -> bytes:
    """x (batch, 8, 6, 6) -> 3 x 3 convolution -> ReLU -> y, of the same shape."""
    weight = np.random.default_rng(1).normal(size=(8, 8, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    return bytes(graph_of(nodes, {"weight": weight}).SerializeToString())


def test_it_computes_what_onnx_runtime_computes(setup: Setup) -> None:
    x = np.random.default_rng(0).normal(size=(1, 8, 6, 6)).astype(np.float32)
    reference = OrtBackend(convolution()).run({"x": x})["y"]
    with_gpu = setup.open(convolution())
    for _ in range(5):
        np.testing.assert_allclose(with_gpu.run({"x": x})["y"], reference, atol=1e-5)
    with_gpu.close()


@pytest.mark.parametrize("cuda", ("cuda-python", "pycuda"))
@pytest.mark.parametrize("integrated", (True, False))
def test_both_cuda_libraries_serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: CudaLibrary, integrated: bool
) -> None:
    made = set_up(monkeypatch, tmp_path, "10.3.0", cuda, integrated=integrated)
    opened = made.open()
    for seed in range(6):
        x = frames(1, seed)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()
    leave_thread()
    assert (made.gpu.problems, made.gpu.live) == ([], {})


def test_inputs_and_outputs_are_described(setup: Setup) -> None:
    opened = setup.open()
    assert [(spec.name, spec.shape, spec.axes[0], spec.dtype) for spec in opened.inputs] == [
        ("image", (-1, 1, SIDE, SIDE), "batch", "float32")
    ]
    assert [(spec.name, spec.shape, spec.dtype) for spec in opened.outputs] == [("logits", (-1, 3), "float32")]
    opened.close()


@pytest.mark.parametrize("count", (1, 3, 4, 5, 9))
def test_batches_run_whole_or_in_pieces(setup: Setup, count: int) -> None:
    opened = setup.open(settings=BATCH)
    x = frames(count)
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    np.testing.assert_allclose(opened.run({"image": x[:1]})["logits"], logits_of(x[:1]), atol=1e-4)
    opened.close()


def test_pieces_are_no_larger_than_the_engine_allows(plain: Setup) -> None:
    opened = plain.open(settings=BATCH)
    before = plain.gpu.counts.get("execute", 0)
    opened.run({"image": frames(9)})
    assert plain.gpu.counts["execute"] - before == 3
    opened.close()


def test_results_are_the_callers_own(plain: Setup) -> None:
    opened = plain.open()
    first = opened.run({"image": frames(1, 1)})["logits"]
    before = first.copy()
    opened.run({"image": frames(1, 2)})
    np.testing.assert_array_equal(first, before)
    first += 1
    np.testing.assert_array_equal(opened.run({"image": frames(1, 1)})["logits"], before)
    opened.close()


def test_a_strided_array_is_read_as_it_looks(plain: Setup) -> None:
    opened = plain.open()
    x = frames(2)[::2, :, ::-1]
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()


def test_whole_numbers_and_truth_values_pass_through(plain: Setup) -> None:
    kinds = {"a": onnx.TensorProto.INT64, "b": onnx.TensorProto.BOOL}
    graph = helper.make_graph(
        [helper.make_node("Abs", ["a"], ["c"]), helper.make_node("Not", ["b"], ["d"])],
        "kinds",
        [helper.make_tensor_value_info(name, kind, [1, 3]) for name, kind in kinds.items()],
        [
            helper.make_tensor_value_info("c", onnx.TensorProto.INT64, [1, 3]),
            helper.make_tensor_value_info("d", onnx.TensorProto.BOOL, [1, 3]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    opened = plain.open(bytes(model.SerializeToString()))
    got = opened.run({"a": np.array([[-(2**40), 0, 3]]), "b": np.array([[True, False, True]])})
    np.testing.assert_array_equal(got["c"], [[2**40, 0, 3]])
    np.testing.assert_array_equal(got["d"], [[False, True, False]])
    assert [spec.dtype for spec in opened.outputs] == ["int64", "bool"]
    opened.close()


@pytest.mark.parametrize(
    ("feeds", "told"),
    (
        ({}, "got no input, expected 'image'"),
        ({"picture": frames(1)}, "got 'picture', expected 'image'"),
        ({"image": frames(1)[:, :, :-1]}, "'image': got shape"),
        ({"image": frames(1)[0]}, "'image': got shape"),
        ({"image": frames(1).astype(np.float64)}, "got elements of float64, expected float32"),
        ({"image": frames(1).astype(">f4")}, "got elements of >f4, expected float32"),
        ({"image": frames(1)[:0]}, "at least 1"),
        ({"image": [0.0]}, "got builtins.list"),
    ),
)
def test_what_does_not_fit_is_refused_by_name_and_the_next_frame_runs(plain: Setup, feeds: Any, told: str) -> None:
    opened = plain.open()
    with pytest.raises(BackendError, match=told):
        opened.run(feeds)
    x = frames(1)
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    assert len(opened.lanes) == 1
    opened.close()


def test_sizes_that_depend_on_the_data_are_refused(plain: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "output_shape", lambda *_: (2, -1))  # the fake would guess
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"])],
        "unknown",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [2, "found"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    opened = plain.open(bytes(model.SerializeToString()))
    with pytest.raises(BackendError, match=r"output 'y'.*depends on the values"):
        opened.run({"x": np.ones((1, 3), np.float32)})
    opened.close()


def test_overlapping_calls_have_lanes_of_their_own(setup: Setup) -> None:
    opened = setup.open()
    together = threading.Barrier(4)

    def answer(seed: int) -> bool:
        x = frames(1, seed)
        together.wait(10)
        return all(np.allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(answer, range(4)))
    assert 1 <= len(opened.lanes) <= 4
    opened.close()
    assert setup.gpu.store.unbound == set()


def test_one_thread_uses_one_lane(plain: Setup) -> None:
    opened = plain.open()
    for _ in range(10):
        opened.run({"image": frames(1)})
    assert len(opened.lanes) == 1
    opened.close()


def test_several_streams_keep_the_order_and_take_no_more_ahead(setup: Setup) -> None:
    opened = setup.open(streams=3)
    inputs = [frames(1, seed) for seed in range(10)]
    taken = 0

    def feeds() -> Iterator[Feed]:
        nonlocal taken
        for x in inputs:
            taken += 1
            yield {"image": x}

    for done, (result, x) in enumerate(zip(opened.run_many(feeds()), inputs, strict=True)):
        assert taken <= done + 3
        np.testing.assert_allclose(result["logits"], logits_of(x), atol=1e-4)
    assert len(opened.lanes) == 3
    opened.close()


def test_one_stream_answers_each_frame_before_the_next_is_taken(plain: Setup) -> None:
    opened = plain.open()
    taken: list[int] = []

    def feeds() -> Iterator[Feed]:
        for seed in range(3):
            taken.append(seed)
            yield {"image": frames(1, seed)}

    for done, _ in enumerate(opened.run_many(feeds())):
        assert len(taken) == done + 1
    opened.close()


def test_a_bad_frame_fails_in_its_place(plain: Setup) -> None:
    opened = plain.open(streams=2)
    results = opened.run_many([{"image": frames(1)}, {"image": frames(1)[0]}, {"image": frames(1)}])
    next(results)
    with pytest.raises(BackendError, match="got shape"):
        next(results)
    opened.close()
    assert plain.gpu.live == {}


def test_streams_overlap_batches_in_pieces_too(plain: Setup) -> None:
    opened = plain.open(streams=2, settings=BATCH)
    inputs = [frames(count, count) for count in (6, 1, 9, 4)]
    for result, x in zip(opened.run_many([{"image": x} for x in inputs]), inputs, strict=True):
        np.testing.assert_allclose(result["logits"], logits_of(x), atol=1e-4)
    opened.close()
