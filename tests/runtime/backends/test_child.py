"""A child process that crashes, hangs or fails becomes an error that says so."""

from __future__ import annotations

import os
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


def test_a_child_that_was_killed_most_likely_wanted_memory() -> None:
    with pytest.raises(BackendError) as caught:
        run_child("compiling", CRASHING, ("killed",), b"", timeout_s=60, lighter="lower the level")
    assert str(caught.value) == (
        "compiling: was killed in a child process, most likely because memory ran out; "
        "free some memory, or lower the level"
    )


def test_what_makes_the_work_lighter_is_said_when_time_runs_out() -> None:
    with pytest.raises(BackendError, match=r"did not finish in 0\.5 s in a child process; lower the level"):
        run_child("compiling", CRASHING, ("sleep",), b"", timeout_s=0.5, lighter="lower the level")


def test_lines_arrive_while_the_child_runs_and_an_interruption_ends_it() -> None:
    told: list[str] = []

    def interrupt_at_the_second(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child("compiling", CRASHING, ("talk",), b"", timeout_s=60, progress=interrupt_at_the_second)
    assert told[1] == "half done"
    with pytest.raises(ProcessLookupError):
        os.kill(int(told[0]), 0)


def test_a_child_that_is_out_of_time_is_ended_too() -> None:
    told: list[str] = []
    with pytest.raises(BackendError, match="did not finish"):
        run_child("compiling", CRASHING, ("talk",), b"", timeout_s=5, progress=told.append)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told[0]), 0)


def test_much_on_all_pipes_at_once_stops_nobody() -> None:
    output = run_child("compiling", CRASHING, ("much",), b"m" * 1_000_000, timeout_s=60)
    assert output == b"o" * 1_000_000 + b"1000000\n"
