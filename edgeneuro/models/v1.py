"""Decoders of the visual cortex: from the responses of all neurons in one trial to the class of the stimulus.

Source: the student report that docs/v1.md names; it gives the widths of the fully connected network and the number of convolutions,
the widths of the others are ours. Responses go in as they were recorded: what they are normalised by is part of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.errors import InputError

WIDTHS = (16384, 4096, 1024, 128)
PLANES, SIDE = 11, 63
"""Of the grid of cells: planes of the microscope, and squares along either side of the field of view."""
SQUARE_UM = 16.0
DROPOUT = 0.5


class Standardise(nn.Module):
    """(response - mean) / deviation of each neuron; both are set from training trials and are no weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, neurons: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(neurons))
        self.register_buffer("deviation", torch.ones(neurons))

    def forward(self, responses: Tensor) -> Tensor:
        """(batch, neuron), the same shape."""
        return (responses - self.mean) / self.deviation


class Grid(nn.Module):
    """Responses summed into the cells of a grid: (batch, neuron) -> (batch, plane, y, x).

    table: (cell, most) numbers of the neurons of each cell, filled up with the number of neurons, which stands for none.
    """

    table: Tensor

    def __init__(self, neurons: int, most: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.full((PLANES * SIDE * SIDE, most), neurons))

    def forward(self, responses: Tensor) -> Tensor:
        """A gather and a sum, which every backend has; a scatter is not among TensorRT's layers for all types."""
        with_none = torch.cat([responses, torch.zeros_like(responses[:, :1])], 1)
        gathered = with_none.index_select(1, self.table.flatten())
        return gathered.reshape(-1, PLANES, SIDE, SIDE, self.table.shape[1]).sum(-1)


class Components(nn.Linear):
    """The part of each response along principal components of the training trials: (batch, neuron) -> (batch, component).

    Set by training before the first epoch and not trained: it has most of the weights, and few trials to learn them from.
    """

    def __init__(self, neurons: int, components: int) -> None:
        super().__init__(neurons, components, bias=False)
        self.weight.requires_grad_(False)


class Decoder(nn.Module):
    """What is done first, to every neuron by itself, and the network behind it."""

    def __init__(self, neurons: int, body: nn.Module) -> None:
        super().__init__()
        self.standardise = Standardise(neurons)
        self.body = body

    def forward(self, responses: Tensor) -> Tensor:
        """(batch, neuron) as recorded -> (batch, class) logits."""
        logits: Tensor = self.body(self.standardise(responses))
        return logits


def build_mlp(*, classes: int, neurons: int, widths: Sequence[int] = WIDTHS, components: int | None = None) -> Decoder:
    """The row `v1-mlp`: fully connected, with batch normalisation, ReLU and dropout behind every hidden layer.

    components: principal components of the training trials that it is given in place of the neurons, None for these themselves.
    Raises InputError.
    """
    first = neurons if components is None else components
    _check(classes, neurons, first, *widths)
    layers: list[nn.Module] = [] if components is None else [Components(neurons, components)]
    for inputs, outputs in pairwise((first, *widths)):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(DROPOUT)]
    return Decoder(neurons, nn.Sequential(*layers, nn.Linear(widths[-1], classes)))


def build_cnn2d(*, classes: int, neurons: int, most: int) -> Decoder:
    """The row `v1-cnn2d`: planes of the microscope as channels. most: of neurons in one cell of the grid. Raises InputError."""
    _check(classes, neurons, most)
    body = nn.Sequential(
        Grid(neurons, most),
        *_block(nn.Conv2d(PLANES, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.MaxPool2d(2)),
        *_block(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.MaxPool2d(2)),
        *_block(nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128), nn.AvgPool2d(6, 3)),
        *_head(128 * 4 * 4, classes),
    )
    return Decoder(neurons, body)


def build_cnn3d(*, classes: int, neurons: int, most: int) -> Decoder:
    """The row `v1-cnn3d`: the grid as one volume. most: of neurons in one cell of it. Raises InputError."""
    _check(classes, neurons, most)
    body = nn.Sequential(
        Grid(neurons, most),
        nn.Unflatten(1, (1, PLANES)),
        *_block(nn.Conv3d(1, 16, 3, padding=1, bias=False), nn.BatchNorm3d(16), nn.MaxPool3d((1, 2, 2))),
        *_block(nn.Conv3d(16, 32, 3, padding=1, bias=False), nn.BatchNorm3d(32), nn.MaxPool3d(2)),
        *_block(nn.Conv3d(32, 64, 3, padding=1, bias=False), nn.BatchNorm3d(64), nn.AvgPool3d((3, 6, 6), (2, 3, 3))),
        *_head(64 * 2 * 4 * 4, classes),
    )
    return Decoder(neurons, body)


def grid_table(positions_um: NDArray[np.float64]) -> NDArray[np.int64]:
    """(cell, most) for `Grid`. positions_um: (neuron, 3) x, y and depth.

    Squares of SQUARE_UM from the smallest x and y, those beyond the grid in its last one; planes are the ranks of the depths. Raises
    InputError for more planes than the grid has, or a field of view of twice its size, whose cells would lie on top of each other.
    """
    depths, plane = np.unique(positions_um[:, 2], return_inverse=True)
    if len(depths) > PLANES:
        raise InputError(
            f"grid: got cells at {len(depths)} depths, expected at most {PLANES} planes; are the depths those of the planes?"
        )
    place = np.floor((positions_um[:, :2] - positions_um[:, :2].min(0)) / SQUARE_UM).astype(np.int64)
    if int(place.max()) >= 2 * SIDE:
        raise InputError(
            f"grid: got a field of view of {SQUARE_UM * float(place.max()):.0f} um, expected about {SQUARE_UM * SIDE:.0f}; are the "
            "positions in um?"
        )
    x, y = np.minimum(place, SIDE - 1).T
    cell = (plane.astype(np.int64) * SIDE + y) * SIDE + x
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=PLANES * SIDE * SIDE)
    table = np.full((len(counts), int(counts.max())), len(cell), np.int64)
    within = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[cell[order], within] = order
    return table


def _block(conv: nn.Module, norm: nn.Module, pool: nn.Module) -> tuple[nn.Module, ...]:
    return conv, norm, nn.ReLU(), pool


def _head(features: int, classes: int) -> tuple[nn.Module, ...]:
    return nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, classes)


def _check(classes: int, *sizes: int) -> None:
    if classes < 2 or not sizes or min(sizes) < 1:
        raise InputError(
            f"decoder: got {classes} classes and sizes {sizes}, expected two classes and sizes of 1 or more"
        )
