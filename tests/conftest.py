"""Fixtures for every test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RealData = Callable[[str], Path]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache."""
    os.environ["EDGENEURO_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def no_trusted_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the keys that this machine's user or administrator trusts."""
    from edgeneuro.runtime import trust

    nowhere = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGENEURO_TRUSTED_KEYS", str(nowhere))
        patch.setattr(trust, "SYSTEM_FOLDER", nowhere / "none")
        yield


@pytest.fixture
def trusted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of trusted keys, empty."""
    folder = tmp_path / "trusted-keys"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EDGENEURO_TRUSTED_KEYS", str(folder))
    return folder


@pytest.fixture
def real_data() -> RealData:
    """The folder of a real data set by name: $EDGENEURO_DATA/NAME, else ../shared/data/NAME beside the checkout."""

    def find(name: str) -> Path:
        roots = [Path(__file__).parents[2] / "shared" / "data"]
        if "EDGENEURO_DATA" in os.environ:
            roots.insert(0, Path(os.environ["EDGENEURO_DATA"]))
        for root in roots:
            if (root / name).is_dir():
                return root / name
        pytest.skip(f"needs the data set {name}, looked for in {' and '.join(map(str, roots))}; set EDGENEURO_DATA")

    return find
