"""Folds on disk, and the README they end up in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.out_of_fold import Fold, frame_id, pool, read_fold, write_fold
from edgeneuro.benchmarks.readme import inject
from edgeneuro.errors import DataError, InputError
from tests.benchmarks.frames import flat_data

DATA = flat_data()


def fold(number: int, value: float) -> Fold:
    ids = tuple(frame_id(sample) for sample in DATA.samples if sample.fold == number)
    return Fold(ids=ids, tables={"fp32": np.full((len(ids), 3), value)}, facts={"seconds": 1.5})


def test_a_fold_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_fold(tmp_path / "fold0.npz", fold(0, 0.25))
    back = read_fold(tmp_path / "fold0.npz")
    assert back.ids == fold(0, 0.25).ids and back.facts == {"seconds": 1.5}
    assert np.array_equal(back.tables["fp32"], fold(0, 0.25).tables["fp32"])


def test_a_truncated_fold_is_refused(tmp_path: Path) -> None:
    write_fold(tmp_path / "fold0.npz", fold(0, 0.25))
    (tmp_path / "fold0.npz").write_bytes((tmp_path / "fold0.npz").read_bytes()[:200])
    with pytest.raises(DataError, match=r"fold0.npz: is no fold of a study .* delete it"):
        read_fold(tmp_path / "fold0.npz")


def test_pooled_rows_are_in_the_order_of_the_samples() -> None:
    pooled = pool([fold(1, 0.1), fold(0, 0.9)], DATA.samples, 3, "study")["fp32"]
    assert pooled[:, 0].tolist() == [0.1 if sample.fold == 1 else 0.9 for sample in DATA.samples]


def test_a_frame_in_no_fold_or_in_two_is_refused() -> None:
    with pytest.raises(DataError, match="is in no fold"):
        pool([fold(0, 0.5)], DATA.samples, 3, "study")
    with pytest.raises(DataError, match="is in two folds"):
        pool([fold(0, 0.5), fold(1, 0.5), fold(1, 0.5)], DATA.samples, 3, "study")


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results:lung -->\nold\n<!-- /results:lung -->\nafter\n")
    inject(readme, "lung", "| new |\n")
    expected = "before\n<!-- results:lung -->\n\n| new |\n\n<!-- /results:lung -->\nafter\n"
    assert readme.read_text() == expected
    inject(readme, "lung", "| new |")
    assert readme.read_text() == expected


@pytest.mark.parametrize("text", ["nothing", "<!-- /results:lung --><!-- results:lung -->", "<!-- results:lung -->"])
def test_a_readme_without_both_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(InputError, match="expected <!-- results:lung -->"):
        inject(readme, "lung", "new")
    assert readme.read_text() == text
