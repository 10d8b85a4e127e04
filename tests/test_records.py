"""Records to JSON and back, and what is said about a value that does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeneuro.errors import InputError
from edgeneuro.files import canonical_json
from edgeneuro.records import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Has fields that may contradict each other."""

    name: str
    lowest_mhz: float
    highest_mhz: float

    def __post_init__(self) -> None:
        if self.lowest_mhz > self.highest_mhz:
            raise InputError(
                f"probe {self.name!r}: got {self.lowest_mhz} to {self.highest_mhz} MHz, expected low to high"
            )


@dataclass(frozen=True, kw_only=True)
class Exam:
    """Has a field of every kind that crosses a file."""

    subject: str
    frames: int
    depth_cm: float
    simulated: bool
    side: Literal["left", "right", 1]
    size: tuple[int, float]
    muscles: tuple[str, ...]
    scores: Mapping[str, float]
    probe: Probe
    others: tuple[Probe, ...] = ()
    by_name: Mapping[str, Probe] = field(default_factory=dict)
    fallback: Probe | None = None
    anything: Any = None


CURVED = Probe(name="C5-1", lowest_mhz=1.0, highest_mhz=5.0)
EXAM = Exam(
    subject="P1",
    frames=3,
    depth_cm=4.5,
    simulated=False,
    side="left",
    size=(224, 0.1),
    muscles=("biceps", "deltoid"),
    scores={"ibm": 0.25},
    probe=CURVED,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
probes = st.builds(
    lambda name, ends: Probe(name=name, lowest_mhz=min(ends), highest_mhz=max(ends)),
    st.text(),
    st.tuples(numbers, numbers),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
exams = st.builds(
    Exam,
    subject=st.text(),
    frames=st.integers(),
    depth_cm=numbers,
    simulated=st.booleans(),
    side=st.sampled_from(("left", "right", 1)),
    size=st.tuples(st.integers(), numbers),
    muscles=st.lists(st.text(), max_size=3).map(tuple),
    scores=st.dictionaries(st.text(), numbers, max_size=3),
    probe=probes,
    others=st.lists(probes, max_size=2).map(tuple),
    by_name=st.dictionaries(st.text(), probes, max_size=2),
    fallback=st.none() | probes,
    anything=plain,
)


@settings(max_examples=50, deadline=None)
@given(exams)
def test_whatever_is_written_as_json_is_read_back_exactly(exam: Exam) -> None:
    assert from_json(Exam, json.loads(canonical_json(to_json(exam))), "exam.json") == exam


@settings(max_examples=50, deadline=None)
@given(plain)
def test_no_other_json_value_is_taken_for_a_record(value: Any) -> None:
    with pytest.raises(InputError, match=r"^exam\.json: got .*, expected an object|^exam\.json: (unknown|field) "):
        from_json(Exam, value, "exam.json")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(to_json(EXAM))), plain)
def test_any_value_in_any_field_is_either_kept_or_refused_with_the_name_of_the_field(name: str, value: Any) -> None:
    changed = {**to_json(EXAM), name: value}
    try:
        exam = from_json(Exam, changed, "exam.json")
    except InputError as error:
        assert str(error).startswith(f"exam.json.{name}")
    else:
        assert json.loads(canonical_json(to_json(exam))) == json.loads(canonical_json(changed))


def test_lists_become_tuples_and_whole_numbers_floats_where_a_float_is_asked_for() -> None:
    exam = from_json(Exam, {**to_json(EXAM), "depth_cm": 4}, "exam.json")
    assert exam.depth_cm == 4.0 and isinstance(exam.depth_cm, float)
    assert exam.muscles == ("biceps", "deltoid")
    assert exam.size == (224, 0.1)


def test_a_field_with_a_default_may_be_absent() -> None:
    value = to_json(EXAM)
    for name in ("others", "by_name", "fallback", "anything"):
        del value[name]
    assert from_json(Exam, value, "exam.json") == EXAM


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": 1}, "exam.json.subject: got 1, expected text"),
        ({"subject": None}, "exam.json.subject: got None, expected text"),
        ({"frames": 3.0}, "exam.json.frames: got 3.0, expected a whole number"),
        ({"frames": True}, "exam.json.frames: got True, expected a whole number"),
        ({"depth_cm": "4.5"}, "exam.json.depth_cm: got '4.5', expected a number"),
        ({"depth_cm": False}, "exam.json.depth_cm: got False, expected a number"),
        ({"depth_cm": 10**400}, "exam.json.depth_cm: got a whole number beyond 1e308, expected one that fits a float"),
        ({"simulated": 0}, "exam.json.simulated: got 0, expected true or false"),
        ({"side": "both"}, "exam.json.side: got 'both', expected one of 'left', 'right', 1"),
        ({"side": True}, "exam.json.side: got True, expected one of 'left', 'right', 1"),
        ({"side": 1.0}, "exam.json.side: got 1.0, expected one of 'left', 'right', 1"),
        ({"side": []}, "exam.json.side: got [], expected one of 'left', 'right', 1"),
        ({"size": [224]}, "exam.json.size: got [224], expected a list of 2"),
        ({"size": [224, 0.1, 3]}, "exam.json.size: got [224, 0.1, 3], expected a list of 2"),
        ({"size": [0.1, 224]}, "exam.json.size[0]: got 0.1, expected a whole number"),
        ({"muscles": "biceps"}, "exam.json.muscles: got 'biceps', expected a list"),
        ({"muscles": ["biceps", 2]}, "exam.json.muscles[1]: got 2, expected text"),
        ({"scores": [0.25]}, "exam.json.scores: got [0.25], expected an object"),
        ({"scores": {"ibm": "high"}}, "exam.json.scores.ibm: got 'high', expected a number"),
        ({"probe": None}, "exam.json.probe: got None, expected an object"),
        ({"probe": {"name": "x", "lowest_mhz": 1}}, "exam.json.probe: field 'highest_mhz' is missing"),
        ({"others": [to_json(CURVED), 7]}, "exam.json.others[1]: got 7, expected an object"),
        ({"by_name": {"a": {}}}, "exam.json.by_name.a: field 'name' is missing"),
        ({"fallback": "C5-1"}, "exam.json.fallback: got 'C5-1', expected an object"),
        ({"fallback": {**to_json(CURVED), "name": 5}}, "exam.json.fallback.name: got 5, expected text"),
        ({"colour": 1}, "exam.json: unknown field 'colour'; expected anything, by_name, depth_cm, fallback, frames"),
        (
            {"probe": {**to_json(CURVED), "lowest_mhz": 9}},
            "exam.json.probe: probe 'C5-1': got 9.0 to 5.0 MHz, expected low to high",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_came_and_what_was_expected(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        from_json(Exam, {**to_json(EXAM), **changes}, "exam.json")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", ["subject", "probe"])
def test_a_missing_field_is_named(name: str) -> None:
    value = to_json(EXAM)
    del value[name]
    with pytest.raises(InputError, match=f"^exam.json: field '{name}' is missing$"):
        from_json(Exam, value, "exam.json")


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(InputError, match=r"got '" + "x" * 76 + r"\.\.\., expected a whole number$"):
        from_json(Exam, {**to_json(EXAM), "frames": "x" * 10_000}, "exam.json")


def test_a_field_may_be_one_of_several_types() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Row:
        cell: int | str | None

    def read(cell: Any) -> int | str | None:
        return from_json(Row, {"cell": cell}, "row").cell

    assert [read(cell) for cell in (7, "seven", None)] == [7, "seven", None]
    with pytest.raises(InputError, match=r"^row\.cell: got 7\.5, expected "):
        read(7.5)
