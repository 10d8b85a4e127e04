"""Parts of volumes, read without the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from edgeneuro.data.volumes.read import open_stack
from edgeneuro.data.volumes.stack import read_part, size_of
from edgeneuro.data.volumes.whole_chunks import WholeChunks, chunk_file
from edgeneuro.errors import FrameError
from edgeneuro.spec import Array
from tests.data.volumes.files import STACK, v3draw, write_blosc, write_tiff, write_zarr

REGION = (slice(1, 4), slice(0, 5), slice(3, 7))


def write_hdf5(path: Path, voxels: Array) -> Path:
    with h5py.File(path, "w") as file:
        file["data"] = voxels
    return path


def write_v3draw(path: Path, voxels: Array) -> Path:
    path.write_bytes(v3draw(voxels[None]))
    return path


@pytest.mark.parametrize("write", [write_zarr, write_blosc, write_hdf5, write_v3draw, write_tiff])
def test_a_part_of_a_volume_is_what_lies_there(tmp_path: Path, write: Callable[[Path, Array], Path]) -> None:
    path = write(tmp_path / "v", STACK)
    with open_stack(path, None) as stack:
        assert size_of(stack) == STACK.shape
        np.testing.assert_array_equal(read_part(stack, REGION, None, "v").voxels, STACK[REGION])


def test_a_part_of_one_channel_is_what_lies_there(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "v", np.stack([STACK, STACK + 1]))
    with open_stack(path, None) as stack:
        assert size_of(stack) == STACK.shape
        np.testing.assert_array_equal(read_part(stack, REGION, 1, "v").voxels, STACK[REGION] + 1)
        with pytest.raises(FrameError, match="holds 2 channels"):
            read_part(stack, REGION, None, "v")


def test_an_image_is_one_plane(tmp_path: Path) -> None:
    with open_stack(write_zarr(tmp_path / "v", STACK[0]), None) as stack:
        assert size_of(stack) == (1, 6, 7)
        part = read_part(stack, (slice(0, 1), *REGION[1:]), None, "v")
    np.testing.assert_array_equal(part.voxels, STACK[:1, 0:5, 3:7])


@pytest.mark.parametrize(
    "how",
    [
        {"zarr_format": 2},
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {"zarr_format": 3},
        {"zarr_format": 3, "chunk_key_encoding": {"name": "v2", "separator": "."}},
    ],
)
def test_the_file_of_a_chunk_is_found_by_its_numbers(tmp_path: Path, how: dict[str, Any]) -> None:
    if zarr.__version__ < "3":
        pytest.skip("writes one kind alone")
    array = zarr.create_array(str(tmp_path / "v"), shape=STACK.shape, chunks=(2, 3, 4), dtype=STACK.dtype, **how)
    array[2:4, 3:6, 4:7] = 9
    assert chunk_file(tmp_path / "v", (1, 1, 1)).is_file()
    assert not chunk_file(tmp_path / "v", (0, 1, 1)).exists()


def test_only_chunks_that_are_read_are_looked_at(tmp_path: Path) -> None:
    import numcodecs

    array = zarr.open_array(
        str(tmp_path / "v"),
        mode="w",
        shape=(8, 8),
        chunks=(4, 4),
        dtype="u2",
        compressor=numcodecs.Blosc(),
        zarr_format=2,
    )
    array[...] = np.random.default_rng(0).integers(1, 9999, (8, 8))
    damaged = chunk_file(tmp_path / "v", (1, 0))
    damaged.write_bytes(damaged.read_bytes()[:-3])
    whole = WholeChunks(zarr.open(str(tmp_path / "v"), mode="r"), tmp_path / "v")
    assert whole[0:4, 0:8].shape == (4, 8)
    assert whole[7, 4:8].shape == (4,)
    with pytest.raises(FrameError, match=r"1\.0: is a chunk of"):
        whole[3:5, 0:1]
