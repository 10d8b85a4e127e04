"""Sessions of natural images: files of the published layout, made by the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from edgeneuro.data.recordings import GREY, UNKNOWN, Recording
from edgeneuro.data.recordings.natimg import (
    read_classes,
    read_images,
    read_natimg,
    write_classes,
    write_images,
    write_natimg,
)
from edgeneuro.data.recordings.opening import CLASSES, IMAGES, open_recording
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError


@pytest.fixture(scope="module")
def session() -> Recording:
    return simulate_session(1, neurons=20, images=12, classes=3, shape=(8, 16), spontaneous=40).recording


def of_image(session: Recording) -> Any:
    """(image,) class of each."""
    return np.array([session.labels[session.stimuli == image][0] for image in range(12)])


def test_a_session_with_images_and_classes_is_read_as_it_was_written(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "natimg2800_M1_2020-01-01.mat", session)
    assert session.images is not None
    write_images(tmp_path / IMAGES, session.images)
    write_classes(tmp_path / CLASSES, session.classes, of_image(session))
    found = open_recording(str(tmp_path / "natimg2800_M1_2020-01-01.mat"))
    for name in ("responses", "stimuli", "labels", "groups", "spontaneous", "positions_um", "images"):
        np.testing.assert_array_equal(getattr(found, name), getattr(session, name), err_msg=name)
    assert found.classes == session.classes and not found.simulated


def test_the_file_has_the_layout_of_the_published_ones(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "s.mat", session)
    stored = loadmat(tmp_path / "s.mat")
    stim = stored["stim"][0]
    assert stim["resp"][0].shape == session.responses.shape
    assert stim["istim"][0].shape == (session.trials, 1) and stim["istim"][0].min() == 1
    assert stim["istim"][0].max() == 13  # twelve images, and grey after them


def test_without_a_class_file_every_label_is_unknown(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "s.mat", session)
    found = read_natimg(tmp_path / "s.mat")
    assert found.classes == () and set(found.labels.tolist()) == {UNKNOWN}
    assert found.lacks("images") is not None


def test_images_of_class_unknown_and_grey_trials_have_no_label(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "s.mat", session)
    classes = of_image(session)
    classes[4] = UNKNOWN
    write_classes(tmp_path / "c.mat", session.classes, classes)
    found = read_natimg(tmp_path / "s.mat", classes=tmp_path / "c.mat")
    assert set(found.labels[found.stimuli == 4].tolist()) == {UNKNOWN}
    assert set(found.labels[found.stimuli == GREY].tolist()) == {UNKNOWN}
    assert read_classes(tmp_path / "c.mat")[0] == session.classes


def stored_stim(session: Recording) -> dict[str, Any]:
    shown = np.where(session.grey, 13, session.stimuli + 1)
    return {"resp": session.responses.copy(), "istim": shown[:, None].astype(float), "spont": session.spontaneous}


def test_neurons_with_nan_constant_ones_and_inhibitory_ones_are_left_out_and_counted(
    tmp_path: Path, session: Recording
) -> None:
    stim = stored_stim(session)
    stim["resp"][3, 0] = np.nan
    stim["resp"][:, 1] = 7.0
    stat = np.zeros((1, 20), [("npix", object), ("redcell", object)])
    for number in range(20):
        stat[0, number] = (np.array([[30.0]]), np.array([[float(number in (1, 2, 3))]]))
    savemat(tmp_path / "s.mat", {"stim": stim, "med": session.positions_um, "stat": stat})
    found = read_natimg(tmp_path / "s.mat")
    assert found.neurons == 16
    assert found.dropped == {
        "neuron with NaN or infinity": 1, "neuron whose response never changes": 1, "inhibitory neuron": 2,
    }  # fmt: skip
    np.testing.assert_array_equal(found.positions_um, session.positions_um[4:])  # type: ignore[index]
    assert read_natimg(tmp_path / "s.mat", leave_out_red=False).neurons == 18


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": np.zeros(3)}, "has no stim"),
        ({"stim": np.zeros((3, 3))}, "stim is no structure"),
        ({"stim": {"resp": np.zeros((3, 2))}}, "has no istim"),
        ({"stim": {"resp": np.ones((3, 2)), "istim": np.ones((4, 1))}}, "stim.istim has 4 trials, stim.resp 3"),
        ({"stim": {"resp": np.ones((2, 2)), "istim": np.array([[0], [2]])}}, "expected image numbers from 1"),
    ],
)
def test_files_of_another_layout_are_refused_with_what_is_missing(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    savemat(tmp_path / "s.mat", fields)
    with pytest.raises(DataError, match=message):
        read_natimg(tmp_path / "s.mat")


def test_class_files_and_images_that_do_not_fit_are_refused(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "s.mat", session)
    write_classes(tmp_path / "few.mat", session.classes, of_image(session)[:5])
    with pytest.raises(DataError, match="shows image 12, but the class file has 5"):
        read_natimg(tmp_path / "s.mat", classes=tmp_path / "few.mat")
    savemat(tmp_path / "odd.mat", {"class_assignment": [[9]], "class_names": np.array([["unknown"]], object)})
    with pytest.raises(DataError, match="assigns classes 9 to 9, but names 1"):
        read_classes(tmp_path / "odd.mat")
    savemat(tmp_path / "other.mat", {"class_assignment": [[0]], "class_names": np.array([["birds"]], object)})
    with pytest.raises(DataError, match="names class 0 'birds'"):
        read_classes(tmp_path / "other.mat")
    savemat(tmp_path / "flat.mat", {"imgs": np.zeros((3, 4))})
    with pytest.raises(DataError, match=r"expected \(height, width, image\)"):
        read_images(tmp_path / "flat.mat")


@pytest.mark.parametrize("content", [b"", b"not a file of MATLAB's", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.mat").write_bytes(content)
    with pytest.raises(DataError):
        read_natimg(tmp_path / "s.mat")


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_natimg(tmp_path / "s.mat")


def test_a_truncated_file_is_refused(tmp_path: Path, session: Recording) -> None:
    write_natimg(tmp_path / "s.mat", session)
    data = (tmp_path / "s.mat").read_bytes()
    (tmp_path / "s.mat").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError):
        read_natimg(tmp_path / "s.mat")


def test_a_session_without_grey_screens_cannot_be_written_in_this_layout(tmp_path: Path, session: Recording) -> None:
    with pytest.raises(DataError, match="has no grey trial"):
        write_natimg(tmp_path / "s.mat", session.only(~session.grey))
