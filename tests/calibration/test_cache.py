"""The cache of ranges: used where nothing changed, else refused by naming what did."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.calibration.cache import CacheKey, identity, load, store

KEY = CacheKey(
    model="m" * 64, data="d" * 64, preprocessing="224 px", method="mse", libraries={"numpy": "2.1", "nncf": "3.4"}
)
VALUE = {"ranges": {"x": {"low": -0.1, "high": 1 / 3}}}


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def test_what_was_stored_is_found_unchanged(tmp_path: Path) -> None:
    assert store("net", KEY, VALUE, tmp_path) == ""
    assert load("net", KEY, tmp_path).value == VALUE


def test_an_empty_cache_says_nothing(tmp_path: Path) -> None:
    found = load("net", KEY, tmp_path)
    assert (found.value, found.stale) == (None, "")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(KEY, data="e" * 64), "the cached result is of other calibration frames"),
        (replace(KEY, preprocessing="128 px"), "the cached result is of other preprocessing"),
        (replace(KEY, model="n" * 64), "the cached result is of another state of the network"),
        (replace(KEY, revision=99), "the cached result is of another revision of calibration"),
        (
            replace(KEY, libraries={"numpy": "2.2"}),
            "the cached result is of other versions (nncf 3.4, now none; numpy 2.1, now 2.2)",
        ),
        (
            replace(KEY, data="e" * 64, model="n" * 64),
            "the cached result is of another state of the network, other calibration frames",
        ),
    ],
)
def test_a_stale_entry_is_refused_by_naming_what_differs(tmp_path: Path, other: CacheKey, reason: str) -> None:
    store("net", KEY, VALUE, tmp_path)
    found = load("net", other, tmp_path)
    assert (found.value, found.stale) == (None, reason)


def test_methods_and_networks_have_entries_of_their_own(tmp_path: Path) -> None:
    store("net", KEY, 1, tmp_path)
    store("net", replace(KEY, method="entropy"), 2, tmp_path)
    store("other", KEY, 3, tmp_path)
    assert load("net", KEY, tmp_path).value == 1
    assert len(entries(tmp_path)) == 3


def test_names_that_are_no_file_names_stay_apart_and_inside_the_folder(tmp_path: Path) -> None:
    for number, name in enumerate(("../a/b", ".._a_b", "a b", "a:b", "n" * 300)):
        store(name, KEY, number, tmp_path)
    assert len(entries(tmp_path)) == 5
    assert all(path.parent == tmp_path / "ranges" for path in entries(tmp_path))
    assert load("../a/b", KEY, tmp_path).value == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": {}, "value": 1}', b"\xff\xfe", b"\x80\x04K\x01."])
def test_a_damaged_entry_is_ignored_with_a_reason(tmp_path: Path, content: bytes) -> None:
    store("net", KEY, VALUE, tmp_path)
    entries(tmp_path)[0].write_bytes(content)
    found = load("net", KEY, tmp_path)
    assert found.value is None
    assert found.stale.startswith("the cached result cannot be read")


def test_the_folder_is_private(tmp_path: Path) -> None:
    (tmp_path / "ranges").mkdir(mode=0o755)
    store("net", KEY, VALUE, tmp_path)
    assert stat.S_IMODE((tmp_path / "ranges").stat().st_mode) == 0o700


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "nothing is cached" in store("net", KEY, VALUE, tmp_path / "file")


def test_identity_is_of_the_frames_and_not_of_their_order() -> None:
    one, two = ({"x": np.full((1, 2), value, np.float32)} for value in (1.0, 2.0))
    assert identity([one, two]) == identity([two, one])
    assert identity([one, two]) != identity([one, one])
    assert identity([one]) != identity([{"y": one["x"]}])
    assert identity([one]) != identity([{"x": one["x"].reshape(2, 1)}])
