"""The mask on disk: OME-Zarr with one level, its chunks written one at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from edgeneuro.data.volumes.whole_chunks import chunk_file
from edgeneuro.errors import OutputError
from edgeneuro.files import atomic_folder
from edgeneuro.runtime.segment.records import Index3, Job
from edgeneuro.spec import Array
from edgeneuro.tiles import Region

LEVEL = "0"
"""Name of the array in the group."""


def create_mask(job: Job) -> None:
    """An empty mask: uint8 class numbers along z, y, x, all background, which takes no space. Raises OutputError."""
    import zarr

    with atomic_folder(Path(job.out)) as folder:
        group: Any = zarr.open_group(str(folder), mode="w")
        zarr.open_array(
            str(folder / LEVEL), mode="w", shape=job.source.shape, chunks=job.chunk, dtype="u1", fill_value=0
        )
        group.attrs.update(_attributes(job, third=(folder / "zarr.json").is_file()))


def _attributes(job: Job, *, third: bool) -> dict[str, Any]:
    """Source: OME-NGFF 0.4, which lies in Zarr 2, and 0.5, which lies in Zarr 3 (`third`): "multiscales"."""
    unit = {"unit": "micrometer"} if job.source.spacing_known else {}
    image = {
        "name": Path(job.out).stem,
        "axes": [{"name": axis, "type": "space", **unit} for axis in "zyx"],
        "datasets": [
            {
                "path": LEVEL,
                "coordinateTransformations": [{"type": "scale", "scale": list(job.source.spacing_um)}],
            }
        ],
    }
    return (
        {"ome": {"version": "0.5", "multiscales": [image]}} if third else {"multiscales": [{"version": "0.4", **image}]}
    )


class MaskFile:
    """A mask that exists, to write to."""

    def __init__(self, path: Path) -> None:
        """Raises OutputError."""
        import zarr

        self.path = path
        try:
            self._array: Any = zarr.open_array(str(path / LEVEL), mode="r+")
        except (OSError, ValueError, LookupError) as error:
            raise OutputError(f"{path}: cannot be opened as a mask ({error}); begin again with --force") from error

    def write(self, chunk: Index3, region: Region, mask: Array) -> None:
        """One whole chunk, which is on the disk afterwards. Raises OutputError, and leaves the chunk to be made again."""
        try:
            self._array[region] = mask
            file = chunk_file(self.path / LEVEL, chunk)
            if file.is_file():  # a chunk of background alone is none
                with file.open("rb+") as written:
                    os.fsync(written.fileno())
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "the disk is full" if full else f"cannot be written ({error.strerror or error})"
            raise OutputError(
                f"{self.path}: {reason}; chunks written before stand, {'free some space' if full else 'see to it'} and go on "
                "with --resume"
            ) from error
