"""Which CUDA library a test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from edgeneuro.runtime.backends.cuda import pycuda_driver
from tests.fakes.use import CudaLibrary, FakeGpu, fake_gpu

LIBRARIES: tuple[CudaLibrary, ...] = ("cuda-python", "pycuda")


class Choice(NamedTuple):
    """real: on the GPU of this machine, else over the fake."""

    library: CudaLibrary
    real: bool


def over_fake_and_gpu(library: CudaLibrary) -> list[object]:
    """Parameters of a test; the second is skipped where there is no GPU."""
    return [
        pytest.param(Choice(library, real=False), id=f"{library}-fake"),
        pytest.param(Choice(library, real=True), id=f"{library}-gpu", marks=pytest.mark.gpu),
    ]


EVERY = [parameter for library in LIBRARIES for parameter in over_fake_and_gpu(library)]


@contextmanager
def faked(library: CudaLibrary) -> Iterator[FakeGpu]:
    """The fake library and its GPU; nothing of it is current on this thread afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        gpu = fake_gpu(patch, cuda=library)
        try:
            yield gpu
        finally:
            pycuda_driver.leave_thread()
