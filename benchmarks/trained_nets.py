"""The networks of the quantisation study with the weights that `train_nets` gave them, on disk and as float models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import nn

from edgeneuro.benchmarks.nets import NETS
from edgeneuro.errors import CheckpointError, InputError
from edgeneuro.files import sha256, write_bytes, write_json
from edgeneuro.manifest import DataIdentity
from edgeneuro.models import lite0
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json

WEIGHTS, RECORD = "weights.safetensors", "net.json"
FOLDER = Path("runs") / "nets"
"""Relative to the root of a checkout; never committed: some of the data is for non-commercial use."""


@dataclass(frozen=True, kw_only=True)
class NetRecord:
    """What the weights are and how they came about.

    classes: outputs in order. fold, seed: of the split. settings: of the training, in plain values. scores: what
    validation and test part said of the float network. weights: SHA-256 of the file.
    """

    name: str
    classes: tuple[str, ...]
    metric: str
    preprocess: Preprocess
    trained_on: DataIdentity
    fold: int
    seed: int
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    weights: str


def build_net(name: str, *, classes: int, channels: int) -> nn.Module:
    """Untrained, lite0 with its ImageNet features. Raises InputError with the known names."""
    if name == "lite0":
        network = lite0.build(classes=classes, channels=channels)
        network.load_state_dict(lite0.imagenet_weights(), strict=False)
        return network
    if name not in NETS:
        raise InputError(f"network {name!r}: is not known, expected lite0 or one of {', '.join(NETS)}")
    return NETS[name](classes, channels)


def write_net(folder: Path, network: nn.Module, record: NetRecord) -> None:
    """`record` is written last, with the weights' hash."""
    data = save({name: value.detach().contiguous() for name, value in network.state_dict().items()})
    write_bytes(folder / WEIGHTS, data)
    write_json(folder / RECORD, {**to_json(record), "weights": sha256(data)})


def read_record(folder: Path) -> NetRecord:
    """Raises CheckpointError when training has not finished there, InputError when a field is wrong."""
    path = folder / RECORD
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: holds no trained network, it has no {RECORD}; train it with: "
            f"python -m edgeneuro.benchmarks.train_nets {folder.name}"
        )
    return from_json(NetRecord, json.loads(path.read_text(encoding="utf-8")), str(path))


def read_net(folder: Path) -> tuple[nn.Module, NetRecord]:
    """The network in evaluation mode. Raises CheckpointError for missing or other weights."""
    record = read_record(folder)
    data = (folder / WEIGHTS).read_bytes()
    if sha256(data) != record.weights:
        raise CheckpointError(f"{folder / WEIGHTS}: is not the file that {RECORD} was written for; train it again")
    size = record.preprocess
    network = build_net(record.name, classes=len(record.classes), channels=size.channels)
    network.load_state_dict(load(data), strict=True)
    return network.eval(), record
