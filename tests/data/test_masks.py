"""Data sets with the class of every pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.describe import summarise
from edgeneuro.data.make_split import make_split
from edgeneuro.data.masks import read_mask
from edgeneuro.errors import DataError
from edgeneuro.spec import Array
from tests.conftest import RealData
from tests.data.folders import png, write_frames, write_table

DISC = cv2.circle(np.zeros((40, 48), np.uint8), (24, 20), 9, 1, -1)


def write_mask(path: Path, mask: Array = DISC * 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(mask))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ten frames of five groups with a column mask, and no column label."""
    names = [f"images/{number}.png" for number in range(10)]
    write_frames(tmp_path, names)
    for number in range(10):
        write_mask(tmp_path / f"masks/{number}.png")
    rows = [f"images/{number}.png,masks/{number}.png,g{number // 2}" for number in range(10)]
    write_table(tmp_path, ["file,mask,group_id", *rows])
    return tmp_path


def test_a_column_mask_in_place_of_labels_makes_a_set_with_masks(table: Path) -> None:
    data = open_data(str(table))
    assert data.has_masks and data.classes == ("background", "foreground")
    assert data.samples[3].target is None and data.samples[3].mask == "masks/3.png"
    np.testing.assert_array_equal(data.mask(data.samples[3]), DISC)


def test_a_row_without_a_mask_is_dropped_and_counted(table: Path) -> None:
    text = (table / "labels.csv").read_text().replace("masks/4.png", "")
    (table / "labels.csv").write_text(text)
    data = open_data(str(table))
    assert (len(data), dict(data.dropped)) == (9, {"no mask": 1})


def test_a_mask_that_is_missing_is_named(table: Path) -> None:
    (table / "masks" / "4.png").unlink()
    with pytest.raises(DataError, match=r"1 of 10 files are missing, first 'masks/4\.png' on line 6"):
        open_data(str(table))


def test_labels_come_before_masks_unless_the_description_says_otherwise(table: Path) -> None:
    lines = (table / "labels.csv").read_text().splitlines()
    write_table(table, [lines[0] + ",label", *(f"{line},{'ab'[row % 2]}" for row, line in enumerate(lines[1:]))])
    assert open_data(str(table)).classes == ("a", "b")
    (table / "dataset.json").write_text('{"name": "x", "mask_column": "mask", "classes": ["rest", "cell"]}')
    data = open_data(str(table))
    assert data.has_masks and data.classes == ("rest", "cell")


def test_a_set_with_masks_is_split_by_group(table: Path) -> None:
    data = open_data(str(table))
    split = make_split(data)
    parts = [split.part(data.samples, part) for part in ("training", "validation", "test")]
    assert sum(map(len, parts)) == 10 and all(parts)
    groups = [{sample.group for sample in part} for part in parts]
    assert not groups[0] & groups[1] and not (groups[0] | groups[1]) & groups[2]


def test_folders_images_and_masks_are_paired_by_name(tmp_path: Path) -> None:
    write_frames(tmp_path, ["images/a.png", "images/b.png"])
    for name in ("a", "b"):
        write_mask(tmp_path / f"masks/{name}.bmp")
    data = open_data(str(tmp_path))
    assert [(sample.source, sample.mask) for sample in data.samples] == [
        ("images/a.png", "masks/a.bmp"),
        ("images/b.png", "masks/b.bmp"),
    ]
    assert not data.dropped


def test_a_frame_without_its_mask_is_named(tmp_path: Path) -> None:
    write_frames(tmp_path, ["images/a.png", "images/b.png"])
    write_mask(tmp_path / "masks/a.png")
    with pytest.raises(DataError, match=r"has 2 frames and 1 masks, first without a partner: images/b\.png"):
        open_data(str(tmp_path))


def test_a_set_of_labels_has_no_masks(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png"])
    data = open_data(str(tmp_path))
    with pytest.raises(DataError, match="has no masks; add a column mask"):
        data.mask(data.samples[0])


@pytest.mark.parametrize("high", [1, 255])
def test_with_two_classes_everything_above_zero_is_foreground(tmp_path: Path, high: int) -> None:
    write_mask(tmp_path / "m.png", DISC * high)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", 2), DISC, strict=True)


def test_with_more_classes_values_are_class_numbers(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", DISC * 2)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", 3), DISC * 2, strict=True)
    write_mask(tmp_path / "n.png", DISC * 3)
    with pytest.raises(DataError, match="holds the value 3, expected class numbers below 3"):
        read_mask(tmp_path / "n.png", 3)


def test_masks_with_blurred_edges_or_in_colour_are_refused(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", cv2.GaussianBlur(DISC * 255, (5, 5), 0))
    with pytest.raises(DataError, match=r"m\.png: holds \d+ values \(0, .*save masks as PNG"):
        read_mask(tmp_path / "m.png", 2)
    write_mask(tmp_path / "c.png", np.dstack([DISC] * 3))
    with pytest.raises(DataError, match="expected one channel of class numbers"):
        read_mask(tmp_path / "c.png", 2)


def test_a_mask_that_cannot_be_read_is_counted(table: Path) -> None:
    (table / "masks" / "4.png").write_bytes(b"")
    assert list(summarise(open_data(str(table))).unreadable) == ["images/4.png"]


def test_neurons_of_the_prefrontal_cortex_are_a_set_with_masks(real_data: RealData) -> None:
    data = open_data(str(real_data("neuron_pfc_pn")))
    assert (len(data), data.classes) == (89, ("background", "neuron"))
    assert {sample.fold for sample in data.samples} == {0, 1, 2, 3, 4}
    first = data.samples[0]
    assert data.mask(first).shape == data.read(first).shape[:2] == (480, 640)
    assert data.mask(first).mean() == pytest.approx(float(first.tags["foreground_fraction"]), abs=1e-3)
