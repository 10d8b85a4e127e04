"""Volumes from files: TIFF stacks, Vaa3D's .v3draw, HDF5, Zarr and OME-Zarr folders, 2D images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from edgeneuro.data.decode import SUFFIXES, read_frame
from edgeneuro.data.tiff_directories import is_tiff
from edgeneuro.data.volumes.hdf5_file import HDF5, open_hdf5
from edgeneuro.data.volumes.stack import Stack, to_volume
from edgeneuro.data.volumes.tiff_stack import open_tiff
from edgeneuro.data.volumes.v3draw import V3DRAW, open_v3draw
from edgeneuro.data.volumes.zarr_folder import open_zarr
from edgeneuro.errors import FrameError
from edgeneuro.volume import Volume

_V3DPBD = b"v3d_volume_pkbitdf_encod"
_HEAD_BYTES = 32


def read_volume(path: Path, *, channel: int | None = None, dataset: str | None = None) -> Volume:
    """The volume in `path`, as stored: 8, 16, 32 or 64 bits, in this machine's byte order. A 2D image is one plane.

    What the file is, its first bytes say, whatever its name. channel: from 0, where there are several. dataset: path of the
    array inside an HDF5 file or a Zarr folder that holds several. The file's spacing is used; where it has none the voxels are 1 um
    apart and `spacing_known` is False. Raises FrameError: missing, of another kind, truncated, damaged, larger than
    `stack.MAX_BYTES`, several channels or arrays with none chosen. A chunk that is missing in a Zarr folder reads as fill values,
    as the format has it.
    """
    with open_stack(path, dataset) as stack:
        return to_volume(stack, channel, str(path))


def open_stack(path: Path, dataset: str | None) -> AbstractContextManager[Stack]:
    """What `read_volume` reads, still in its file where that is Zarr, HDF5 or .v3draw: for `stack.read_part`. Raises FrameError."""
    if path.is_dir():
        return open_zarr(path, dataset)
    head = _head(path)
    if head.startswith(HDF5):
        return open_hdf5(path, dataset)
    if dataset is not None:
        raise FrameError(f"{path}: is neither HDF5 nor Zarr and holds one array; leave out dataset={dataset!r}")
    if is_tiff(head):
        return open_tiff(path)
    if head.startswith(V3DRAW):
        return open_v3draw(path)
    if head.startswith(_V3DPBD):
        raise FrameError(f"{path}: is a compressed .v3dpbd stack, expected .v3draw; save it as .v3draw in Vaa3D")
    if path.suffix.lower() in SUFFIXES:
        return _image(path)
    raise FrameError(
        f"{path}: is no volume that can be read (it starts with {head[:4].hex(' ') or 'nothing'}), expected a TIFF stack, "
        ".v3draw, HDF5, a Zarr folder or a 2D image; convert it"
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise FrameError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


@contextmanager
def _image(path: Path) -> Iterator[Stack]:
    frame = read_frame(path)
    yield Stack(array=frame, axes="yx" if frame.ndim == 2 else "yxc", spacing_um=None)
