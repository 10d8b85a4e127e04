"""edgeneuro run --overlay."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.cli.main import main
from tests.cli.conftest import Validate
from tests.runtime.bundles import PHANTOM, write_explaining_bundle
from tests.runtime.foreign import write_array_bundle, write_mask_bundle


@pytest.fixture
def explaining(tmp_path: Path) -> Path:
    return write_explaining_bundle(tmp_path / "explaining.edge", trained_on=PHANTOM)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """frames/a.png and frames/left/a.png, 40 x 32 px, bright on the left."""
    folder = tmp_path / "frames"
    (folder / "left").mkdir(parents=True)
    pixels = np.zeros((32, 40), np.uint8)
    pixels[:, :20] = 250
    for path in (folder / "a.png", folder / "left" / "a.png"):
        assert cv2.imwrite(str(path), pixels)
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_frame_becomes_a_picture_named_like_it_and_its_line_says_where(
    explaining: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    out = tmp_path / "pictures"
    assert main(["run", str(explaining), str(frames), "--overlay", str(out), "--json"]) == 0
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert [line["overlay"] for line in got] == [str(out / "a.png"), str(out / "left" / "a.png")]
    assert sorted(path for path in out.rglob("*") if path.is_file()) == [out / "a.png", out / "left" / "a.png"]
    picture = cv2.imread(str(out / "a.png"))
    assert picture is not None and picture.shape[1] > 2 * 320
    assert (picture[0, 0] == 250).all()  # the frame itself, on the left


def test_without_the_option_the_line_says_that_there_is_none(
    explaining: Path, frames: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    assert main(["run", str(explaining), str(frames), "--json"]) == 0
    for line in lines(capsys):
        validate("run", line)
        assert line["overlay"] is None


def test_a_frame_that_cannot_be_read_has_no_picture_and_the_rest_goes_on(
    explaining: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    (frames / "a.png").write_bytes(b"")
    out = tmp_path / "pictures"
    assert main(["run", str(explaining), str(frames), "--overlay", str(out), "--json"]) == 1
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert [line["overlay"] for line in got] == [None, str(out / "left" / "a.png")]


def test_a_segmentation_writes_masks_and_pictures_into_two_folders(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    mask, masks, pictures = write_mask_bundle(tmp_path / "mask.edge"), tmp_path / "masks", tmp_path / "pictures"
    command = ["run", str(mask), str(frames / "a.png"), "--out", str(masks), "--overlay", str(pictures)]
    assert main([*command, "--json"]) == 0
    (line,) = lines(capsys)
    validate("run", line)
    assert (line["mask"], line["overlay"]) == (str(masks / "a.png"), str(pictures / "a.png"))
    assert main([*command[:-1], str(masks)]) == 2
    assert "--overlay" in capsys.readouterr().err


def test_people_read_where_the_picture_is(
    explaining: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(explaining), str(frames / "a.png"), "--overlay", str(tmp_path / "pictures")]) == 0
    assert f"-> {tmp_path / 'pictures' / 'a.png'} simulated_training" in capsys.readouterr().out


def test_a_folder_that_holds_something_is_written_to_with_force_alone(
    explaining: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    command = ["run", str(explaining), str(frames / "a.png"), "--overlay", str(out)]
    assert main(command) == 1
    assert "is not empty; give --force to write into it, or another --overlay" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == b"mine"
    assert main([*command, "--force"]) == 0
    assert cv2.imread(str(out / "a.png")) is not None


def test_a_picture_never_replaces_the_frame_it_is_made_from(
    explaining: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (frames / "a.png").read_bytes()
    assert main(["run", str(explaining), str(frames), "--overlay", str(frames), "--force"]) == 1
    assert "a.png: is the frame itself, which is not overwritten; choose another --overlay" in capsys.readouterr().err
    assert (frames / "a.png").read_bytes() == before


@pytest.mark.parametrize("engine", ["classifier", "arrays"])
def test_an_engine_with_nothing_to_draw_is_refused_in_one_line_before_anything_is_written(
    engine: str, edge: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = edge if engine == "classifier" else write_array_bundle(tmp_path / "sum.edge")
    given = [] if engine == "classifier" else ["--out", str(tmp_path / "arrays")]
    assert main(["run", str(path), str(frames), "--overlay", str(tmp_path / "pictures"), *given]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "docs/overlay.md" in said or "takes arrays, which are no pictures" in said
    assert not (tmp_path / "pictures").exists()
