"""The parts of a lane: buffers, CUDA graphs, batches in pieces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.runtime.backends.cuda.pycuda_driver import leave_thread
from edgeneuro.runtime.backends.trt.batch import joined, pieces
from edgeneuro.runtime.backends.trt.buffers import Buffer
from edgeneuro.runtime.backends.trt.graphs import Graphs
from edgeneuro.runtime.backends.trt.tensors import Interface
from edgeneuro.spec import Array, TensorSpec
from tests.fakes.use import CudaLibrary, FakeGpu, fake_gpu

FLOAT32 = np.dtype("float32")
Opened = tuple[Cuda, FakeGpu]


@pytest.fixture(params=("cuda-python", "pycuda"))
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    library: CudaLibrary = request.param
    gpu = fake_gpu(monkeypatch, cuda=library, integrated=True)
    cuda = open_cuda(library)
    yield cuda, gpu
    cuda.close()
    leave_thread()
    assert gpu.problems == []


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    gpu = fake_gpu(monkeypatch)
    cuda = open_cuda("cuda-python")
    yield cuda, gpu
    cuda.close()


def test_values_go_to_the_device_and_back(opened: Opened) -> None:
    cuda, gpu = opened
    buffer, stream = Buffer(cuda, zero_copy=False), cuda.create_stream()
    buffer.reallocate(12)
    view = buffer.view((3,), FLOAT32)
    view[:] = (1, 2, 3)
    buffer.upload(12, stream)
    cuda.synchronize(stream)
    view[:] = 0
    buffer.download(12, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(view, (1, 2, 3))
    assert (gpu.counts["to_device"], gpu.counts["to_host"]) == (1, 1)


def test_shared_memory_is_never_copied(opened: Opened) -> None:
    cuda, gpu = opened
    buffer, stream = Buffer(cuda, zero_copy=True), cuda.create_stream()
    buffer.reallocate(12)
    buffer.upload(12, stream)
    buffer.download(12, stream)
    assert gpu.store.on_device(buffer.device, 12)
    assert {kind: gpu.counts.get(kind, 0) for kind in ("malloc", "to_device", "to_host")} == {
        "malloc": 0,
        "to_device": 0,
        "to_host": 0,
    }


@pytest.mark.parametrize("zero_copy", (True, False))
def test_a_device_array_gets_into_the_buffer(opened: Opened, zero_copy: bool) -> None:
    cuda, _ = opened
    source, buffer, stream = Buffer(cuda, zero_copy=False), Buffer(cuda, zero_copy=zero_copy), cuda.create_stream()
    source.reallocate(8)
    source.view((2,), FLOAT32)[:] = (5, 6)
    source.upload(8, stream)
    buffer.reallocate(8)
    buffer.take(source.device, 8, stream)
    buffer.download(8, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(buffer.view((2,), FLOAT32), (5, 6))


def test_more_bytes_mean_new_memory_and_the_old_is_freed(opened: Opened) -> None:
    cuda, gpu = opened
    buffer = Buffer(cuda, zero_copy=False)
    assert not buffer.holds(0)
    buffer.reallocate(8)
    assert buffer.holds(8) and not buffer.holds(9)
    buffer.reallocate(16)
    assert gpu.live == {"device": 1, "host": 1}
    buffer.free()
    buffer.free()
    assert gpu.live == {}


class Work:
    """Counts how often it is enqueued, and how often it ran."""

    def __init__(self, gpu: FakeGpu, stream: int) -> None:
        self.gpu, self.stream, self.enqueued, self.ran = gpu, stream, 0, 0

    def __call__(self) -> None:
        self.enqueued += 1
        self.gpu.store.enqueue(self.stream, self._run)

    def _run(self) -> None:
        self.ran += 1


def run_once(graphs: Graphs, key: str, work: Callable[[], None], *, settled: bool = True) -> None:
    if not graphs.replay(key):
        graphs.run(key, work, settled=settled)


def test_after_two_plain_runs_the_work_is_captured_and_replayed(capturing: Opened) -> None:
    cuda, gpu = capturing
    stream = cuda.create_stream()
    graphs, work = Graphs(cuda, stream, enabled=True), Work(gpu, stream)
    for _ in range(6):
        run_once(graphs, "a", work)
    cuda.synchronize(stream)
    assert (work.enqueued, work.ran, graphs.captured, gpu.counts["launch"]) == (3, 6, 1, 4)


def test_each_key_has_a_graph_of_its_own(capturing: Opened) -> None:
    cuda, gpu = capturing
    stream = cuda.create_stream()
    graphs, first, second = Graphs(cuda, stream, enabled=True), Work(gpu, stream), Work(gpu, stream)
    for _ in range(4):
        run_once(graphs, "a", first)
        run_once(graphs, "b", second)
    cuda.synchronize(stream)
    assert (first.ran, second.ran, graphs.captured) == (4, 4, 2)


def test_nothing_is_captured_in_the_call_that_changes_the_shapes(capturing: Opened) -> None:
    cuda, gpu = capturing
    stream = cuda.create_stream()
    graphs, work = Graphs(cuda, stream, enabled=True), Work(gpu, stream)
    for _ in range(5):
        run_once(graphs, "a", work, settled=False)
    assert graphs.captured == 0
    run_once(graphs, "a", work)
    assert graphs.captured == 1


def test_a_failed_capture_runs_plainly_for_good_and_is_told_once(
    capturing: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    cuda, gpu = capturing
    caplog.set_level(logging.INFO, "edgeneuro")
    stream = cuda.create_stream()
    graphs, work = Graphs(cuda, stream, enabled=True), Work(gpu, stream)

    def unfit() -> None:
        work()
        if gpu.store.stream(stream).capture is not None:
            raise BackendError("not now")

    for _ in range(6):
        run_once(graphs, "a", unfit)
    cuda.synchronize(stream)
    assert (work.ran, work.enqueued, graphs.captured, graphs.refused) == (6, 7, 0, 1)
    assert len([record for record in caplog.records if "no CUDA graph" in record.getMessage()]) == 1
    graphs.clear()
    for _ in range(4):
        run_once(graphs, "a", unfit)
    assert gpu.counts["capture"] == 1


def test_cleared_graphs_are_destroyed_and_captured_anew(capturing: Opened) -> None:
    cuda, gpu = capturing
    stream = cuda.create_stream()
    graphs, work = Graphs(cuda, stream, enabled=True), Work(gpu, stream)
    for _ in range(3):
        run_once(graphs, "a", work)
    graphs.clear()
    assert not {"graph", "executable"} & set(gpu.live)
    for _ in range(3):
        run_once(graphs, "a", work)
    assert graphs.captured == 2
    cuda.synchronize(stream)


def test_switched_off_nothing_is_captured(capturing: Opened) -> None:
    cuda, gpu = capturing
    stream = cuda.create_stream()
    graphs, work = Graphs(cuda, stream, enabled=False), Work(gpu, stream)
    for _ in range(5):
        run_once(graphs, "a", work)
    assert (work.enqueued, graphs.captured) == (5, 0)


def interface(max_batch: int | None, *, output_batched: bool = True) -> Interface:
    spec = TensorSpec(name="x", shape=(-1, 2), axes=("batch", "axis 1"), dtype="float32", unit="unknown")
    size = -1 if output_batched else 5
    result = TensorSpec(name="y", shape=(size, 2), axes=("batch", "axis 1"), dtype="float32", unit="unknown")
    batched = frozenset({"x", "y"} if output_batched else {"x"})
    return Interface(inputs=(spec,), outputs=(result,), batched=batched, max_batch=max_batch)


def rows(count: int) -> Array:
    return np.arange(2 * count, dtype=np.float32).reshape(count, 2)


@pytest.mark.parametrize(("count", "sizes"), ((1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4])))
def test_a_batch_is_cut_so_that_every_piece_fits(count: int, sizes: list[int]) -> None:
    cut = pieces({"x": rows(count)}, interface(4), "lib")
    assert [piece["x"].shape[0] for piece in cut] == sizes
    whole = joined([{"y": np.asarray(piece["x"])} for piece in cut])["y"]
    np.testing.assert_array_equal(whole, rows(count))


def test_pieces_of_a_device_array_begin_where_the_last_ended() -> None:
    array = DeviceArray(1000, (5, 2), FLOAT32, "owner")
    cut = [piece["x"] for piece in pieces({"x": array}, interface(2), "lib")]
    assert [(piece.address, piece.shape, piece.owner) for piece in cut if isinstance(piece, DeviceArray)] == [
        (1000, (2, 2), "owner"),
        (1016, (2, 2), "owner"),
        (1032, (1, 2), "owner"),
    ]


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(BackendError, match="at least 1"):
        pieces({"x": rows(0)}, interface(4), "lib")


def test_batches_of_different_sizes_are_refused() -> None:
    other = TensorSpec(name="z", shape=(-1, 2), axes=("batch", "axis 1"), dtype="float32", unit="unknown")
    both = interface(4)
    both = Interface(inputs=(*both.inputs, other), outputs=both.outputs, batched=both.batched | {"z"}, max_batch=4)
    with pytest.raises(BackendError, match="2 of 'x', 3 of 'z'"):
        pieces({"x": rows(2), "z": rows(3)}, both, "lib")


def test_pieces_that_could_not_be_joined_are_refused() -> None:
    with pytest.raises(BackendError, match="output 'y' has no batch axis"):
        pieces({"x": rows(5)}, interface(4, output_batched=False), "lib")
    assert len(pieces({"x": rows(4)}, interface(4, output_batched=False), "lib")) == 1
