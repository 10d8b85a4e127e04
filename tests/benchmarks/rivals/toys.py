"""A network of two convolutions with frames, and what rivals are made from it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeneuro.benchmarks.rivals.rival import RivalSource
from edgeneuro.export.onnx_export import INPUT, export_onnx
from edgeneuro.spec import Feed
from tests.runtime.bundles import tiny_manifest

SIDE, CLASSES, FRAMES = 32, 3, 6


@cache
def toy_network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES)).eval()


@cache
def toy_graph() -> bytes:
    graph, _ = export_onnx(toy_network(), channels=1, height=SIDE, width=SIDE)
    return bytes(graph.SerializeToString())


def toy_frames(count: int = FRAMES) -> list[Feed]:
    values = np.random.default_rng(0).random((count, 1, 1, SIDE, SIDE), np.float32)
    return [{INPUT: frame} for frame in values]


def toy_source(**changes: Any) -> RivalSource:
    """A user's own file: no model of the table, no checkpoint."""
    fields: dict[str, Any] = {
        "name": "toy",
        "model": toy_graph(),
        "manifest": tiny_manifest(model="toy"),
        "calibration": toy_frames(),
        "checkpoint": None,
    }
    return RivalSource(**{**fields, **changes})


def toy_logits(feed: Feed) -> np.ndarray:
    """What the network answers, without any of the code under test."""
    with torch.no_grad():
        logits: np.ndarray = toy_network()(torch.from_numpy(feed[INPUT])).numpy()
    return logits
