"""For tests that need an NVIDIA GPU: mark them `@pytest.mark.gpu` and begin with `needs_gpu()`."""

from __future__ import annotations

import pytest

from edgeneuro.runtime.backends.cuda.open import gpu_missing


def needs_gpu(library: str | None = None) -> None:
    """Skip the test, with the reason, where no GPU answers. library: "cuda-python" or "pycuda"; None takes what is there."""
    reason = gpu_missing(library)
    if reason:
        pytest.skip(f"needs an NVIDIA GPU: {reason}")
