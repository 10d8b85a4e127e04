"""Parts of a data set by what its table says, and how folders declare them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from edgeneuro.data import open_data
from edgeneuro.data.phantom import phantom_dataset
from edgeneuro.data.sample import Sample
from edgeneuro.data.subgroups import UNKNOWN, band_labels, ordered_values, subgroup_values
from edgeneuro.data.writing import write_folder
from edgeneuro.errors import DataError
from tests.conftest import RealData
from tests.data.folders import write_frames, write_table

AGES = (20.0, 40.0, 60.0, 80.0)
SITES = "abdomen acral back chest ear face foot genital hand lower_extremity neck scalp trunk upper_extremity"


def samples(cells: list[str], column: str = "age") -> list[Sample]:
    return [Sample(source=f"{i}.png", index=0, target=0, group=f"g{i}", tags={column: c}) for i, c in enumerate(cells)]


def test_ages_fall_into_bands_whose_lower_end_belongs_to_them() -> None:
    found = subgroup_values(samples(["0", "19", "19.5", "20", "39", "40", "79", "80", "101"]), "age", AGES)
    assert found == ["<20", "<20", "<20", "20-39", "20-39", "40-59", "60-79", "80+", "80+"]


def test_an_empty_or_unknown_cell_is_a_value_of_its_own() -> None:
    assert subgroup_values(samples(["", "unknown", "N/A", "45"]), "age", AGES) == [UNKNOWN] * 3 + ["40-59"]
    assert subgroup_values(samples(["Unknown", "", "male"], "sex"), "sex") == [UNKNOWN, UNKNOWN, "male"]


def test_a_word_among_numbers_is_refused_rather_than_called_unknown() -> None:
    with pytest.raises(DataError, match=r"1\.png: has age 'forty', expected a number or an empty cell"):
        subgroup_values(samples(["40", "forty"]), "age", AGES)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="has no column 'sex'; expected group or one of age"):
        subgroup_values(samples(["1"]), "sex")


def test_bands_between_fractions_say_which_end_is_left_out() -> None:
    assert band_labels((0.1, 0.5, 2.0)) == ("<0.1", "0.1 to <0.5", "0.5 to <2", "2+")
    assert band_labels((1.0, 2.0, 5.0)) == ("<1", "1", "2-4", "5+")


def test_values_come_in_order_of_bands_or_numbers_and_unknown_last() -> None:
    assert ordered_values(["80+", UNKNOWN, "<20", "40-59", "80+"], AGES) == ("<20", "40-59", "80+", UNKNOWN)
    assert ordered_values(["18", UNKNOWN, "2", "male", "female"]) == ("2", "18", "female", "male", UNKNOWN)


def write_set(folder: Path, **description: object) -> None:
    write_frames(folder, ["a.png", "b.png"])
    write_table(folder, ["file,label,group_id,sex,age", "a.png,x,1,f,30", "b.png,y,2,m,"])
    (folder / "dataset.json").write_text(json.dumps({"name": "mine", **description}))


def test_a_folder_declares_its_subgroups(tmp_path: Path) -> None:
    write_set(tmp_path, subgroups={"sex": [], "age": [20, 40]})
    data = open_data(str(tmp_path))
    assert dict(data.subgroups) == {"sex": (), "age": (20.0, 40.0)}


def test_a_declared_column_that_the_table_lacks_is_said_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, subgroups={"scanner": [], "sex": []})
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        assert dict(open_data(str(tmp_path)).subgroups) == {"sex": ()}
    assert "mine: its table has no column scanner" in caplog.text


@pytest.mark.parametrize("bands", [[40, 20], [20, 20], [float("inf")]])
def test_bands_that_do_not_ascend_are_refused(tmp_path: Path, bands: list[float]) -> None:
    write_set(tmp_path, subgroups={"age": bands})
    with pytest.raises(DataError, match=r"dataset\.json: subgroups\.age is cut at .*, expected ascending numbers"):
        open_data(str(tmp_path))


def test_the_phantom_declares_its_probes_and_so_does_its_copy_on_disk(tmp_path: Path) -> None:
    data = phantom_dataset(subjects_per_class=1, frames_per_subject=1)
    write_folder(data, tmp_path / "copy")
    assert dict(open_data(str(tmp_path / "copy")).subgroups) == dict(data.subgroups) == {"probe": ()}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("us_lung_pocus", {"source_id": ["2", "6", "14", "16", "17", "18", "30", "39", "45"]}),
        ("us_muscle_timtrack", {"device": ["GE Logiq E9", "Philips HD11XE", "Telemed LogicScan", "Telemed SmartUs"]}),
        (
            "skin_ham10000",
            {
                "sex": ["female", "male", UNKNOWN],
                "age": ["<20", "20-39", "40-59", "60-79", "80+", UNKNOWN],
                "dx_type": ["confocal", "consensus", "follow_up", "histo"],
                "localization": [*(site.replace("_", " ") for site in SITES.split()), UNKNOWN],
            },
        ),
        ("us_breast_busi", {}),
        ("neuron_pfc_pn", {}),
    ],
)
def test_registered_sets_declare_columns_that_their_tables_have(
    real_data: RealData, name: str, values: dict[str, list[str]]
) -> None:
    data = open_data(str(real_data(name)))
    assert set(values) <= set(data.subgroups) and bool(values) == bool(data.subgroups)
    for column, expected in values.items():
        bands = data.subgroups[column]
        found = subgroup_values(data.samples, column, bands)
        assert len(found) == len(data)
        assert list(ordered_values(found, bands)) == expected
