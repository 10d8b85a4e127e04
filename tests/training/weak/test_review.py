from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from edgeneuro.data.decode import read_frame
from edgeneuro.errors import DataError
from edgeneuro.training.weak.pseudo import Labelled
from edgeneuro.training.weak.review import least_certain, read_corrected, read_minutes, write_review

POOL = {"image": np.full((3, 4), 65535, np.uint16), "volume": np.zeros((2, 3, 4), np.uint16)}
LABELS = {name: np.full(values.shape, 255, np.uint8) for name, values in POOL.items()}
LABELS["image"][0, :2] = 0, 1
LABELS["volume"][1] = 1
LABELLED = Labelled(labels=LABELS, admitted=(), confidence={"image": 0.7, "volume": 0.4})


@pytest.fixture
def review(tmp_path: Path) -> Path:
    write_review(tmp_path / "review", POOL, LABELLED, POOL)
    return tmp_path / "review"


def test_the_least_certain_blocks_come_first_and_known_ones_not_at_all() -> None:
    assert least_certain(LABELLED, 2, ()) == ["volume", "image"]
    assert least_certain(LABELLED, 1, ["volume"]) == ["image"]


def test_a_mask_shows_background_black_neurites_white_and_the_rest_grey(review: Path) -> None:
    assert read_frame(review / "image-mask.png")[0].tolist() == [0, 255, 128, 128]
    assert read_frame(review / "image.png").min() == 255
    assert (
        tifffile.imread(review / "volume-mask.tif").shape == tifffile.imread(review / "volume.tif").shape == (2, 3, 4)
    )


def test_only_corrected_masks_are_read_back(review: Path) -> None:
    assert read_corrected(review, POOL) == {}
    for name in ("image-mask.png", "volume-mask.tif"):
        (review / "corrected" / name).write_bytes((review / name).read_bytes())
    back = read_corrected(review, POOL)
    assert list(back) == ["image", "volume"]
    assert all((back[name] == LABELS[name]).all() for name in POOL)


def test_a_corrected_mask_that_was_resized_smoothed_or_renamed_is_refused(review: Path) -> None:
    place = review / "corrected" / "image-mask.png"
    cv2.imwrite(str(place), np.zeros((6, 8), np.uint8))
    with pytest.raises(DataError, match=r"image-mask.png: has shape \(6, 8\) and values up to 0, expected \(3, 4\)"):
        read_corrected(review, POOL)
    cv2.imwrite(str(place), np.full((3, 4), 77, np.uint8))
    with pytest.raises(DataError, match=r"values up to 77, expected .* only 0, 255, 128"):
        read_corrected(review, POOL)
    place.rename(place.with_name("other-mask.png"))
    with pytest.raises(DataError, match=r"other-mask\.png: is of no block of the pool"):
        read_corrected(review, POOL)


def test_minutes_are_what_the_person_wrote_down(review: Path) -> None:
    assert read_minutes(review) == 0.0
    (review / "corrected" / "minutes.txt").write_text(" 12.5\n")
    assert read_minutes(review) == 12.5
    for text in ("about 5", "-1", "nan"):
        (review / "corrected" / "minutes.txt").write_text(text)
        with pytest.raises(DataError, match=rf"minutes\.txt: holds '{text}', expected the minutes"):
            read_minutes(review)
