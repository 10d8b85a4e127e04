"""Reading frames: what comes back, and what is said about files that are broken."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
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


UPRIGHT: dict[int, Callable[[Frame], Frame]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: np.rot90(stored),
}
"""EXIF orientation -> the picture the right way up (CIPA DC-008, tag 274: where its first row and column belong)."""


def exif(orientation: int) -> bytes:
    """EXIF with nothing but an orientation: a TIFF header and one directory of one entry."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def with_exif(image: bytes, orientation: int) -> bytes:
    """A JPEG or PNG file with EXIF put where a camera puts it, before the picture."""
    if image.startswith(b"\xff\xd8"):
        content = b"Exif\0\0" + exif(orientation)
        return image[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content + image[2:]
    chunk = b"eXIf" + exif(orientation)
    return image[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + image[33:]


def retagged(tiff: bytes, tag: int, new_tag: int, value: int) -> bytes:
    """A little-endian TIFF file with one of its 16-bit tags replaced."""
    at = tiff.index(struct.pack("<HHI", tag, 3, 1))
    return tiff[:at] + struct.pack("<HHIHH", new_tag, 3, 1, value, 0) + tiff[at + 12 :]


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("frame", [GREY, RGB, RGB.astype(np.uint16) * 257], ids=["grey", "rgb", "deep"])
def test_a_png_comes_the_right_way_up(frame: Frame, orientation: int) -> None:
    back = decode_frame(with_exif(encoded(".png", frame), orientation), "x.png")
    np.testing.assert_array_equal(back, UPRIGHT[orientation](frame), strict=True)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_phone_photo_comes_the_right_way_up(orientation: int) -> None:
    quarters = np.repeat(
        np.repeat(np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [230, 220, 60]]]), 32, 0), 48, 1
    )
    stored = quarters.astype(np.uint8)
    back = decode_frame(with_exif(encoded(".jpg", stored), orientation), "photo.jpg")
    expected = UPRIGHT[orientation](stored)
    assert back.shape == expected.shape
    assert np.median(np.abs(back.astype(int) - expected)) <= 2  # quality 95; the edges between quarters ring


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_tiff_comes_the_right_way_up(orientation: int) -> None:
    tiff = retagged(encoded(".tif", GREY), 277, 274, orientation)  # samples a pixel, which is 1 where it is not said
    np.testing.assert_array_equal(decode_frame(tiff, "x.tif"), UPRIGHT[orientation](GREY), strict=True)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_passed_over(orientation: int) -> None:
    np.testing.assert_array_equal(decode_frame(with_exif(encoded(".png", RGB), orientation), "x.png"), RGB)


def test_half_transparent_pixels_of_16_bits_keep_their_colour() -> None:
    rgba = np.dstack([RGB[:, :, ::-1], np.full(GREY.shape, 128, np.uint8)]).astype(np.uint16) * 257
    deep = decode_frame(bytes(cv2.imencode(".png", rgba)[1]), "x.png")
    np.testing.assert_array_equal(deep, RGB.astype(np.uint16) * 257, strict=True)


@pytest.mark.parametrize("fill", [b"", b"\xff\xff"], ids=["plain", "padded"])
def test_a_cmyk_jpeg_is_refused_with_what_to_do(fill: bytes) -> None:
    jpeg = bytearray(with_exif(encoded(".jpg", RGB), 1))
    header = jpeg.index(b"\xff\xc0")
    jpeg[header + 9] = 4
    jpeg[header:header] = fill
    with pytest.raises(FrameError, match=r"print\.jpg: has CMYK colours, .* expected RGB or grey; .* save it as RGB"):
        decode_frame(bytes(jpeg), "print.jpg")


@pytest.mark.parametrize(("photometric", "name"), [(5, "CMYK"), (8, r"L\*a\*b\*")])
def test_a_tiff_of_other_colours_is_refused_by_their_name(photometric: int, name: str) -> None:
    with pytest.raises(FrameError, match=rf"x\.tif: has {name} colours"):
        decode_frame(retagged(encoded(".tif", RGB), 262, 262, photometric), "x.tif")


def test_a_photo_cut_off_behind_its_thumbnail_is_refused() -> None:
    thumbnail = encoded(".jpg", GREY[:16, :16])
    whole = encoded(".jpg", RGB)
    inside = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    photo = whole[:2] + inside + whole[2:]
    decode_frame(photo, "photo.jpg")
    for kept in (len(inside) + 20, len(inside) + 2 + len(whole) // 2):
        with pytest.raises(FrameError, match=r"photo\.jpg: (is truncated|cannot be decoded)"):
            decode_frame(photo[:kept], "photo.jpg")


def test_a_tiff_that_points_beyond_any_file_is_refused() -> None:
    with pytest.raises(FrameError, match="is truncated"):
        decode_frame(b"II+\0" + struct.pack("<HHQ", 8, 0, 2**64 - 1), "x.tif")
