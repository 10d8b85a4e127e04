"""Going on from a checkpoint: its weights, its split, its preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from edgeneuro.data import DataSet
from edgeneuro.data.split import Split
from edgeneuro.models.surgery import Surgery
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.checkpoint import Ancestor, MadeFrom


@dataclass(frozen=True, kw_only=True)
class Trainee:
    """What is trained, and what is stored of it.

    network: (batch, channel, height, width), or (batch, neuron), -> logits. finish: from the trained network to the model of the table that
    is written, and the content of ranges.json, None without. surgery: of what is written. notes: for metrics.json.
    """

    network: nn.Module
    finish: Callable[[nn.Module], tuple[nn.Module, bytes | None]]
    surgery: Surgery | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a run starts.

    preprocess: None of a network that takes responses of neurons. ancestors: as edgeneuro.training.checkpoint.lineage gives them for the checkpoint.
    prepare: called with the training part of the data and a folder that lasts until the run is finished, also over
    interrupts; what it decides by chance or by timing it keeps there, so that a resumed run is the same one.
    """

    made_from: MadeFrom
    ancestors: tuple[Ancestor, ...] = ()
    split: Split
    preprocess: Preprocess | None
    prepare: Callable[[DataSet, Path], Trainee]
