"""Checkpoint configurations for tests that care about one or two fields of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.checkpoint import CheckpointConfig

_PLAIN = CheckpointConfig(
    model="myositis",
    options={},
    classes=("a", "b"),
    channels=1,
    preprocess=Preprocess(height=64, width=64),
    trained_on=DataIdentity(name="made up", licence="CC0", simulated=False, frames=4, groups=2),
    protocol="grouped",
    fold=0,
    seed=0,
    epochs=1,
    patience=1,
    batch_size=2,
    learning_rate=1e-3,
    best_epoch=0,
    data="made up",
)


def checkpoint_config(**changes: Any) -> CheckpointConfig:
    """A small STANet of two classes, with `changes`."""
    return replace(_PLAIN, **changes)
