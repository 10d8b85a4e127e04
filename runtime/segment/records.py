"""What a segmentation of a volume is made from, and what it says of itself, as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from edgeneuro.manifest import Precision
from edgeneuro.volume import Spacing

Index3 = tuple[int, int, int]
"""Along z, y, x."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The volume to segment. path: absolute, the same on every worker. shape: voxels along z, y, x. dtype: as recorded. part: voxels
    along z, y, x to read at once where all of it is read: whole chunks, PART_VOXELS at most or one chunk."""

    path: str
    dataset: str | None
    channel: int | None
    shape: Index3
    dtype: str
    spacing_um: Spacing
    spacing_known: bool
    part: Index3


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that the mask depends on, and where it goes.

    engine: path, the same on every worker. engine_sha256: of its manifest, which holds the SHA-256 of everything in the bundle that is
    run. graph, backend: that the mask is computed with; two graphs may differ where a logit is near 0. levels: grey values that become
    0 and 1. chunk: of the mask, voxels along z, y, x. out: folder of the mask.
    """

    source: Source
    engine: str
    engine_sha256: str
    graph: str
    backend: str
    precision: Precision
    levels: tuple[float, float]
    chunk: Index3
    out: str


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """A chunk that was written. job_sha256: of the job's JSON. foreground: voxels that are not background. host, pid: that made it."""

    chunk: Index3
    job_sha256: str
    voxels: int
    foreground: int
    seconds: float
    host: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of a finished mask. chunks: in all; resumed: of them, made by earlier runs. seconds: of wall time that the others took,
    voxels_per_second: of them. levels: grey values that became 0 and 1."""

    mask: str
    shape: Index3
    chunk: Index3
    chunks: int
    resumed: int
    levels: tuple[float, float]
    foreground_fraction: float
    seconds: float
    voxels_per_second: float
