"""A two-layer network with frames, small enough to go through the whole quantisation study."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn

from edgeneuro.benchmarks.quantisation_cases import Case, Feeds
from edgeneuro.export.onnx_export import INPUT, export_onnx
from edgeneuro.export.source import FloatModel
from edgeneuro.preprocess import Preprocess

SIDE = 32
FRAMES = 12


@cache
def toy_case(seed: int = 0) -> Case:
    """Bright frames against dark ones; two of each in a group. seed: of the weights and the frames."""
    torch.manual_seed(seed)
    layers = (nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 2))
    graph, compute = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    rng = np.random.default_rng(seed)
    truth = np.arange(FRAMES) % 2
    pixels = rng.integers(0, 100, (FRAMES, SIDE, SIDE)) + 100 * truth[:, None, None]
    size = Preprocess(height=SIDE, width=SIDE, mean=(0.5,), std=(0.25,))
    frames = Feeds(INPUT, pixels.astype(np.uint8), size)
    return Case(
        name="toy",
        model=FloatModel(
            name="toy",
            graph=graph,
            compute=compute,
            classes=("dark", "bright"),
            primary_metric="balanced_accuracy",
            preprocess=size,
            provenance={},
        ),
        calibration=frames,
        test=frames,
        truth=truth,
        groups=tuple(f"g{seed}-{number // 4}" for number in range(FRAMES)),
        metric="balanced_accuracy",
        classes=2,
        facts={"data": "toy", "input": f"1 x {SIDE} x {SIDE}", "calibration_frames": FRAMES},
    )
