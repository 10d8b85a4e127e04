"""Small networks, checkpoints and data sets, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.plan import Plan
from edgeneuro.manifest import DataIdentity
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Float32
from edgeneuro.training.checkpoint import write_checkpoint
from tests.checkpoints import checkpoint_config

SIDE = 64
CLASSES = ("bright", "dark", "striped")


def settled(network: nn.Module, channels: int, side: int) -> nn.Module:
    """The network after a few batches of noise, so that batch normalisation holds real statistics."""
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(8, channels, side, side))
    return network.eval()


def stanet() -> nn.Module:
    torch.manual_seed(0)
    return settled(build_model("myositis", classes=3, channels=1), 1, SIDE)


@dataclass(frozen=True)
class Exported:
    """A float graph, inputs to it, and a plan that still has no placement."""

    network: nn.Module
    graph: onnx.ModelProto
    frames: Float32
    plan: Plan


@pytest.fixture(scope="session")
def exported() -> Exported:
    network = stanet()
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    frames = np.random.default_rng(1).standard_normal((12, 1, SIDE, SIDE)).astype(np.float32)
    feeds = [{"image": frame[None]} for frame in frames]
    return Exported(network=network, graph=graph, frames=frames, plan=calibrated_plan(graph, feeds))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes, 6 groups each, 2 frames a group: bright, dark or striped noise, 80 x 72 px."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(5)
    rows = ["file,label,group_id"]
    for group in range(18):
        label = CLASSES[group % 3]
        for frame in range(2):
            pixels = rng.normal({"bright": 170, "dark": 60, "striped": 110}[label], 25, (72, 80))
            if label == "striped":
                pixels += 60 * np.sin(np.arange(72) / 2)[:, None]
            name = f"g{group:02}_{frame}.png"
            assert cv2.imwrite(str(folder / name), np.clip(pixels, 0, 255).astype(np.uint8))
            rows.append(f"{name},{label},g{group:02}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def checkpoint(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained STANet with a real split of `labelled`; its predictions are arbitrary, its files are not."""
    folder = tmp_path_factory.mktemp("checkpoint")
    data = open_data(str(labelled))
    split = make_split(data, fold=0, seed=0)
    config = checkpoint_config(
        classes=data.classes,
        preprocess=Preprocess(height=SIDE, width=SIDE, mean=(0.45,), std=(0.2,)),
        trained_on=DataIdentity.of(data),
        data=str(labelled),
    )
    write_checkpoint(folder, network=stanet(), config=config, metrics={}, split=split)
    return folder
