"""HAM10000 in the layout of its release."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import DataError

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
ROWS = [
    f"HAM_{lesion:07d},ISIC_{10 * lesion + view:07d},{dx},histo,{40 + lesion}.0,male,back"
    for lesion, dx in enumerate(["nv", "mel", "akiec", "bcc", "bkl", "df", "vasc"] * 3)
    for view in range(2)
]


def release(folder: Path, rows: list[str] = ROWS, *, header: str = HEADER, name: str = "HAM10000_metadata.csv") -> Path:
    """Images of both parts, each of one grey level that says which it is."""
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    for number in range(len(ROWS)):
        part = folder / f"HAM10000_images_part_{1 + number % 2}"
        part.mkdir(exist_ok=True)
        image = np.full((45, 60, 3), 6 * number, np.uint8)
        assert cv2.imwrite(str(part / f"ISIC_{10 * (number // 2) + number % 2:07d}.jpg"), image)
    return folder


@pytest.mark.parametrize("name", ["HAM10000_metadata.csv", "HAM10000_metadata"])
def test_every_image_is_found_in_whichever_part_it_lies(tmp_path: Path, name: str) -> None:
    data = open_data(str(release(tmp_path, name=name)))
    assert (data.name, len(data), data.licence) == ("skin_ham10000", 42, "CC-BY-NC-4.0")
    assert data.classes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert [int(data.read(sample).mean().round()) for sample in data.samples] == [6 * number for number in range(42)]
    assert [data.classes[sample.target or 0] for sample in data.samples[:4]] == ["nv", "nv", "mel", "mel"]


def test_both_images_of_a_lesion_stay_on_one_side(tmp_path: Path) -> None:
    data = open_data(str(release(tmp_path)))
    assert data.samples[0].group == data.samples[1].group == "HAM_0000000"
    split = make_split(data, protocol="grouped", fold=0, seed=0)
    test = split.part(data.samples, "test")
    assert test and all(sum(one.group == sample.group for one in test) == 2 for sample in test)


def test_columns_of_people_make_subgroups(tmp_path: Path) -> None:
    data = open_data(str(release(tmp_path)))
    assert set(data.subgroups) == {"sex", "age", "localization", "dx_type"}
    assert data.samples[0].tags["age"] == "40.0"


def test_of_an_image_that_is_there_twice_the_first_is_taken(tmp_path: Path) -> None:
    release(tmp_path)
    copy = tmp_path / "ham10000_images_part_1"
    copy.mkdir()
    assert cv2.imwrite(str(copy / "ISIC_0000000.jpg"), np.full((45, 60, 3), 200, np.uint8))
    data = open_data(str(tmp_path))
    assert len(data) == 42 and data.samples[0].source == "HAM10000_images_part_1/ISIC_0000000.jpg"


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([ROWS[0].replace("nv", "wart")], HEADER, r"line 2 has dx 'wart', expected one of akiec, bcc"),
        (
            [ROWS[0].replace("ISIC_0000000", "ISIC_9999999")],
            HEADER,
            r"no ISIC_9999999\.jpg below .*; unpack both parts",
        ),
        ([ROWS[0].replace("HAM_0000000", "")], HEADER, "line 2 has an empty lesion_id"),
        (ROWS, HEADER.replace("image_id", "image"), "has no column image_id, expected lesion_id, image_id, dx"),
    ],
)
def test_a_release_that_is_not_whole_is_refused(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_data(str(release(tmp_path, rows, header=header)))


def test_columns_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels and groups are always dx and lesion_id here"):
        open_data(str(release(tmp_path)), group_column="image_id")
