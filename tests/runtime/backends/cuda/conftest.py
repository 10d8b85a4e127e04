"""Both CUDA libraries: over fakes everywhere, and for real where a GPU answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.open import open_cuda
from tests.fakes.use import FakeGpu
from tests.gpu import needs_gpu
from tests.runtime.backends.cuda.libraries import EVERY, LIBRARIES, Choice, faked


@pytest.fixture(params=EVERY)
def cuda(request: pytest.FixtureRequest) -> Iterator[Cuda]:
    """An open library, over the fake GPU or a real one."""
    choice: Choice = request.param
    if choice.real:
        needs_gpu(choice.library)
        opened = open_cuda(choice.library)
        yield opened
        opened.close()
        return
    with faked(choice.library) as gpu:
        opened = open_cuda(choice.library)
        yield opened
        opened.close()
        assert gpu.problems == []


@pytest.fixture(params=LIBRARIES)
def fake(request: pytest.FixtureRequest) -> Iterator[tuple[Cuda, FakeGpu]]:
    """An open library over the fake GPU, and that GPU."""
    with faked(request.param) as gpu:
        opened = open_cuda(request.param)
        yield opened, gpu
        opened.close()
        assert gpu.problems == []
