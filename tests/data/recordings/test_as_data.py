"""Sessions as data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data import open_data, simulated
from edgeneuro.data.make_split import make_split
from edgeneuro.data.recordings import opening
from edgeneuro.data.recordings.as_data import as_data
from edgeneuro.data.recordings.session import refuse_other_session
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError
from tests.gratings import BLOCKS, DIRECTIONS, NEURONS, write_session

SIMULATED = simulate_session(0, neurons=12, images=12, classes=2, shape=(8, 16), spontaneous=12).recording


def test_a_trial_of_a_file_is_a_sample_with_its_responses(tmp_path: Path) -> None:
    data = open_data(str(write_session(tmp_path / "mouse.npz")))
    assert (data.name, len(data), data.classes[1]) == ("mouse", BLOCKS * len(DIRECTIONS), "90 deg")
    sample = data.samples[5]
    item = data.item(sample)
    assert isinstance(item, Mapping) and data.recording is not None
    assert (sample.index, sample.target, sample.group) == (5, 1, "mouse block 1")
    assert np.array_equal(item["responses"], data.recording.responses[5]) and item["responses"].dtype == np.float32


def test_a_session_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v1_gratings_2p" / "sessions").mkdir(parents=True)
    write_session(tmp_path / "v1_gratings_2p" / "sessions" / "mouse_fov1.npz")
    monkeypatch.setenv("EDGENEURO_DATA", str(tmp_path))
    assert open_data("mouse_fov1").name == "mouse_fov1"
    with pytest.raises(DataError, match="labels and groups are always those of the session"):
        open_data("mouse_fov1", label_column="speed")


def test_every_simulated_session_is_a_data_set_too() -> None:
    assert set(opening.SIMULATED) == {name for name in simulated.SIMULATED if name.startswith("v1-")}


def test_blocks_are_dealt_out_to_folds_and_images_are_not(tmp_path: Path) -> None:
    gratings = open_data(str(write_session(tmp_path / "mouse.npz")))
    by_fold = {fold: {s.group for s in gratings.samples if s.fold == fold} for fold in range(5)}
    assert by_fold[0] == {"mouse block 0", "mouse block 5"} and sum(map(len, by_fold.values())) == BLOCKS
    assert {sample.fold for sample in as_data(SIMULATED).samples} == {None}


def test_no_group_is_on_both_sides_of_an_honest_split_and_some_are_of_a_leaky_one() -> None:
    data = as_data(SIMULATED)

    def shared(protocol: str) -> int:
        split = make_split(data, protocol=protocol)  # type: ignore[arg-type]
        groups = [{s.group for s in split.part(data.samples, part)} for part in ("training", "test")]
        return len(groups[0] & groups[1])

    assert shared("grouped") == 0 < shared("leaky")


def test_trials_of_no_known_class_are_left_out_and_counted() -> None:
    data = as_data(SIMULATED)
    grey = int(SIMULATED.grey.sum())
    assert len(data) == SIMULATED.trials - grey and data.dropped == {"trial without a class": grey}
    with pytest.raises(DataError, match="has no trial of a known class"):
        as_data(replace(SIMULATED, labels=np.full(SIMULATED.trials, -1)))


def test_responses_are_no_frames() -> None:
    data = as_data(SIMULATED)
    with pytest.raises(DataError, match="holds responses of neurons, no frames"):
        data.read(data.samples[0])


def test_a_session_is_known_by_the_places_of_its_cells_else_by_its_name(tmp_path: Path) -> None:
    renamed = replace(SIMULATED, name="copy")
    assert renamed.session.identity == SIMULATED.session.identity
    one, two = (open_data(str(write_session(tmp_path / f"{name}.npz"))).session for name in ("one", "two"))
    assert one is not None and two is not None and one.neurons == 3 * NEURONS
    refuse_other_session(one, one, "net")
    with pytest.raises(DataError, match=r"net: was trained on session one \(18 neurons\), got session two"):
        refuse_other_session(one, two, "net")
