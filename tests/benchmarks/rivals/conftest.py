"""Fixtures of the rivals' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """PyTorch's rivals set the threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
