"""Frames from what a user names."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.runtime import open_engine
from edgeneuro.runtime.sources import read_sources
from edgeneuro.runtime.stream import run_sources


def image(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((40, 48), level, np.uint8))
    return path


def names(*sources: object) -> list[str]:
    return [Path(item.source).name for item in read_sources(map(str, sources))]


def test_files_keep_the_order_they_are_given_in(tmp_path: Path) -> None:
    b, a = image(tmp_path / "b.png"), image(tmp_path / "a.bmp")
    assert names(b, a, b) == ["b.png", "a.bmp", "b.png"]


def test_a_folder_is_read_in_natural_order_with_what_lies_below(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.png", "frame1.jpg", "deep/frame3.tif"):
        image(tmp_path / name)
    assert names(tmp_path) == ["frame3.tif", "frame1.jpg", "frame2.png", "frame10.png"]


def test_folders_named_in_digits_of_any_script_are_sorted_like_others(tmp_path: Path) -> None:
    for name in ("b/1.png", "٣/2.png", "2/3.png"):
        image(tmp_path / name)
    assert names(tmp_path) == ["3.png", "1.png", "2.png"]


def test_a_pattern_is_read_in_natural_order(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.png", "sub/frame1.png", "frame3.bmp"):
        image(tmp_path / name)
    assert names(tmp_path / "*.png") == ["frame2.png", "frame10.png"]
    assert names(tmp_path / "**/*.png") == ["frame2.png", "frame10.png", "frame1.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_read_as_named(tmp_path: Path) -> None:
    image(tmp_path / "a1.png")
    assert names(image(tmp_path / "a[1].png")) == ["a[1].png"]


def test_other_and_hidden_files_of_a_folder_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image(tmp_path / "a.png")
    image(tmp_path / ".cache" / "b.png")
    (tmp_path / "labels.csv").write_text("file,label")
    (tmp_path / "scan.dcm").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "edgeneuro"):
        assert names(tmp_path) == ["a.png"]
    assert "left out 2 of 3 files" in caplog.text


def test_an_array_of_several_frames_yields_each(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 40, 50), np.uint8)
    np.save(tmp_path / "stack.npy", stack)
    items = list(read_sources([str(tmp_path / "stack.npy")]))
    assert [item.index for item in items] == [0, 1, 2]
    for item, frame in zip(items, stack, strict=True):
        np.testing.assert_array_equal(item.item, frame)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 1)])
def test_an_array_of_one_frame_yields_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "one.npy", np.zeros(shape, np.uint8))
    (item,) = read_sources([str(tmp_path / "one.npy")])
    assert isinstance(item.item, np.ndarray) and item.item.shape[:2] == (40, 50)


def test_what_cannot_be_read_is_named_in_its_place_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = image(tmp_path / "good.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:-20])
    (tmp_path / "video.mp4").write_bytes(b"....")
    (tmp_path / "objects.npy").write_bytes(b"\x93NUMPY")
    sources = ["x" * 300, "empty", "zero.png", "cut.png", "video.mp4", "objects.npy", "none.png", "*.jpg", "good.png"]
    items = list(read_sources(str(tmp_path / name) for name in sources))
    errors = [str(item.error) for item in items[:-1]]
    expected = [
        "File name too long",
        "holds no frame",
        "is empty",
        "is truncated",
        r".png .jpg .jpeg .bmp .tif .tiff .npy",
        "not a readable .npy",
        "no such file",
        "matches no file",
    ]
    assert len(items) == len(sources)
    for name, error, words in zip(sources, errors, expected, strict=False):
        assert name in error
        assert words in error
    assert items[-1].item is not None and items[-1].error is None


def test_results_come_in_order_and_a_frame_the_engine_refuses_stops_nothing(edge: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((8, 8), np.uint8))
    sources = [image(tmp_path / "dark.png", 0), small, image(tmp_path / "bright.png", 255)]
    with open_engine(edge) as engine:
        results = list(run_sources(engine, map(str, sources)))
    assert [made.to_json()["class"] for made in results] == ["dark", None, "bright"]
    assert "at least 32 px" in str(results[1].error)
    assert [made.error is None for made in results] == [True, False, True]
