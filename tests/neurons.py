"""Small neurons for the tests, as SWC text and as trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.drawing import Drawing
from edgeneuro.neuron import Neuron
from edgeneuro.spec import Frame

Row = tuple[int, float, float, float, float, int]
"""Type, x, y, z, radius, parent (number of the line from 1, -1 of a root)."""

PYRAMID: tuple[Row, ...] = (
    (1, 0, 0, 0, 8, -1),
    (2, 0, -50, 0, 0.5, 1),
    (2, 40, -90, 0, 0.5, 2),
    (3, -60, -20, 10, 1, 1),
    (3, -90, -20, 10, 1, 4),
    (4, 0, 100, 0, 2, 1),
    (4, 30, 160, 0, 1, 6),
    (4, -30, 160, 0, 1, 6),
)
"""A soma with an axon that goes down and to the right, a dendrite to the left, an apical dendrite that forks above."""


def swc(rows: Sequence[Row] = PYRAMID) -> bytes:
    """Content of an SWC file."""
    lines = [
        "# id type x y z radius parent",
        *(f"{number} {' '.join(map(str, row))}" for number, row in numbered(rows)),
    ]
    return "\n".join(lines).encode() + b"\n"


def numbered(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    return list(enumerate(rows, 1))


def tree(rows: Sequence[Row] = PYRAMID) -> Neuron:
    """The same as a neuron, without reading anything."""
    table = np.array(rows, np.float64)
    parents = table[:, 5].astype(np.int64)
    return Neuron(
        points=table[:, 1:4],
        radii=table[:, 4],
        types=table[:, 0].astype(np.int64),
        parents=np.where(parents < 0, -1, parents - 1),
    )


def write_neurons(folder: Path, names: Sequence[str]) -> None:
    """A different neuron under each name: PYRAMID, each wider than the one before."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        wider: list[Row] = [(kind, (1 + number) * x, y, z, radius, parent) for kind, x, y, z, radius, parent in PYRAMID]
        (folder / name).write_bytes(swc(wider))


class Recorder:
    """Reads a set of neurons, and keeps how each was to be drawn; the pictures are those of another set."""

    def __init__(self, frames: DataSet) -> None:
        self.frames = frames
        self.asked: list[Drawing] = []

    def neuron(self, _: Sample) -> Neuron:
        return tree()

    def picture(self, sample: Sample, drawing: Drawing) -> Frame:
        self.asked.append(drawing)
        return self.frames.reader(sample)

    @property
    def data(self) -> DataSet:
        return replace(self.frames, neuron_reader=self.neuron, picture_reader=self.picture)
