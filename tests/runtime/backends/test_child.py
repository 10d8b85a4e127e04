"""A child process that crashes, hangs or fails becomes an error that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.child import run_child

CRASHING = "tests.runtime.backends.crashing"


def test_a_crash_names_its_signal() -> None:
    with pytest.raises(BackendError, match="compiling: crashed with SIGSEGV, in a child process; try another backend"):
        run_child("compiling", CRASHING, ("crash",), b"", timeout_s=60)


def test_a_child_that_hangs_is_stopped() -> None:
    with pytest.raises(BackendError, match=r"did not finish in 0\.5 s"):
        run_child("compiling", CRASHING, ("sleep",), b"", timeout_s=0.5)


def test_a_child_that_fails_gives_its_last_line() -> None:
    with pytest.raises(BackendError, match=r"failed in a child process \(the reason\)"):
        run_child("compiling", CRASHING, ("fail",), b"model" * 100_000, timeout_s=60)


def test_a_child_imports_nothing_from_the_folder_the_user_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError) as caught:
        run_child("compiling", CRASHING, ("import",), b"", timeout_s=60)
    assert "json" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
