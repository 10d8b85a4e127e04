"""The text of an SWC file as checked columns: what is wrong with a tree is said of a line before any library reads it.

Sources: Cannon et al. 1998, 10.1016/S0165-0270(98)00091-0; for the second dialect Zhang et al. 2021,
10.1038/s41598-021-86780-4, whose files hold `id [x, y, z] type parent width branch_level path_length degree`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import FrameError
from edgeneuro.neuron import SOMA

LARGEST_UM = 1e6
"""Of coordinates and radii, either sign: a metre, beyond any neuron, and near where float32 still tells apart 0.1 um."""
LONGEST_UM = 1e7
"""Of all neurites of a file together: ten metres, some twenty times the longest neuron that was traced as a whole."""
LARGEST_ID = 2**31 - 1
COLUMNS = "id type x y z radius parent"
SECOND_DIALECT = "id [x, y, z] type parent width ..."


@dataclass(frozen=True, kw_only=True)
class SwcTable:
    """Nodes of one tree or several, every parent before its children.

    points: (node, 3) um. radii: (node,) um, 0 where unknown. types: (node,) as in the file. parents: (node,) row of the
    parent, -1 of a root. lines: (node,) line of the file, from 1.
    """

    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    types: NDArray[np.int64]
    parents: NDArray[np.int64]
    lines: NDArray[np.int64]


def parse_swc(data: bytes, name: str) -> SwcTable:
    """data: content of the file called `name`, in either dialect, lines of comment with "#".

    Raises FrameError naming the line: no numbers, a coordinate that is not finite or beyond LARGEST_UM, an id that comes
    twice, a parent that is not there, a cycle, a soma below a neurite, two somata, fewer than two nodes, neurites longer
    than LONGEST_UM in all.
    """
    columns, lines = _rows(data, name)
    if len(lines) < 2:
        raise FrameError(
            f"{name}: holds {len(lines)} node{'s' * (len(lines) != 1)}, expected a tree of at least 2; trace it again"
        )
    _check_numbers(columns, lines, name)
    ids, kinds, parent_ids = (columns[:, column].astype(np.int64) for column in (0, 1, 6))
    parents = _rows_of_parents(ids, parent_ids, lines, name)
    order = _parents_first(parents, lines, name)
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    parents = np.where(parents < 0, -1, row_of[parents])[order]
    table = SwcTable(
        points=columns[order, 2:5],
        radii=np.maximum(columns[order, 5], 0.0),
        types=kinds[order],
        parents=parents,
        lines=lines[order],
    )
    _check_soma(table, name)
    _check_length(table, name)
    return table


def _rows(data: bytes, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(node, 7) id, type, x, y, z, radius, parent of every line with numbers; and its number in the file."""
    if b"\0" in data:
        raise _no_swc(name, "it holds bytes of 0")
    texts: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text:
            texts.append(text)
            lines.append(number)
    try:
        columns = np.loadtxt(texts, np.float64, comments=None, usecols=range(7), ndmin=2) if texts else np.empty((0, 7))
    except ValueError:  # the second dialect, or no numbers
        columns = np.array([_row(text, number, name) for text, number in zip(texts, lines, strict=True)])
    return columns, np.array(lines, np.int64)


def _row(text: str, number: int, name: str) -> list[float]:
    """The columns of one line in either dialect; slower than numpy, but it says which line is none."""
    try:
        row = _second_dialect(text) if "[" in text else [float(word) for word in text.split()[:7]]
    except ValueError:
        row = []
    if len(row) != 7:
        raise _no_swc(name, f"line {number} is {_shortened(text)!r}")
    return row


def _second_dialect(text: str) -> list[float]:
    """The columns of the first dialect. Raises ValueError.

    width: the radius, as one of the authors' own files shows: the outer points of its soma lie 7.63 um from the centre, and
    their width is 7.64 (data_model/38.swc of GitHub repository thomasaimondy/neuromorpho_neuron_type_classification).
    """
    before, _, rest = text.partition("[")
    inside, _, after = rest.partition("]")
    (node,) = before.split()
    x, y, z = inside.replace(",", " ").split()
    kind, parent, width = after.split()[:3]
    return [float(word) for word in (node, kind, x, y, z, width, parent)]


def _check_numbers(columns: NDArray[np.float64], lines: NDArray[np.int64], name: str) -> None:
    names = COLUMNS.split()
    for column in (0, 1, 6):
        wrong = ~(np.abs(columns[:, column]) <= LARGEST_ID) | (columns[:, column] % 1 != 0)
        _refuse(wrong, columns[:, column], lines, name, names[column], "a whole number")
    _refuse(columns[:, 0] < 0, columns[:, 0], lines, name, "id", "a number from 0")
    for column in (2, 3, 4, 5):
        wrong = ~(np.abs(columns[:, column]) <= LARGEST_UM)  # also true for NaN
        _refuse(wrong, columns[:, column], lines, name, names[column], f"at most {LARGEST_UM:,.0f} um either way")


def _refuse(
    wrong: NDArray[np.bool_], values: NDArray[np.float64], lines: NDArray[np.int64], name: str, what: str, expected: str
) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        raise FrameError(
            f"{name}: line {lines[first]} has {what} {values[first]:g}, expected {expected}; "
            f"correct it ({COLUMNS}; {np.count_nonzero(wrong)} such lines)"
        )


def _rows_of_parents(
    ids: NDArray[np.int64], parent_ids: NDArray[np.int64], lines: NDArray[np.int64], name: str
) -> NDArray[np.int64]:
    """(node,) row of the parent, -1 where the file has a number below 0."""
    by_id = np.argsort(ids, kind="stable")
    ordered = ids[by_id]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if twice.size:
        first, second = by_id[twice[0]], by_id[twice[0] + 1]
        raise FrameError(
            f"{name}: lines {lines[first]} and {lines[second]} both have id {ids[first]}, expected each once; number the "
            "nodes anew"
        )
    place = np.minimum(np.searchsorted(ordered, parent_ids), len(ids) - 1)
    found = ordered[place] == parent_ids
    orphans = np.flatnonzero(~found & (parent_ids >= 0))
    if orphans.size:
        first = orphans[0]
        raise FrameError(
            f"{name}: line {lines[first]} has parent {parent_ids[first]}, which no line defines ({orphans.size} such nodes); "
            "restore the lines that are missing, or write -1 where a tree begins"
        )
    return np.where(parent_ids < 0, -1, by_id[place])


def _parents_first(parents: NDArray[np.int64], lines: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """(node,) rows in an order in which every parent comes before its children: the file's where it is one."""
    rows = np.arange(len(parents))
    ancestor = np.where(parents < 0, rows, parents)
    depth = (parents >= 0).astype(np.int64)
    for _ in range(max(1, math.ceil(math.log2(len(parents))))):  # each step doubles how far it looks
        depth = depth + depth[ancestor]
        ancestor = ancestor[ancestor]
    lost = np.flatnonzero(parents[ancestor] >= 0)
    if lost.size:
        raise FrameError(f"{name}: {_cycle(parents, lines, int(ancestor[lost[0]]))}; correct the parent of one of them")
    if (parents < rows).all():
        return rows
    return np.argsort(depth, kind="stable")


def _cycle(parents: NDArray[np.int64], lines: NDArray[np.int64], on_it: int) -> str:
    """What is wrong, of a node whose ancestors come round to itself."""
    around = [on_it]
    while (above := int(parents[around[-1]])) != on_it:
        around.append(above)
    if len(around) == 1:
        return f"line {lines[on_it]} is its own parent, expected a tree"
    numbers = sorted(int(lines[row]) for row in around)
    return f"lines {_listed(numbers)} are a cycle of {len(numbers)} nodes, each the parent of the next, expected a tree"


def _check_soma(table: SwcTable, name: str) -> None:
    """One soma, and no part of it below a neurite: what MorphIO calls an error."""
    soma = table.types == SOMA
    below = soma & (table.parents >= 0) & ~soma[table.parents]
    if below.any():
        raise FrameError(
            f"{name}: line {table.lines[np.argmax(below)]} is of the soma (type {SOMA}) below a node that is not; correct "
            "one of the types"
        )
    first = table.lines[soma & (table.parents < 0)].tolist()
    if len(first) > 1:
        raise FrameError(
            f"{name}: holds {len(first)} somata, which begin at lines {_listed(first)}; keep one neuron a file"
        )


def _check_length(table: SwcTable, name: str) -> None:
    below = np.flatnonzero(table.parents >= 0)
    lengths = np.linalg.norm(table.points[below] - table.points[table.parents[below]], axis=1)
    if lengths.sum() > LONGEST_UM:
        longest = np.argmax(lengths)
        raise FrameError(
            f"{name}: its neurites are {lengths.sum() / 1e6:.3g} m long in all ({lengths[longest]:,.0f} um from line "
            f"{table.lines[table.parents[below[longest]]]} to line {table.lines[below[longest]]}), expected at most "
            f"{LONGEST_UM / 1e6:g} m; are its coordinates in um?"
        )


def _listed(lines: Sequence[int]) -> str:
    return ", ".join(str(line) for line in lines[:5]) + (", ..." if len(lines) > 5 else "")


def _no_swc(name: str, found: str) -> FrameError:
    return FrameError(
        f"{name}: is not SWC, {found}; expected lines of {COLUMNS}, or {SECOND_DIALECT}; export it as SWC again"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
