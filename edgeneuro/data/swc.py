"""Neurons from SWC files, read by MorphIO after checks of our own."""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.swc_table import SwcTable, parse_swc
from edgeneuro.errors import FrameError
from edgeneuro.neuron import APICAL, SOMA, UNDEFINED, Neuron

if TYPE_CHECKING:
    from morphio import Morphology

SWC_SUFFIX = ".swc"
_NO_WORDS = re.compile(r"\x1b\[[\d;]*m|\$STRING\$:\d+:\w+")
"""In messages of MorphIO: colours, and lines of the text that it was given, which are not those of the file."""
MAX_BYTES = 2**28
"""Of a file: some three million nodes."""


def is_neuron_file(path: PurePath) -> bool:
    """Whether the name of `path` ends like a reconstruction of a neuron."""
    return path.suffix.lower() == SWC_SUFFIX


def read_swc(path: Path) -> Neuron:
    """The neuron in the file `path`; see `decode_swc`. Raises FrameError, also for a missing file."""
    return decode_swc(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Content of an SWC file. Raises FrameError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FrameError(f"{path}: is larger than {MAX_BYTES:,} bytes, expected one neuron; keep one neuron a file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FrameError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


def decode_swc(data: bytes, name: str) -> Neuron:
    """The neuron in `data`, the content of a file called `name`, in either dialect of `swc_table`.

    The soma is one node: MorphIO's centre, and the radius of the sphere with the surface that MorphIO gives it, or the
    mean distance of its points from that centre where they are a contour without width. Types beyond 0..4 become 0,
    undefined. Raises FrameError, naming the line, for what is no tree of at least one neurite.
    """
    table = parse_swc(data, name)
    read = _by_morphio(table, name)
    if not len(read.points):
        raise FrameError(f"{name}: holds no neurite, only a soma or single nodes, expected a tree; trace it again")
    return _nodes(read, attached=int(np.count_nonzero(_at_soma(table))))


def _by_morphio(table: SwcTable, name: str) -> Morphology:
    try:
        import morphio
    except ImportError as error:
        raise FrameError(f"{name}: SWC is read with MorphIO; run: pip install 'edgeneuro[morphology]'") from error
    silent = morphio.WarningHandlerCollector()  # of what is said of a file above, or drawn all the same
    try:
        return morphio.Morphology(_as_text(table), "swc", morphio.Option.allow_unifurcated_section_change, silent)
    except morphio.MorphioError as error:
        reason = " ".join(_NO_WORDS.sub("", str(error)).split())
        raise FrameError(f"{name}: MorphIO cannot read it ({reason}); trace it again") from error


def _as_text(table: SwcTable) -> str:
    """The table in the one dialect that MorphIO knows, with the types and the somata that it knows."""
    types = np.where(table.types <= APICAL, np.maximum(table.types, UNDEFINED), UNDEFINED)
    parents = np.where(table.parents < 0, -1, _soma_parents(table) + 1)
    columns = (types.tolist(), *table.points.T.tolist(), table.radii.tolist(), parents.tolist())
    rows = zip(*columns, strict=True)
    return "".join(f"{row} {k} {x:.9g} {y:.9g} {z:.9g} {r:.9g} {p}\n" for row, (k, x, y, z, r, p) in enumerate(rows, 1))


def _soma_parents(table: SwcTable) -> NDArray[np.int64]:
    """(node,) parents; where the soma forks, all of its nodes have the first one as parent: elsewhere it may not fork."""
    inside = (table.types == SOMA) & (table.parents >= 0)
    forks = np.bincount(table.parents[inside], minlength=len(inside)) > 1
    first = int(np.argmax(table.types == SOMA))
    forks[first] = False
    return np.where(inside, first, table.parents) if forks.any() else table.parents


def _at_soma(table: SwcTable) -> NDArray[np.bool_]:
    """(node,) where a neurite begins at the soma."""
    soma = table.types == SOMA
    at_soma: NDArray[np.bool_] = ~soma & (table.parents >= 0) & soma[table.parents]
    return at_soma


def _nodes(read: Morphology, attached: int) -> Neuron:
    """attached: how many neurites begin at the soma; MorphIO has them before those that begin nowhere.

    MorphIO begins every section with the last point of the section above it; here it is one node.
    """
    starts, ends = read.section_offsets[:-1].astype(np.int64), read.section_offsets[1:].astype(np.int64)
    above = np.full(len(starts), -1)
    for section, below in read.connectivity.items():
        above[below] = section
    root = above < 0
    last = ends - 1
    for section in np.flatnonzero(~root & (ends - starts == 1)):  # of no length: nothing is left of it
        last[section] = last[above[section]]
    kept = np.ones(len(read.points), np.bool_)
    kept[starts[~root]] = False
    points, soma_radius = read.points[kept], _soma_radius(read)
    first_row = 0 if soma_radius is None else 1
    row = np.cumsum(kept) - 1 + first_row
    before = np.arange(len(kept)) - 1
    begins = ~root & (ends - starts > 1)
    before[starts[begins] + 1] = last[above[begins]]
    parents = row[before]
    parents[starts[root]] = np.where(np.arange(np.count_nonzero(root)) < attached, 0, -1)
    section_of = np.repeat(np.arange(len(starts)), ends - starts)
    types, radii = read.section_types[section_of][kept], read.diameters[kept] / 2
    if soma_radius is not None:
        points = np.concatenate([read.soma.center[None], points])
        radii, types = np.r_[soma_radius, radii], np.r_[SOMA, types]
    return Neuron(
        points=points.astype(np.float64),
        radii=radii.astype(np.float64),
        types=types.astype(np.int64),
        parents=np.r_[np.full(first_row, -1), parents[kept]],
    )


def _soma_radius(read: Morphology) -> float | None:
    """um; None where there is no soma. The surface of a contour without width is 0."""
    points = read.soma.points
    if not len(points):
        return None
    of_sphere = math.sqrt(max(float(read.soma.surface), 0.0) / (4 * math.pi))
    return max(of_sphere, float(np.linalg.norm(points - read.soma.center, axis=1).mean()))
