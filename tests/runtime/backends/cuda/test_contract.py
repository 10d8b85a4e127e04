"""What `Cuda` promises, kept by both libraries: over the fake GPU here, and on a real one where there is one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.api import Cuda, HostBuffer
from tests.runtime.backends.cuda.libraries import over_fake_and_gpu

COUNT = 256
captures = pytest.mark.parametrize("cuda", over_fake_and_gpu("cuda-python"), indirect=True)
"""For tests of CUDA graphs, which pycuda has not."""


def on_another_thread(work: Callable[[], None]) -> None:
    """Run `work` there, and raise here what it raised."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def host(cuda: Cuda, value: int | None = None, *, mapped: bool = False) -> HostBuffer:
    """COUNT bytes: 0, 1, 2, ... or all `value`."""
    buffer = cuda.allocate_host(COUNT, mapped=mapped)
    buffer.array[:] = np.arange(COUNT, dtype=np.uint8) if value is None else value
    return buffer


def round_trip(cuda: Cuda, stream: int) -> None:
    """Bytes go to the device, move there and come back as they were."""
    sent, back = host(cuda), host(cuda, 0)
    first, second = cuda.allocate(COUNT), cuda.allocate(COUNT)
    cuda.copy(first, sent.address, COUNT, "to_device", stream)
    cuda.copy(second, first, COUNT, "on_device", stream)
    cuda.copy(back.address, second, COUNT, "to_host", stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(back.array, np.arange(COUNT))
    for address in (first, second):
        cuda.free(address)
    for buffer in (sent, back):
        cuda.free_host(buffer)


def test_bytes_come_back_from_the_device_as_they_were_sent(cuda: Cuda) -> None:
    round_trip(cuda, cuda.create_stream())


def test_pageable_memory_of_numpy_is_copied_too(cuda: Cuda) -> None:
    stream, address = cuda.create_stream(), cuda.allocate(COUNT)
    sent, back = np.arange(COUNT, dtype=np.uint8), np.zeros(COUNT, np.uint8)
    cuda.copy(address, sent.ctypes.data, COUNT, "to_device", stream)
    cuda.copy(back.ctypes.data, address, COUNT, "to_host", stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(back, sent)


def test_mapped_memory_is_one_for_host_and_device(cuda: Cuda) -> None:
    stream, back = cuda.create_stream(), host(cuda, 0)
    shared = host(cuda, mapped=True)
    assert shared.device_address is not None
    inside = cuda.allocate(COUNT)
    cuda.copy(inside, shared.device_address, COUNT, "on_device", stream)
    cuda.copy(back.address, inside, COUNT, "to_host", stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(back.array, np.arange(COUNT))

    cuda.copy(inside, host(cuda, 7).address, COUNT, "to_device", stream)
    cuda.copy(shared.device_address, inside, COUNT, "on_device", stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(shared.array, np.full(COUNT, 7))


def test_memory_that_was_not_mapped_has_no_address_on_the_device(cuda: Cuda) -> None:
    assert cuda.allocate_host(COUNT, mapped=False).device_address is None


def test_host_memory_is_as_long_as_asked_and_lies_at_its_address(cuda: Cuda) -> None:
    buffer = cuda.allocate_host(COUNT, mapped=True)
    assert buffer.array.shape == (COUNT,)
    assert buffer.array.dtype == np.uint8
    assert buffer.array.ctypes.data == buffer.address


def test_a_second_thread_works_on_the_same_device_once_bound(cuda: Cuda) -> None:
    def work() -> None:
        cuda.bind()
        round_trip(cuda, cuda.create_stream())

    on_another_thread(work)
    round_trip(cuda, cuda.create_stream())


def test_what_one_thread_made_another_may_use_and_give_back(cuda: Cuda) -> None:
    stream, address, buffer = cuda.create_stream(), cuda.allocate(COUNT), host(cuda)

    def work() -> None:
        cuda.bind()
        cuda.copy(address, buffer.address, COUNT, "to_device", stream)
        cuda.synchronize(stream)
        cuda.free(address)
        cuda.free_host(buffer)
        cuda.destroy_stream(stream)

    on_another_thread(work)
    with pytest.raises(BackendError, match="not held by this object"):
        cuda.free(address)


def test_memory_is_freed_once(cuda: Cuda) -> None:
    address, buffer = cuda.allocate(COUNT), host(cuda)
    cuda.free(address)
    cuda.free_host(buffer)
    with pytest.raises(BackendError, match=rf"device memory {address:#x} is not held by this object.*once"):
        cuda.free(address)
    with pytest.raises(BackendError, match=r"host memory .* not held by this object"):
        cuda.free_host(buffer)


def test_streams_and_events_are_destroyed_once(cuda: Cuda) -> None:
    stream, event = cuda.create_stream(), cuda.create_event()
    cuda.destroy_stream(stream)
    cuda.destroy_event(event)
    with pytest.raises(BackendError, match=r"stream .* not held"):
        cuda.destroy_stream(stream)
    with pytest.raises(BackendError, match=r"event .* not held"):
        cuda.destroy_event(event)


def test_memory_that_there_is_not_is_refused_in_the_words_of_cuda(cuda: Cuda) -> None:
    words = r"cudaMalloc failed \(cudaErrorMemoryAllocation" if cuda.name == "cuda-python" else "out of memory"
    with pytest.raises(BackendError, match=f"^{cuda.name} .*{words}.*; .*smaller batch"):
        cuda.allocate(1 << 50)
    round_trip(cuda, cuda.create_stream())


@pytest.mark.parametrize("nbytes", [0, -1])
def test_no_bytes_are_refused(cuda: Cuda, nbytes: int) -> None:
    with pytest.raises(BackendError, match=f"got {nbytes} bytes to allocate, expected at least 1"):
        cuda.allocate(nbytes)
    with pytest.raises(BackendError, match=f"got {nbytes} bytes to allocate, expected at least 1"):
        cuda.allocate_host(nbytes, mapped=False)


def test_time_between_events_is_asked_of_events_that_exist(cuda: Cuda) -> None:
    stream, start, end = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    source, target = host(cuda), cuda.allocate(COUNT)
    cuda.record(start, stream)
    cuda.copy(target, source.address, COUNT, "to_device", stream)
    cuda.record(end, stream)
    assert cuda.elapsed_ms(start, end) >= 0
    cuda.destroy_event(end)
    with pytest.raises(BackendError, match=r"event .* not held"):
        cuda.elapsed_ms(start, end)


def test_the_device_says_what_it_is(cuda: Cuda) -> None:
    device = cuda.device()
    major, _, minor = device.compute_capability.partition(".")
    assert int(major) >= 5
    assert minor.isdecimal()
    assert device.index == 0
    assert device.multiprocessors > 0
    assert 0 < device.free_bytes <= device.total_bytes
    assert float(device.driver) >= 11
    assert float(device.runtime) >= 11


@captures
def test_a_graph_repeats_what_was_captured_with_the_bytes_of_now(cuda: Cuda) -> None:
    stream, sent, back, inside = cuda.create_stream(), host(cuda, 1), host(cuda, 0), cuda.allocate(COUNT)

    def work() -> None:
        cuda.copy(inside, sent.address, COUNT, "to_device", stream)
        cuda.copy(back.address, inside, COUNT, "to_host", stream)

    graph = cuda.capture(stream, work)
    cuda.synchronize(stream)
    assert set(back.array) == {0}  # capturing runs nothing
    for value in (1, 2):
        sent.array[:] = value
        cuda.launch(graph, stream)
        cuda.synchronize(stream)
        assert set(back.array) == {value}
    cuda.destroy_graph(graph)
    with pytest.raises(BackendError, match=r"graph .* not held"):
        cuda.launch(graph, stream)


@captures
def test_a_stream_works_again_after_a_capture_that_cuda_refused(cuda: Cuda) -> None:
    stream = cuda.create_stream()

    def waits_in_between() -> None:
        cuda.synchronize(stream)

    def waits_and_says_nothing() -> None:
        with suppress(BackendError):
            cuda.synchronize(stream)

    with pytest.raises(BackendError, match=r"cudaStreamSynchronize failed \(cudaErrorStreamCaptureUnsupported"):
        cuda.capture(stream, waits_in_between)
    round_trip(cuda, stream)
    with pytest.raises(BackendError, match=r"cudaStreamEndCapture failed \(cudaErrorStreamCaptureInvalidated"):
        cuda.capture(stream, waits_and_says_nothing)
    round_trip(cuda, stream)


@captures
def test_a_stream_works_again_after_a_capture_that_its_work_gave_up(cuda: Cuda) -> None:
    stream = cuda.create_stream()

    def work() -> None:
        raise BackendError("the network did not start")

    with pytest.raises(BackendError, match="the network did not start"):
        cuda.capture(stream, work)
    round_trip(cuda, stream)


@pytest.mark.parametrize("cuda", over_fake_and_gpu("pycuda"), indirect=True)
def test_without_graphs_the_way_out_is_named(cuda: Cuda) -> None:
    for refused in (lambda: cuda.capture(1, lambda: None), lambda: cuda.launch(1, 1), lambda: cuda.destroy_graph(1)):
        with pytest.raises(BackendError, match=r"has no CUDA graphs; run without them, or install cuda-python"):
            refused()


def test_closing_twice_is_harmless_and_nothing_opens_again(cuda: Cuda) -> None:
    cuda.create_stream()
    cuda.close()
    cuda.close()
    with pytest.raises(BackendError, match="is closed; open it again"):
        cuda.bind()
