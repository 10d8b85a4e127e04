"""What is done for one part of a volume, in this process or on a worker of a cluster.

Functions for workers take text and numbers alone. What they open stays open for the next part, until `forget`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from socket import gethostname
from time import perf_counter

import numpy as np

from edgeneuro.errors import InputError, IntegrityError
from edgeneuro.files import sha256
from edgeneuro.runtime.engine import Engine, open_engine
from edgeneuro.runtime.postprocess import class_mask
from edgeneuro.runtime.segment.ledger import Ledger, identity, job_of
from edgeneuro.runtime.segment.levels import Counts, count_digits
from edgeneuro.runtime.segment.mask import MaskFile
from edgeneuro.runtime.segment.records import ChunkRecord, Index3, Job
from edgeneuro.runtime.segment.source import OpenSource
from edgeneuro.spec import Array
from edgeneuro.tiles import Region, Tiling, infer_region


def count_part(
    path: str,
    channel: int | None,
    dataset: str | None,
    bounds: tuple[Index3, Index3],
    turn: int,
    beginnings: tuple[int, ...],
) -> Counts:
    """`count_digits` of a part of a volume. bounds: its first voxel and the one after its last. Raises FrameError."""
    region = tuple(slice(start, stop) for start, stop in zip(*bounds, strict=True))
    return count_digits(_source(path, channel, dataset).read(region), turn, beginnings)


def make_chunk(job: str, threads: int | None, allow_unsigned: bool, chunk: Index3) -> ChunkRecord:
    """One chunk of the mask, unless it is done already. job: as `ledger.text_of` writes it. threads: as `open_engine` takes them.

    Raises EdgeNeuroError: an engine that is not the job's or not trusted here, a damaged volume, a full disk.
    """
    return _chunks(job, threads, allow_unsigned).make(chunk)


def forget() -> None:
    """Let go of what this process keeps open."""
    _source.cache_clear()
    _chunks.cache_clear()


class Chunks:
    """Makes chunks of one mask."""

    def __init__(self, job: Job, threads: int | None, allow_unsigned: bool) -> None:
        self.job, self.identity = job, identity(job)
        self.ledger, self.mask = Ledger(Path(job.out)), MaskFile(Path(job.out))
        self.engine = open_job_engine(job, threads, allow_unsigned)
        self.source = _source(job.source.path, job.source.channel, job.source.dataset)

    def make(self, chunk: Index3) -> ChunkRecord:
        """The record of the chunk, which is written."""
        done = self.ledger.find(chunk, self.identity)
        if done is not None:  # by a worker that was given up, or whose answer was lost
            return done
        start = perf_counter()
        region = region_of(self.job, chunk)
        mask = self.segment(region)
        self.mask.write(chunk, region, mask)
        record = ChunkRecord(
            chunk=chunk,
            job_sha256=self.identity,
            voxels=mask.size,
            foreground=int(np.count_nonzero(mask)),
            seconds=perf_counter() - start,
            host=gethostname(),
            pid=os.getpid(),
        )
        self.ledger.write(record)
        return record

    def segment(self, region: Region) -> Array:
        """(z, y, x) uint8 class numbers of the region, from the tiles that touch it. Of networks for images, every plane is one,
        and `region` has one plane."""
        preprocess = self.engine.manifest.frame_preprocess
        flat = preprocess.depth is None
        inner = region[1:] if flat else region
        tiling = tiling_of(self.engine, self.job.source.shape)
        around = _around(tiling, inner)
        voxels = self.source.read((region[0], *around) if flat else around)
        scaled = preprocess.whole(voxels[0] if flat else voxels, self.job.levels)

        def read(tile: Region) -> Array:
            shifted = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(tile, around, strict=True))
            return preprocess.normalise(scaled[shifted])

        mask = class_mask(infer_region(read, self.engine.tile_logits, tiling, inner))
        return mask[None] if flat else mask


def tiling_of(engine: Engine, shape: Index3) -> Tiling:
    """The tiles of a volume, or of each of its planes. Raises InputError for an engine that covers nothing with tiles."""
    manifest = engine.manifest
    preprocess = manifest.preprocess
    if manifest.task != "segmentation" or preprocess is None or preprocess.tiled is None:
        raise InputError(
            f"{manifest.model}: does not cover images or volumes with tiles; build the engine from segmentation-2d or -3d"
        )
    tile = preprocess.tile
    return Tiling(shape=shape[3 - len(tile) :], tile=tile, overlap=preprocess.tiled.overlaps(tile))


def region_of(job: Job, chunk: Index3) -> Region:
    """The voxels of a chunk of the mask."""
    return tuple(
        slice(at * side, min((at + 1) * side, size))
        for at, side, size in zip(chunk, job.chunk, job.source.shape, strict=True)
    )


def engine_sha256(engine: Engine) -> str:
    """Of its manifest, which holds the SHA-256 of every other member."""
    return sha256(engine.manifest.to_bytes())


def open_job_engine(job: Job, threads: int | None, allow_unsigned: bool) -> Engine:
    """The job's engine, verified here. Raises what `open_engine` does; IntegrityError for another one, InputError where another
    graph fits this machine."""
    engine = open_engine(
        job.engine,
        precision=job.precision,
        backend=job.backend,
        threads=threads,
        allow_unsigned=allow_unsigned,
    )
    try:
        found = engine_sha256(engine)
        if found != job.engine_sha256:
            raise IntegrityError(
                f"{job.engine}: has the manifest {found[:12]} on {gethostname()}, the mask was begun with "
                f"{job.engine_sha256[:12]}; put the same file on every worker"
            )
        if engine.graph.path != job.graph:
            raise InputError(
                f"{job.engine}: {gethostname()} runs {engine.graph.path}, the mask was begun with {job.graph}; use workers with "
                "the same kind of processor, or --precision fp32"
            )
    except BaseException:
        engine.close()
        raise
    return engine


def _around(tiling: Tiling, region: Region) -> Region:
    """What the tiles that touch a region cover of the array."""
    around = []
    for axis, (part, tile, size) in enumerate(zip(region, tiling.tile, tiling.shape, strict=True)):
        starts = tiling.starts(axis, part)
        around.append(slice(starts[0], min(starts[-1] + tile, size)))
    return tuple(around)


@lru_cache(maxsize=1)
def _source(path: str, channel: int | None, dataset: str | None) -> OpenSource:
    return OpenSource(Path(path), channel=channel, dataset=dataset)


@lru_cache(maxsize=1)
def _chunks(job: str, threads: int | None, allow_unsigned: bool) -> Chunks:
    return Chunks(job_of(job), threads, allow_unsigned)
