"""What each format says beside its voxels: spacing, channels, several arrays; and what each can have wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from edgeneuro.data.volumes import read_volume
from edgeneuro.errors import FrameError
from tests.data.volumes.files import STACK, chunk_of, v3draw, write_blosc, write_tiff, write_zarr

TWO = np.stack([STACK, STACK + 1])
"""(c, z, y, x)"""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("sizes", ["4I", "4H"])
def test_v3draw_is_read_in_both_byte_orders_and_forms(order: Literal["<", ">"], sizes: str, tmp_path: Path) -> None:
    path = tmp_path / "cell.v3draw"
    path.write_bytes(v3draw(TWO, order, sizes=sizes))
    np.testing.assert_array_equal(read_volume(path, channel=1).voxels, STACK + 1)


@pytest.mark.parametrize(("order", "says", "meant"), [("<", b"B", "little"), (">", b"L", "big")])
def test_v3draw_with_the_wrong_byte_order_says_so(
    order: Literal["<", ">"], says: bytes, meant: str, tmp_path: Path
) -> None:
    path = tmp_path / "cell.v3draw"
    path.write_bytes(v3draw(STACK[None], order, says=says))
    with pytest.raises(FrameError, match=f"its numbers are {meant}-endian"):
        read_volume(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (v3draw(STACK[None], says=b"X"), r"byte order b'X', expected b'L' or b'B'"),
        (v3draw(STACK[None])[:30], "in its header"),
        (v3draw(STACK[None].astype(np.float64)), "samples of 8 bytes, expected 1, 2 or 4"),
        (
            v3draw(STACK[None])[:-1],
            r"holds 462 bytes, expected 463 for x, y, z, c of 7, 6, 5, 1 in 16 bits; it is truncated",
        ),
        (v3draw(STACK[None]) + b"\0", "it is damaged"),
    ],
)
def test_v3draw_with_an_impossible_header_says_why(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "cell.v3draw").write_bytes(content)
    with pytest.raises(FrameError, match=said):
        read_volume(tmp_path / "cell.v3draw")


def test_imagej_says_the_spacing(tmp_path: Path) -> None:
    how = {"imagej": True, "resolution": (4.0, 2.0), "metadata": {"axes": "ZYX", "spacing": 1.5, "unit": "um"}}
    read = read_volume(write_tiff(tmp_path / "cell.tif", STACK, **how))
    assert read.spacing_known
    np.testing.assert_allclose(read.spacing_um, (1.5, 0.5, 0.25))


@pytest.mark.parametrize("unit", ["inch", "pixel", None])
def test_a_unit_that_is_no_length_in_space_leaves_the_spacing_open(unit: str | None, tmp_path: Path) -> None:
    how = {"imagej": True, "resolution": (4.0, 2.0), "metadata": {"axes": "ZYX", "spacing": 1.5, "unit": unit}}
    assert not read_volume(write_tiff(tmp_path / "cell.tif", STACK, **how)).spacing_known


def test_ome_tiff_says_the_spacing_in_its_units(tmp_path: Path) -> None:
    sizes = {"axes": "ZYX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2}
    read = read_volume(write_tiff(tmp_path / "cell.ome.tif", STACK, metadata=sizes))
    np.testing.assert_allclose(read.spacing_um, (2, 0.5, 0.25))
    np.testing.assert_array_equal(read.voxels, STACK)


def test_of_a_tiff_with_channels_one_is_chosen(tmp_path: Path) -> None:
    hyperstack = TWO.transpose(1, 0, 2, 3)
    path = write_tiff(tmp_path / "cell.tif", hyperstack, imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(read_volume(path, channel=1).voxels, STACK + 1)


def test_a_tiff_of_one_page_is_a_volume_of_one_plane(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_volume(write_tiff(tmp_path / "cell.tif", STACK[0])).voxels, STACK[:1])


def test_pages_written_one_by_one_are_planes(tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "cell.tif", bigtiff=True) as file:
        for plane in STACK:
            file.write(plane, photometric="minisblack", metadata=None, compression="zlib")
    np.testing.assert_array_equal(read_volume(tmp_path / "cell.tif").voxels, STACK)


def test_a_tiff_cut_between_its_pages_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "cell.tif") as file:
        for plane in STACK:
            file.write(plane, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "cell.tif") as read:
        third = read.pages[2].offset
    content = (tmp_path / "cell.tif").read_bytes()
    (tmp_path / "cell.tif").write_bytes(content[:third])
    with pytest.raises(FrameError, match="truncated"):
        read_volume(tmp_path / "cell.tif")


def test_a_film_is_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "film.tif", STACK, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(FrameError, match="5 time points"):
        read_volume(path)


def test_pages_of_two_sizes_are_refused(tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "cell.tif") as file:
        file.write(STACK[0], metadata=None)
        file.write(STACK[0, :3], metadata=None)
    with pytest.raises(FrameError, match="pages of 2 kinds"):
        read_volume(tmp_path / "cell.tif")


def test_twelve_bits_packed_say_how_to_save_them(tmp_path: Path) -> None:
    import tifffile

    path = write_tiff(tmp_path / "cell.tif", np.zeros((8, 12), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        tags["ImageWidth"].overwrite(8)
        tags["BitsPerSample"].overwrite(12)
    with pytest.raises(FrameError, match="save it uncompressed in 8, 16 or 32 bits"):
        read_volume(path)


def test_hdf5_says_the_spacing_and_which_arrays_there_are(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        file["t0/channel0"] = STACK
        file["t0/channel0"].attrs["element_size_um"] = [2.0, 0.5, 0.25]
        file["list"] = np.arange(4)  # no image
    read = read_volume(path)
    assert read.spacing_um == (2, 0.5, 0.25) and read.spacing_known
    with h5py.File(path, "a") as file:
        file["mask"] = STACK > 100
    with pytest.raises(FrameError, match=r"2 arrays, mask, t0/channel0; choose one with dataset="):
        read_volume(path)
    with pytest.raises(FrameError, match="no array 'raw'"):
        read_volume(path, dataset="raw")
    mask = read_volume(path, dataset="mask").voxels
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, STACK > 100)


def test_of_an_hdf5_array_with_channels_first_one_is_chosen(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "cell.h5", "w") as file:
        file["raw"] = TWO
    np.testing.assert_array_equal(read_volume(tmp_path / "cell.h5", channel=1).voxels, STACK + 1)


def ome_zarr(path: Path, *, version: str, unit: str | None = "micrometer") -> Path:
    """An image of two levels with the axes t c z y x."""
    import zarr

    fine = TWO[None]
    write_zarr(path / "0", fine)
    write_zarr(path / "1", fine[..., ::2, ::2])
    axes: list[dict[str, Any]] = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", **({"unit": unit} if unit else {})} for axis in "zyx"]
    levels = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 2, 0.5 * step, 0.25 * step]}],
        }
        for level, step in enumerate((1, 2))
    ]
    images = [{"axes": axes, "datasets": levels}]
    attributes: dict[str, Any] = (
        {"ome": {"version": "0.5", "multiscales": images}} if version == "0.5" else {"multiscales": images}
    )
    zarr.open_group(str(path), mode="a").attrs.update(attributes)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_gives_its_finest_level_with_its_spacing(version: str, tmp_path: Path) -> None:
    read = read_volume(ome_zarr(tmp_path / "cell.zarr", version=version), channel=1)
    np.testing.assert_array_equal(read.voxels, STACK + 1)
    assert read.spacing_um == (2, 0.5, 0.25) and read.spacing_known


def test_ome_zarr_in_nanometres_and_without_a_unit(tmp_path: Path) -> None:
    nanometres = read_volume(ome_zarr(tmp_path / "nm.zarr", version="0.4", unit="nanometer"), channel=0)
    np.testing.assert_allclose(nanometres.spacing_um, (2e-3, 5e-4, 2.5e-4))
    assert not read_volume(ome_zarr(tmp_path / "none.zarr", version="0.4", unit=None), channel=0).spacing_known


def test_a_zarr_array_says_its_own_spacing(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "cell.zarr", STACK, spacing_um=[2.0, 0.5, 0.25])
    assert read_volume(path).spacing_um == (2, 0.5, 0.25)
    path = write_zarr(tmp_path / "odd.zarr", STACK, spacing_um=[2.0, 0.5])
    with pytest.raises(FrameError, match="expected three numbers along z, y, x"):
        read_volume(path)


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
@pytest.mark.parametrize("write", [write_zarr, write_blosc])
def test_a_chunk_that_was_cut_short_is_refused(write: Callable[..., Path], kept: int, tmp_path: Path) -> None:
    path = write(tmp_path / "cell.zarr", STACK)
    np.testing.assert_array_equal(read_volume(path).voxels, STACK)
    chunk = chunk_of(path)
    chunk.write_bytes(chunk.read_bytes()[:kept])
    with pytest.raises(FrameError, match="truncated"):
        read_volume(path)


def test_damaged_metadata_are_refused(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "cell.zarr", STACK)
    (metadata,) = [file for file in path.iterdir() if file.name in ("zarr.json", ".zarray")]
    metadata.write_text("{")
    with pytest.raises(FrameError, match="metadata is damaged"):
        read_volume(path)
