"""The mask of a volume of any size: levels, job, chunks."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from edgeneuro.errors import OutputError, UsageError
from edgeneuro.files import refuse_existing
from edgeneuro.manifest import Precision
from edgeneuro.runtime.engine import Engine, open_engine
from edgeneuro.runtime.segment.ledger import Ledger, differences, identity, text_of
from edgeneuro.runtime.segment.levels import Counts, exact_levels
from edgeneuro.runtime.segment.mask import create_mask
from edgeneuro.runtime.segment.records import ChunkRecord, Index3, Job, Source, Summary
from edgeneuro.runtime.segment.source import OpenSource
from edgeneuro.runtime.segment.work import count_part, engine_sha256, make_chunk, tiling_of
from edgeneuro.runtime.segment.workers import Workers
from edgeneuro.tiled import Levels
from edgeneuro.tiles import Region, Tiling

CHUNK_TILES = {2: 16, 3: 6}
"""Sides of a chunk of the mask in steps from tile to tile, of networks for images and for volumes. A tile across a border is computed
for both sides, which are (n + 1) / n along each axis: a quarter more for images, and three fifths more for volumes, whose chunks would
else take gigabytes to blend."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many parts of it are done, and how many there are."""


def segment_volume(
    volume: Path,
    engine: Path,
    out: Path,
    workers: Workers,
    *,
    channel: int | None = None,
    dataset: str | None = None,
    levels: Levels | None = None,
    chunk: int | None = None,
    precision: Precision | None = None,
    backend: str | None = None,
    resume: bool = False,
    force: bool = False,
    allow_unsigned: bool = False,
    progress: Progress = lambda step, done, of: None,
) -> Summary:
    """Write the mask of `volume` to the OME-Zarr folder `out`, and beside it a ledger of its chunks.

    channel, dataset: as `read_volume` takes them. levels: grey values that become 0 and 1; None for the percentiles of the whole volume
    that the engine was made for. chunk: side of the mask's chunks, voxels; None for CHUNK_TILES. resume: leave out what is done; begins
    where nothing is. force: replace a mask that exists. Raises EdgeNeuroError; chunks done until then stand.
    """
    if levels is not None and not -math.inf < levels[0] < levels[1] < math.inf:
        raise UsageError(f"levels: got {levels[0]:g} and {levels[1]:g}, expected two grey values that rise")
    ledger = Ledger(out)
    _check_out(out, ledger, volume, resume=resume, force=force)
    begun = ledger.job() if resume and ledger.exists else None
    with OpenSource(volume, channel=channel, dataset=dataset) as source:
        record = source.record()
    with _opened(engine, precision, backend, begun, workers.threads, allow_unsigned) as opened:
        tiling = tiling_of(opened, record.shape)
        if levels is None:
            levels = begun.levels if begun is not None else _levels(record, opened, workers, progress)
        chunk_size = begun.chunk if begun is not None and chunk is None else _chunk_size(tiling, record.shape, chunk)
        job = Job(
            source=record,
            engine=str(engine.resolve()),
            engine_sha256=engine_sha256(opened),
            graph=opened.graph.path,
            backend=opened.graph.backend,
            precision=opened.graph.precision,
            levels=levels,
            chunk=chunk_size,
            out=str(out.resolve()),
        )
    if begun is None:
        for old in (out, ledger.folder):
            shutil.rmtree(old, ignore_errors=True)
        ledger.begin(job)
    elif any(differences(begun, job)):
        raise UsageError(
            f"--resume: {out} was begun with something else: {'; '.join(differences(begun, job))}; ask for the same, or begin "
            "again with --force instead"
        )
    if not out.exists():
        create_mask(job)
    return _make(job, ledger, workers, allow_unsigned, progress)


def _check_out(out: Path, ledger: Ledger, volume: Path, *, resume: bool, force: bool) -> None:
    """Raises OutputError for a mask that exists and is not to be gone on with or replaced, and for what is no mask."""
    here, there = out.resolve(), volume.resolve()
    if here in (there, *there.parents) or there in here.parents:
        raise OutputError(f"{out}: is the volume itself, holds it or lies in it; choose another --out")
    if not resume:
        refuse_existing(out, force=force)
        refuse_existing(ledger.folder, force=force)
    if out.exists() and not ledger.exists:
        raise OutputError(
            f"{out}: has no ledger {ledger.folder}, so it is no mask of this command; remove it, or choose another --out"
        )


def _opened(
    engine: Path,
    precision: Precision | None,
    backend: str | None,
    begun: Job | None,
    threads: int | None,
    allow_unsigned: bool,
) -> Engine:
    """As asked for, else with what the mask was begun with."""
    return open_engine(
        engine,
        precision=precision or (None if begun is None else begun.precision),
        backend=backend or (None if begun is None else begun.backend),
        threads=threads,
        allow_unsigned=allow_unsigned,
    )


def _levels(source: Source, engine: Engine, workers: Workers, progress: Progress) -> Levels:
    """The percentiles of the whole volume, in one to four passes over it."""
    tiled = engine.manifest.frame_preprocess.tiled
    assert tiled is not None  # tiling_of refused others
    parts = Tiling(shape=source.shape, tile=source.part, overlap=(0, 0, 0))
    many = math.prod(_counts(source.shape, source.part))

    def count(turn: int, beginnings: tuple[int, ...]) -> Counts:
        total = np.zeros((len(beginnings), 2**16), np.int64)
        given = (
            (source.path, source.channel, source.dataset, _bounds(part), turn, beginnings)
            for part in parts.regions(source.part)
        )
        for done, counted in enumerate(workers.each(count_part, given), 1):
            total += counted
            progress(f"grey levels, pass {turn + 1}", done, many)
        return total

    return exact_levels(count, np.dtype(source.dtype), math.prod(source.shape), tiled.low, tiled.high)


def _bounds(part: Region) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(side.start for side in part), tuple(side.stop for side in part)


def _chunk_size(tiling: Tiling, shape: Index3, side: int | None) -> Index3:
    """Of the mask; planes of their own for networks for images."""
    steps = [tile - overlap for tile, overlap in zip(tiling.tile, tiling.overlap, strict=True)]
    z, y, x = (1, *steps) if len(steps) == 2 else steps
    many = CHUNK_TILES[len(steps)]
    wanted = (
        1 if len(steps) == 2 else side or many * z,
        side or many * y,
        side or many * x,
    )
    return min(wanted[0], shape[0]), min(wanted[1], shape[1]), min(wanted[2], shape[2])


def _make(job: Job, ledger: Ledger, workers: Workers, allow_unsigned: bool, progress: Progress) -> Summary:
    """All chunks that are not done. Neither they nor what is known of them is ever held at once."""
    text, made_by, start = text_of(job), identity(job), perf_counter()
    total = math.prod(_counts(job.source.shape, job.chunk))
    resumed, made = Tally(), Tally()

    def missing() -> Iterator[tuple[str, int | None, bool, Index3]]:
        for chunk in chunks_of(job):
            done = ledger.find(chunk, made_by)
            if done is None:
                yield text, workers.threads, allow_unsigned, chunk
            else:
                resumed.add(done)

    for record in workers.each(make_chunk, missing()):
        made.add(record)
        progress("mask", resumed.chunks + made.chunks, total)
    seconds = perf_counter() - start
    return Summary(
        mask=job.out,
        shape=job.source.shape,
        chunk=job.chunk,
        chunks=total,
        resumed=resumed.chunks,
        levels=job.levels,
        foreground_fraction=(resumed.foreground + made.foreground) / math.prod(job.source.shape),
        seconds=seconds,
        voxels_per_second=made.voxels / seconds,
    )


@dataclass
class Tally:
    """Of chunks that are done."""

    chunks: int = 0
    voxels: int = 0
    foreground: int = 0

    def add(self, record: ChunkRecord) -> None:
        """One more."""
        self.chunks += 1
        self.voxels += record.voxels
        self.foreground += record.foreground


def chunks_of(job: Job) -> Iterator[Index3]:
    """The last axis fastest, so that neighbours in the file are read one after the other."""
    z, y, x = _counts(job.source.shape, job.chunk)
    yield from itertools.product(range(z), range(y), range(x))


def _counts(shape: Index3, side: Index3) -> Index3:
    """Pieces along every axis, those at the end smaller."""
    return -(-shape[0] // side[0]), -(-shape[1] // side[1]), -(-shape[2] // side[2])
