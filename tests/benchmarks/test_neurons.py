"""Frames with masks: parts that share no block, and Dice."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.benchmarks.neurons import read_neurons
from edgeneuro.benchmarks.train_unet import _crop
from edgeneuro.errors import DataError
from tests.conftest import RealData


def write_set(folder: Path, blocks: int = 5) -> None:
    """Two frames a block, the left half foreground; block number is the fold."""
    rows = []
    for block in range(blocks):
        for frame in range(2):
            name = f"{block}-{frame}.png"
            (folder / "images").mkdir(exist_ok=True)
            (folder / "masks").mkdir(exist_ok=True)
            cv2.imwrite(str(folder / "images" / name), np.full((480, 640), 10 * block, np.uint8))
            mask = np.zeros((480, 640), np.uint8)
            mask[:, :320] = 255
            cv2.imwrite(str(folder / "masks" / name), mask)
            rows.append({"file": f"images/{name}", "mask": f"masks/{name}", "block_id": f"B{block}", "fold": block})
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "mask", "block_id", "fold"])
        writer.writeheader()
        writer.writerows(rows)


def test_no_block_is_in_two_parts_and_the_fold_is_the_test_part(tmp_path: Path) -> None:
    write_set(tmp_path)
    parts = read_neurons(tmp_path, fold=3, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"test": 2, "validation": 4, "training": 4}
    assert set(parts["test"].groups) == {"B3"}
    assert not set(parts["training"].groups) & set(parts["validation"].groups)
    assert set(parts["test"].pixels.ravel().tolist()) == {30}


def test_a_mask_shrinks_with_its_frame(tmp_path: Path) -> None:
    write_set(tmp_path)
    masks = read_neurons(tmp_path, fold=0, seed=0)["test"].masks
    assert masks.shape == (2, 192, 256)
    assert masks[:, :, :128].all() and not masks[:, :, 128:].any()


def test_a_training_crop_moves_the_mask_with_the_pixels(tmp_path: Path) -> None:
    write_set(tmp_path)
    part = read_neurons(tmp_path, fold=0, seed=0)["training"]
    part.pixels[...] = 40 + 120 * part.masks
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(20):
        pixels, mask = _crop(part, 0, 64, rng)
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8)) == 1
        outer = cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0
        if inner.any() and outer.any():
            assert pixels[inner].min() > pixels[outer].max()
            seen += 1
    assert seen > 3


def test_too_few_blocks_and_a_wrong_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no labels\.csv"):
        read_neurons(tmp_path, fold=0, seed=0)
    write_set(tmp_path, blocks=3)
    with pytest.raises(DataError, match="choose another fold"):
        read_neurons(tmp_path, fold=0, seed=0)


def test_the_real_set_has_a_test_part_of_its_own_blocks(real_data: RealData) -> None:
    parts = read_neurons(real_data("neuron_pfc_pn"), fold=0, seed=0)
    assert sum(map(len, parts.values())) == 89
    blocks = [set(part.groups) for part in parts.values()]
    assert len(set.union(*blocks)) == sum(map(len, blocks))
    assert all(0.03 < part.masks.mean() < 0.2 for part in parts.values())
