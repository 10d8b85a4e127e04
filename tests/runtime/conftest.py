"""Fixtures around tiny bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.bundles import write_bundle


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    """A tiny float bundle."""
    return write_bundle(tmp_path / "tiny.edge")
