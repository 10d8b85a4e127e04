"""The tables of the calibration study, from made-up measurements."""

from __future__ import annotations

from typing import Any

import pytest

from edgeneuro.benchmarks.calibration_methods import drop_rows, geometric_mean, method_rows

FORMS = ("a", "b")


def record(case: str, errors: dict[str, float]) -> dict[str, Any]:
    methods = [
        {"name": name, "errors": dict.fromkeys(FORMS, error), "agreement": dict.fromkeys(FORMS, 1.0), "clipped": 0.0}
        for name, error in errors.items()
    ]
    return {"case": case, "comparison": {"methods": methods}}


def test_geometric_mean() -> None:
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_methods_are_sorted_by_error_relative_to_min_max() -> None:
    rows = method_rows(
        [record("one", {"min-max": 0.1, "better": 0.05}), record("two", {"min-max": 1.0, "better": 0.125})]
    )
    assert [row["method"] for row in rows] == ["better", "min-max"]
    assert rows[0]["both"] == pytest.approx(0.25)
    assert rows[0]["worst"] == 0.125


def fold(name: str, found: list[int]) -> dict[str, Any]:
    return {
        "data": "lung",
        "classes": 2,
        "groups": [f"{name} p{i}" for i in range(4)],
        "targets": [0, 0, 1, 1],
        "float": [0, 0, 1, 1],
        "int8": {"a": {"m": found}},
    }


def test_folds_of_one_data_set_are_pooled() -> None:
    (row,) = drop_rows([fold("fold0", [0, 0, 1, 1]), fold("fold1", [0, 1, 1, 1])])
    assert (row["frames"], row["groups"]) == (8, 8)
    assert row["drop_points"] == pytest.approx(12.5)  # one of four frames of one of two classes
    assert row["agreement"] == pytest.approx(7 / 8)
