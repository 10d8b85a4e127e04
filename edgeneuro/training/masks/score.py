"""How well a network finds neurites in whole images and volumes, covered with tiles as on a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edgeneuro.manifest import Interval
from edgeneuro.metrics import mask_scores, mean_interval, mean_of_classes
from edgeneuro.metrics.tubes import TOLERANCES, Overlap, tolerant_overlap, voxel_overlap
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Float32, Frame
from edgeneuro.tiles import Region, Tiling, infer_region
from edgeneuro.training.masks.scenes import Scene


@dataclass(frozen=True, kw_only=True)
class SceneScores:
    """Scores 0 to 1 over whole frames. interval: 95 % of the mean Dice of a frame, resampled by group; iou: mean of a frame.

    voxel_precision, voxel_recall, voxel_f1: of all voxels together. tolerant_f1: by tolerance in voxels, of all centre lines
    together, as edgeneuro.metrics.tubes.tolerant_overlap has it.
    """

    frames: int
    groups: int
    primary_metric: str
    interval: Interval
    iou: float
    voxel_precision: float
    voxel_recall: float
    voxel_f1: float
    tolerant_f1: Mapping[str, float]


def score_scenes(network: nn.Module, scenes: Sequence[Scene], preprocess: Preprocess) -> SceneScores:
    """Scores of `network`, in evaluation mode afterwards, on `scenes`; on the CPU in float32."""
    nothing = Overlap(right=0, predicted=0, found=0, labelled=0)
    dice, iou, voxels, lines = [], [], nothing, dict.fromkeys(TOLERANCES, nothing)
    for scene in scenes:
        found = (scene_logits(network, scene.values, preprocess) > 0).astype(np.uint8)
        scores = mask_scores(scene.label, found, 2)
        dice.append(float(mean_of_classes(scores.dice)))
        iou.append(float(mean_of_classes(scores.iou)))
        voxels += voxel_overlap(scene.label, found)
        near = tolerant_overlap(scene.label, found)
        lines = {radius: lines[radius] + near[radius] for radius in TOLERANCES}
    groups = [scene.group for scene in scenes]
    return SceneScores(
        frames=len(scenes),
        groups=len(set(groups)),
        primary_metric="dice",
        interval=mean_interval(dice, groups, np.random.default_rng(0)),
        iou=float(np.mean(iou)),
        voxel_precision=voxels.precision,
        voxel_recall=voxels.recall,
        voxel_f1=voxels.f1,
        tolerant_f1={str(radius): overlap.f1 for radius, overlap in lines.items()},
    )


@torch.no_grad()
def scene_logits(network: nn.Module, values: Frame, preprocess: Preprocess) -> Float32:
    """values: as Preprocess.whole gives them. Returns the logits of the foreground, in their shape. The network is in evaluation mode
    afterwards."""
    assert preprocess.tiled is not None
    network.eval()
    tile = preprocess.tile
    tiling = Tiling(shape=values.shape, tile=tile, overlap=preprocess.tiled.overlaps(tile))

    def read(region: Region) -> Array:
        return preprocess.normalise(values[region])

    def run(image: Float32) -> Array:
        logits: Array = network(torch.from_numpy(image)).numpy()
        return logits

    foreground: Float32 = infer_region(read, run, tiling, tiling.whole)[0]
    return foreground
