"""What only a fake GPU can tell: what was left behind, in which order things went, on which threads. No GPU result."""

from __future__ import annotations

import threading

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda import pycuda_driver
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.open import open_cuda
from tests.fakes.use import FakeGpu
from tests.runtime.backends.cuda.libraries import faked

Fake = tuple[Cuda, FakeGpu]


def test_closing_gives_back_everything_memory_last(fake: Fake) -> None:
    cuda, gpu = fake
    cuda.allocate_host(8, mapped=True)
    address = cuda.allocate(8)
    stream = cuda.create_stream()
    cuda.create_event()
    if cuda.captures:
        source = cuda.allocate_host(8, mapped=False).address
        cuda.capture(stream, lambda: cuda.copy(address, source, 8, "to_device", stream))
    before = len(gpu.releases)
    cuda.close()
    assert gpu.live == {}
    graphs, hosts = (["executable"], ["host", "host"]) if cuda.captures else ([], ["host"])
    assert gpu.releases[before:] == [*graphs, "event", "stream", "device", *hosts]
    cuda.close()
    assert len(gpu.releases) == before + len(graphs) + 3 + len(hosts)


def test_nothing_is_left_of_a_capture_but_its_executable() -> None:
    with faked("cuda-python") as gpu:
        cuda = open_cuda("cuda-python")
        stream = cuda.create_stream()
        graph = cuda.capture(stream, lambda: None)
        assert gpu.live == {"stream": 1, "executable": 1}
        cuda.destroy_graph(graph)
        with pytest.raises(BackendError):
            cuda.capture(stream, lambda: cuda.synchronize(stream))
        assert gpu.live == {"stream": 1}
        cuda.close()


def test_time_between_events_runs_forward(fake: Fake) -> None:
    cuda, _ = fake
    stream, start, end = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    cuda.record(start, stream)
    cuda.record(end, stream)
    assert cuda.elapsed_ms(start, end) > 0


def test_free_memory_shrinks_by_what_is_allocated(fake: Fake) -> None:
    cuda, _ = fake
    before = cuda.device().free_bytes
    cuda.allocate(1000)
    assert cuda.device().free_bytes == before - 1000


def test_facts_of_the_device_are_read_from_the_right_places(fake: Fake) -> None:
    device = fake[0].device()
    assert (device.name, device.compute_capability, device.multiprocessors) == ("Fake Orin", "8.7", 16)
    assert (device.total_bytes, device.integrated) == (8 << 30, True)
    assert (device.driver, device.runtime) == ("12.6", "12.6")


def test_a_thread_that_bound_the_context_ends_without_it() -> None:
    with faked("pycuda"):
        from tests.fakes.pycuda_driver import abandoned

        cuda = open_cuda("pycuda")
        thread = threading.Thread(target=cuda.bind)
        thread.start()
        thread.join()
        assert abandoned() == []  # pycuda would abort the process
        cuda.close()


def test_pycuda_without_bind_says_what_to_call() -> None:
    with faked("pycuda"):
        cuda = open_cuda("pycuda")
        pycuda_driver.leave_thread()
        with pytest.raises(BackendError, match=r"invalid device context.*; call bind\(\) first on every thread"):
            cuda.allocate(8)
        cuda.close()


def test_two_engines_share_a_thread_and_one_may_close(fake: Fake) -> None:
    cuda, _ = fake
    other = open_cuda(cuda.name)
    other.allocate(8)
    other.close()
    cuda.free(cuda.allocate(8))


def test_what_another_object_made_is_not_freed_here(fake: Fake) -> None:
    cuda, gpu = fake
    other = open_cuda(cuda.name)
    address = other.allocate(8)
    with pytest.raises(BackendError, match="not held by this object"):
        cuda.free(address)
    assert gpu.live == {"device": 1}
    other.close()


def test_a_gpu_that_is_not_there_is_refused(fake: Fake) -> None:
    cuda, _ = fake
    with pytest.raises(BackendError, match="got GPU 1, expected one of the 1 here, counted from 0"):
        open_cuda(cuda.name, device=1)
