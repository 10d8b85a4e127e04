import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeneuro.training.masks.scenes import Scene
from edgeneuro.training.masks.score import scene_logits, score_scenes
from edgeneuro.training.masks.work import tiled_preprocess

TILE = tiled_preprocess(32, None)


class Threshold(nn.Module):
    """Foreground where a pixel is brighter than half."""

    def forward(self, image: Tensor) -> Tensor:
        return image - 0.5


def bar(rows: slice, group: str, *, ignored: bool = False) -> Scene:
    """40 x 60: truth in rows 10 to 14, bright in `rows`."""
    label, values = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint16)
    label[10:14] = 1
    values[rows] = 65535
    if ignored:
        label[14:] = 255
    return Scene(values=values, label=label, group=group)


def test_a_network_that_is_right_everywhere_scores_1_at_any_size_of_frame() -> None:
    scores = score_scenes(Threshold(), [bar(slice(10, 14), "a"), bar(slice(10, 14), "b")], TILE)
    assert (scores.frames, scores.groups, scores.primary_metric) == (2, 2, "dice")
    assert scores.interval.value == scores.iou == scores.voxel_f1 == 1.0
    assert scores.tolerant_f1 == {"0": 1.0, "1": 1.0, "2": 1.0, "4": 1.0}


def test_a_bar_twice_as_thick_halves_precision_and_is_found_within_tolerance() -> None:
    scores = score_scenes(Threshold(), [bar(slice(10, 18), "a")], TILE)
    assert (scores.voxel_precision, scores.voxel_recall) == (0.5, 1.0)
    assert scores.interval.value == scores.voxel_f1 == pytest.approx(2 / 3)
    assert scores.iou == 0.5
    assert scores.tolerant_f1["0"] < 0.1
    assert scores.tolerant_f1["4"] > 0.9


def test_places_that_do_not_count_are_neither_right_nor_wrong() -> None:
    assert score_scenes(Threshold(), [bar(slice(10, 18), "a", ignored=True)], TILE).interval.value == 1.0


def test_logits_of_a_whole_frame_are_those_of_its_tiles() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (50, 70)).astype(np.uint16)
    logits = scene_logits(Threshold(), values, TILE)
    assert logits == pytest.approx(values / 65535 - 0.5, abs=1e-5)
    assert torch.is_grad_enabled()
