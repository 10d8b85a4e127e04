"""Sessions of gratings, made up and real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.data.recordings.gratings import read_gratings
from edgeneuro.data.recordings.opening import open_recording, session_names
from edgeneuro.errors import DataError, FrameError
from tests.conftest import RealData


def write(folder: Path, **changed: Any) -> Path:
    """Four trials of two neurons at six times from -1 s in steps of half a second; a neuron's response is its time's number."""
    arrays: dict[str, Any] = {
        "responses": np.arange(6.0) + np.array([0, 100])[:, None] * np.arange(4)[:, None, None],
        "direction_deg": np.array([0, 90, 180, 270]),
        "block": np.array([0, 0, 1, 1]),
        "time_s": np.arange(-1, 2, 0.5),
        "speed": np.zeros((4, 6)),
    }
    path = folder / "mouse.npz"
    np.savez(path, **{name: value for name, value in {**arrays, **changed}.items() if value is not None})
    return path


def test_a_response_is_the_mean_over_each_window_one_after_the_other(tmp_path: Path) -> None:
    found = read_gratings(write(tmp_path), windows=((-1.0, 0.0), (1.0, 2.0)))
    assert found.dropped == {"neuron whose response never changes": 2}  # the first neuron, in either window
    np.testing.assert_allclose(found.responses, [[0.5, 4.5], [100.5, 104.5], [200.5, 204.5], [300.5, 304.5]])


def test_groups_are_blocks_and_classes_are_directions(tmp_path: Path) -> None:
    found = read_gratings(write(tmp_path))
    assert found.groups.tolist() == [0, 0, 1, 1]
    assert found.classes == ("0 deg", "90 deg", "180 deg", "270 deg") and found.labels.tolist() == [0, 1, 2, 3]


def test_opposite_directions_share_an_orientation(tmp_path: Path) -> None:
    found = read_gratings(write(tmp_path), labels="orientation")
    assert found.classes == ("0 deg", "90 deg") and found.labels.tolist() == [0, 1, 0, 1]


def test_what_else_was_recorded_is_kept(tmp_path: Path) -> None:
    assert read_gratings(write(tmp_path)).traces.keys() == {"speed"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block": None}, "has no block"),
        ({"responses": np.zeros((4, 6))}, r"expected \(trial, neuron, time\)"),
        ({"time_s": np.arange(5.0)}, r"for 5 times"),
        ({"time_s": np.arange(6.0)}, "none from -1 to 0; choose"),
    ],
)
def test_a_file_that_is_no_session_is_refused_with_the_reason(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_gratings(write(tmp_path, **changed))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FrameError):
        read_gratings(path)


def test_names_that_are_no_session_say_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="has seed 'x'"):
        open_recording("v1-simulated:x")
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match="is no session"):
        open_recording(str(tmp_path / "a.txt"))
    with pytest.raises(DataError, match="is no file"):
        open_recording(str(tmp_path / "missing.mat"))
    (tmp_path / "v1_gratings_2p" / "sessions").mkdir(parents=True)
    write(tmp_path / "v1_gratings_2p" / "sessions")
    monkeypatch.setenv("EDGENEURO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="or one of mouse"):
        open_recording("rat")
    assert open_recording("mouse").name == "mouse"


def test_a_simulated_session_opens_by_its_seed() -> None:
    assert open_recording("v1-simulated:3").name == "simulated-3"


@pytest.mark.data("v1_gratings_2p")
def test_the_real_sessions_have_the_trials_and_neurons_of_their_table(
    real_data: RealData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGENEURO_DATA", str(real_data("v1_gratings_2p").parent))
    counts = {name: open_recording(name) for name in session_names()}
    assert len(counts) == 7
    assert counts["mrcuts26_fov5"].responses.shape == (104, 3 * 74)
    for session in counts.values():
        assert len(session.classes) == 8 and np.bincount(session.labels).tolist() == [13] * 8
