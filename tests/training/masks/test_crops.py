from collections.abc import Sequence

import numpy as np
import torch

from edgeneuro.training.masks.augment import CropAugmentation
from edgeneuro.training.masks.crops import CropBatches, TileBatches
from edgeneuro.training.masks.scenes import Scene
from edgeneuro.training.masks.work import tiled_preprocess
from edgeneuro.training.settings import MaskSettings
from tests.training.masks.lines import scene

TILE = tiled_preprocess(8, None)


def crops(
    scenes: Sequence[Scene], settings: MaskSettings | None = None, *, epoch: int = 0, seed: int = 0
) -> CropBatches:
    """Batches of four, 8 px."""
    return CropBatches(
        scenes,
        TILE,
        settings or MaskSettings(),
        batch_size=4,
        seed=seed,
        epoch=lambda: epoch,
        augment=CropAugmentation(),
    )


def one_point(shape: tuple[int, int] = (40, 40)) -> Scene:
    label = np.zeros(shape, np.uint8)
    label[3, 30] = 1
    return scene(label)


def test_a_crop_depends_on_seed_epoch_and_number_alone() -> None:
    images, labels, weights = crops([one_point()]).__getitems__([5, 2])
    again = crops([one_point()])
    again.__getitems__([0, 1, 3])
    assert torch.equal(again.__getitems__([2, 5])[0].flip(0), images)
    assert images.shape == labels.shape == (2, 1, 8, 8) and weights.shape == (2, 1, 1, 1)
    for other in (crops([one_point()], epoch=1), crops([one_point()], seed=1)):
        assert not torch.equal(other.__getitems__([5, 2])[0], images)


def test_as_many_crops_hold_foreground_as_were_asked_for() -> None:
    for share in (0.0, 2 / 3, 1.0):
        batches = crops([one_point()], MaskSettings(foreground_share=share))
        found = np.mean([1 in batches.crop(row).label for row in range(100)])
        assert abs(found - share) < 0.15  # by chance one crop in 20 holds it


def test_foreground_lies_anywhere_in_a_crop() -> None:
    batches = crops([one_point()], MaskSettings(foreground_share=1.0))
    places = {int(np.argmax(batches.crop(row).label)) for row in range(200)}
    assert len(places) > 50  # of 64; the point is 3 px from the border


def test_a_quarter_of_every_batch_is_manual_however_few_manual_scenes_there_are() -> None:
    pseudo = scene(np.zeros((64, 64), np.uint8), group="pseudo", weight=0.6, manual=False)
    batches = crops([one_point((8, 40)), pseudo, pseudo])
    manual = np.array([batches.crop(row).manual for row in range(len(batches))]).reshape(-1, 4)
    assert manual[:, 0].all() and 0 < manual[:, 1:].mean() < 0.2
    weights = batches.__getitems__([0, 1, 2, 3])[2].ravel()
    assert weights[0] == 1.0 and set(weights[1:].tolist()) <= {1.0, torch.tensor(0.6).item()}


def test_an_epoch_has_about_as_many_crops_as_tiles_and_at_least_one_batch() -> None:
    assert len(crops([scene(np.zeros((40, 40), np.uint8))])) == 24
    assert len(crops([scene(np.zeros((5, 5), np.uint8))])) == 4


def test_a_scene_smaller_than_a_tile_is_cropped_and_tiled_with_places_that_do_not_count() -> None:
    small = scene(np.zeros((5, 20), np.uint8))
    assert (crops([small]).crop(0).label == 255).sum() == 24
    tiles = TileBatches([small], TILE)
    _, labels, _ = tiles.__getitems__(range(len(tiles)))
    assert labels.shape == (3, 1, 8, 8) and (labels[:, 0, 5:] == 255).all() and (labels[:, 0, :5] == 0).all()


def test_volumes_are_cropped_in_all_three_axes() -> None:
    volume = scene(np.zeros((6, 10, 10), np.uint8))
    batches = CropBatches(
        [volume],
        tiled_preprocess(8, 4),
        MaskSettings(),
        batch_size=2,
        seed=0,
        epoch=lambda: 0,
        augment=CropAugmentation(gamma=(1.0, 1.0), chance=0.0),
    )
    images, labels, weights = batches.__getitems__([0, 1])
    assert images.shape == labels.shape == (2, 1, 4, 8, 8) and weights.shape == (2, 1, 1, 1, 1)
