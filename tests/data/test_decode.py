"""Reading frames: what comes back, and what is said about files that are broken."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.data.decode import decode_frame, read_frame
from edgeneuro.errors import FrameError
from edgeneuro.spec import Frame
from tests.data.folders import png, speckle

GREY = speckle(0)
RGB = np.dstack([speckle(1), speckle(2), speckle(3)])
LOSSLESS = (".png", ".tif", ".tiff")


def encoded(suffix: str, frame: Frame) -> bytes:
    return bytes(cv2.imencode(suffix, frame if frame.ndim == 2 else frame[:, :, ::-1])[1])


def as_npy(array: Frame, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".bmp"])
@pytest.mark.parametrize("frame", [GREY, RGB], ids=["grey", "rgb"])
def test_an_8_bit_frame_comes_back_as_it_was_with_red_first(suffix: str, frame: Frame) -> None:
    np.testing.assert_array_equal(decode_frame(encoded(suffix, frame), f"x{suffix}"), frame, strict=True)


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("frame", [GREY, RGB], ids=["grey", "rgb"])
def test_a_16_bit_frame_keeps_its_depth(suffix: str, frame: Frame) -> None:
    deep = frame.astype(np.uint16) * 200 + 7
    np.testing.assert_array_equal(decode_frame(encoded(suffix, deep), f"x{suffix}"), deep, strict=True)


def test_a_jpeg_of_one_channel_stays_grey_and_close() -> None:
    smooth = np.tile(np.arange(48, dtype=np.uint8) * 5, (40, 1))
    back = decode_frame(encoded(".jpg", smooth), "x.JPG")
    assert back.shape == smooth.shape
    assert np.abs(back.astype(int) - smooth).max() <= 5  # quality 95, a plain ramp


def test_transparency_is_dropped() -> None:
    bgra = np.dstack([RGB[:, :, ::-1], speckle(4)])
    np.testing.assert_array_equal(decode_frame(bytes(cv2.imencode(".png", bgra)[1]), "x.png"), RGB)


@pytest.mark.parametrize(
    "array", [GREY, RGB, GREY.astype(np.uint16), GREY / np.float32(255)], ids=["grey", "rgb", "deep", "float"]
)
def test_an_npy_array_comes_back_as_it_was(array: Frame) -> None:
    np.testing.assert_array_equal(decode_frame(as_npy(array), "x.npy"), array, strict=True)


def test_an_npy_array_with_one_channel_last_becomes_grey() -> None:
    assert decode_frame(as_npy(GREY[:, :, None]), "x.npy").shape == GREY.shape


def test_a_pickle_inside_an_npy_file_is_not_run() -> None:
    with pytest.raises(FrameError, match=r"x\.npy: is not a readable \.npy array .*numbers only"):
        decode_frame(as_npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), "x.npy")


@pytest.mark.parametrize("shape", [(3, 40, 48), (2, 40, 48, 3), (40,), (0, 40)])
def test_an_array_that_is_not_one_frame_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameError, match=r"x\.npy: has shape .* expected \(height, width\) or"):
        decode_frame(as_npy(np.zeros(shape, np.uint8)), "x.npy")


def test_signed_pixels_are_refused() -> None:
    with pytest.raises(FrameError, match="pixels of int32, expected uint8, uint16 or float"):
        decode_frame(as_npy(np.zeros((40, 48), np.int32)), "x.npy")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_a_file_cut_short_anywhere_is_refused(suffix: str, kept: float) -> None:
    whole = encoded(suffix, RGB)
    said = "is truncated" if suffix != ".tif" else "(is truncated|cannot be decoded)"
    with pytest.raises(FrameError, match=f"cut{suffix}: {said}"):
        decode_frame(whole[: int(len(whole) * kept)], f"cut{suffix}")


def test_a_png_whose_bytes_were_changed_is_refused() -> None:
    damaged = bytearray(png(GREY))
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(FrameError, match=r"checksum of a PNG chunk at byte .* is wrong"):
        decode_frame(bytes(damaged), "x.png")


def test_a_tiff_of_several_pages_says_how_many() -> None:
    pages = bytes(cv2.imencodemulti(".tiff", [GREY, GREY, GREY])[1])
    with pytest.raises(FrameError, match=r"x\.tif: holds 3 pages, expected one frame a file"):
        decode_frame(pages, "x.tif")


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(FrameError, match=r"empty\.png: is empty \(0 bytes\)"):
        read_frame(tmp_path / "empty.png")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"none\.png: no such file"):
        read_frame(tmp_path / "none.png")


def test_a_folder_is_no_frame(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="is a folder, expected one image file"):
        read_frame(tmp_path)


def test_an_unsupported_suffix_names_the_supported_ones() -> None:
    with pytest.raises(FrameError, match=r"'\.gif' cannot be read, expected \.png \.jpg .* \.npy"):
        decode_frame(b"GIF89a", "x.gif")


def test_text_called_png_is_refused() -> None:
    with pytest.raises(FrameError, match=r"is not a PNG, JPEG, BMP or TIFF file \(it starts with 68 65 6c 6c\)"):
        decode_frame(b"hello world", "x.png")


def test_a_broken_file_prints_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    for suffix in (".png", ".jpg", ".bmp", ".tif"):
        with pytest.raises(FrameError):
            decode_frame(encoded(suffix, GREY)[:-30], f"x{suffix}")
    assert capfd.readouterr() == ("", "")
