"""Time and memory of the V1 analyses: the script, on a session small enough for a test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.benchmarks import v1_scale
from edgeneuro.benchmarks.v1_scale import in_a_process, load_session, main, measure, save_session
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import UsageError
from tests.v1.small_reports import small_settings


def test_a_session_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    assert save_session(tmp_path, 0, 20, 10, (9, 12)) == (22, 20)
    made, read = simulate_session(0, neurons=20, images=10, shape=(9, 12)).recording, load_session(tmp_path)
    for name in v1_scale.ARRAYS:
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))


def test_a_step_is_timed_with_its_memory_and_one_that_cannot_be_says_why(tmp_path: Path) -> None:
    save_session(tmp_path, 0, 20, 10, (9, 12))
    done, skipped = (measure(tmp_path, name, small_settings()) for name in ("distances.raw", "guided"))
    assert done["ended"] == "done"
    assert done["seconds"] > 0
    assert 0 < done["session_mib"] <= done["peak_mib"]
    assert skipped["ended"].startswith("skipped: guided merge: no features")


def test_the_script_writes_a_row_for_every_step_also_for_one_that_the_system_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(call: Callable[..., Any], *arguments: Any) -> Any:
        if "clusters" in arguments:
            raise BrokenProcessPool
        return call(*arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(v1_scale, "in_a_process", here)
    main(neurons=20, images=6, quick=True, only="distances.raw,clusters")
    found = json.loads((tmp_path / "docs" / "results" / "v1_scale.json").read_text())
    assert [(row["step"], row["ended"]) for row in found["rows"]] == [
        ("distances.raw", "done"),
        ("clusters", "by the system"),
    ]


def test_a_step_has_a_process_of_its_own() -> None:
    assert in_a_process(os.getpid) != os.getpid()


def test_an_unknown_step_is_refused_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="got distance, expected some of fields"):
        main(only="distance")
