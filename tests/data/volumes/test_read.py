"""Volumes from every format: the same voxels come back, and bad files say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.data.volumes import read_volume, stack
from edgeneuro.errors import FrameError
from edgeneuro.spec import Array
from tests.data.volumes.files import STACK, v3draw, write_tiff, write_zarr

Writer = Callable[[Path, Array], Path]


def as_tiff(path: Path, voxels: Array) -> Path:
    return write_tiff(path.with_suffix(".tif"), voxels)


def as_v3draw(path: Path, voxels: Array) -> Path:
    path = path.with_suffix(".v3draw")
    path.write_bytes(v3draw(voxels[None]))
    return path


def as_hdf5(path: Path, voxels: Array) -> Path:
    import h5py

    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["volume"] = voxels
    return path.with_suffix(".h5")


def as_zarr(path: Path, voxels: Array) -> Path:
    return write_zarr(path.with_suffix(".zarr"), voxels)


EVERY = [as_tiff, as_v3draw, as_hdf5, as_zarr]


@pytest.mark.parametrize("write", EVERY)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_format_gives_back_what_was_stored(write: Writer, dtype: type, tmp_path: Path) -> None:
    voxels: Array = (STACK % 251).astype(dtype)
    read = read_volume(write(tmp_path / "cell", voxels))
    np.testing.assert_array_equal(read.voxels, voxels)
    assert read.voxels.dtype == dtype
    assert read.spacing_um == (1, 1, 1) and not read.spacing_known


@pytest.mark.parametrize("write", [as_tiff, as_hdf5, as_zarr])
@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "float64", ">u2", ">f4"])
def test_other_numbers_are_kept_in_this_machines_byte_order(write: Writer, dtype: str, tmp_path: Path) -> None:
    read = read_volume(write(tmp_path / "cell", STACK.astype(dtype)))
    np.testing.assert_array_equal(read.voxels, STACK)
    assert read.voxels.dtype == np.dtype(dtype).newbyteorder("=") and read.voxels.dtype.isnative


@pytest.mark.parametrize("write", EVERY)
def test_a_volume_too_large_for_memory_is_refused_by_every_reader(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "cell", STACK)
    monkeypatch.setattr(stack, "MAX_BYTES", STACK.nbytes)
    assert read_volume(path).voxels.shape == STACK.shape
    monkeypatch.setattr(stack, "MAX_BYTES", STACK.nbytes - 1)
    with pytest.raises(FrameError, match="segment it tile by tile"):
        read_volume(path)


@pytest.mark.parametrize("write", [as_tiff, as_v3draw, as_hdf5])
@pytest.mark.parametrize("lost", [100, 300])
def test_a_file_that_lost_its_end_is_refused_by_every_reader(write: Writer, lost: int, tmp_path: Path) -> None:
    path = write(tmp_path / "cell", STACK)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - lost])
    with pytest.raises(FrameError, match="truncated"):
        read_volume(path)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = as_tiff(tmp_path / "cell", STACK).rename(tmp_path / "cell.v3draw")
    np.testing.assert_array_equal(read_volume(path).voxels, STACK)


def test_a_picture_is_a_volume_of_one_plane(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "cell.png"), STACK[0])
    np.testing.assert_array_equal(read_volume(tmp_path / "cell.png").voxels, STACK[:1])


def test_of_a_picture_in_colour_a_channel_is_chosen(tmp_path: Path) -> None:
    colour = np.stack([np.full((4, 5), level, np.uint8) for level in (10, 20, 30)], axis=2)
    cv2.imwrite(str(tmp_path / "cell.png"), colour[:, :, ::-1])
    with pytest.raises(FrameError, match="holds 3 channels, expected one; choose it with channel=0 to 2"):
        read_volume(tmp_path / "cell.png")
    assert (read_volume(tmp_path / "cell.png", channel=1).voxels == 20).all()
    with pytest.raises(FrameError, match="has no channel 3, expected 0 to 2"):
        read_volume(tmp_path / "cell.png", channel=3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cell.v3dpbd", b"v3d_volume_pkbitdf_encod" + bytes(30), "save it as .v3draw"),
        ("cell.raw", b"abcd", "starts with 61 62 63 64"),
        ("cell.tif", b"", "empty"),
        ("cell.nd2", b"", "starts with nothing"),
    ],
)
def test_what_is_no_volume_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FrameError, match=said):
        read_volume(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"cell\.tif: no such file"):
        read_volume(tmp_path / "cell.tif")


def test_a_folder_that_is_no_zarr_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="expected Zarr"):
        read_volume(tmp_path)


def test_a_dataset_inside_a_file_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="leave out dataset='raw'"):
        read_volume(as_tiff(tmp_path / "cell", STACK), dataset="raw")
