"""TensorRT in every version, on a fake GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.backends.trt.setup import Setup, set_up


@pytest.fixture(params=("10.3.0", "10.16.1", "11.4.0", "rtx"))
def setup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Setup]:
    made = set_up(monkeypatch, tmp_path, request.param)
    yield made
    assert made.gpu.problems == []


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Setup]:
    """TensorRT 10.3 where the version does not matter."""
    made = set_up(monkeypatch, tmp_path, "10.3.0")
    yield made
    assert made.gpu.problems == []


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Setup]:
    made = set_up(monkeypatch, tmp_path, "rtx")
    yield made
    assert made.gpu.problems == []
