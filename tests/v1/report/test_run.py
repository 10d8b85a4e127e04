"""Steps one after the other: kept, gone on with, refused, skipped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.errors import DataError, InputError
from edgeneuro.v1.distances import DistanceCheck
from edgeneuro.v1.report import decoding_steps, run
from edgeneuro.v1.report.records import Document
from edgeneuro.v1.report.run import run_steps
from edgeneuro.v1.report.session import Found, Session
from edgeneuro.v1.report.settings import full, quick
from edgeneuro.v1.report.steps import Step, steps
from tests.v1.decoding_sessions import blocks_of_gratings
from tests.v1.small_reports import small_report, small_session, small_settings


def session() -> Session:
    return Session(small_session(), small_settings())


class Table:
    """Four steps in the place of all: two of one part, a third that `fails` until told otherwise, and one that is refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.fails = True
        whole = {step.name: step for step in steps(small_settings())}
        kept = [whole["distances.raw"], whole["distances.zscore"], whole["identity"], whole["guided"]]
        monkeypatch.setattr(run, "steps", lambda settings: tuple(map(self._told, kept)))

    def _told(self, step: Step) -> Step:
        def told(session: Session) -> Found:
            self.ran.append(step.name)
            if step.name == "identity" and self.fails:
                raise KeyboardInterrupt
            found = step.run(session)
            return Found(record=found.record, arrays={"twice": np.ones(2)}) if step.several else found

        return dataclasses.replace(step, run=told)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    return Table(monkeypatch)


def without_times(document: Document) -> Document:
    return dataclasses.replace(document, seconds={})


def test_a_run_that_was_interrupted_goes_on_where_it_stopped_and_ends_the_same(table: Table, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_steps(session(), tmp_path, resume=False)
    table.fails, table.ran = False, []
    resumed = run_steps(session(), tmp_path, resume=True)
    assert (table.ran, resumed.resumed) == (["identity", "guided"], 2)
    whole = run_steps(session(), tmp_path / "other", resume=False)
    assert without_times(resumed.document) == without_times(whole.document)
    np.testing.assert_array_equal(resumed.arrays["distances.raw"]["twice"], np.ones(2))


def test_a_step_that_was_skipped_is_not_tried_again(table: Table, tmp_path: Path) -> None:
    table.fails = False
    run_steps(session(), tmp_path, resume=False)
    table.ran = []
    again = run_steps(session(), tmp_path, resume=True)
    assert table.ran == []
    assert "--features" in again.document.skipped["guided"]


def test_without_resuming_everything_is_made_again(table: Table, tmp_path: Path) -> None:
    table.fails = False
    run_steps(session(), tmp_path, resume=False)
    table.ran, table.fails = [], True
    with pytest.raises(KeyboardInterrupt):
        run_steps(session(), tmp_path, resume=False)
    assert table.ran == ["distances.raw", "distances.zscore", "identity"]
    assert sorted(path.name for path in (tmp_path / "steps").glob("*.json")) == [
        "distances.raw.json",
        "distances.zscore.json",
    ]


@pytest.mark.parametrize(
    "other",
    [
        lambda: Session(small_session(), dataclasses.replace(small_settings(), seed=1)),
        lambda: Session(small_session().with_responses(small_session().responses + 1), small_settings()),
        lambda: Session(small_session(), small_settings(), np.ones((45, 2))),
    ],
    ids=["settings", "responses", "features"],
)
def test_steps_of_another_session_or_other_settings_are_refused(other: Any, table: Table, tmp_path: Path) -> None:
    table.fails = False
    run_steps(session(), tmp_path, resume=False)
    with pytest.raises(InputError, match="another session or with other settings"):
        run_steps(other(), tmp_path, resume=True)


@pytest.mark.parametrize("content", [b"{", b'{"step": 1}'])
def test_a_damaged_step_is_named(content: bytes, table: Table, tmp_path: Path) -> None:
    table.fails = False
    run_steps(session(), tmp_path, resume=False)
    (tmp_path / "steps" / "identity.json").write_bytes(content)
    with pytest.raises(InputError, match=r"identity\.json"):
        run_steps(session(), tmp_path, resume=True)


def test_results_of_one_part_stand_together_in_order(table: Table, tmp_path: Path) -> None:
    table.fails = False
    told: list[tuple[str, int, int]] = []
    made = run_steps(session(), tmp_path, resume=False, progress=lambda *step: told.append(step))
    assert all(isinstance(one, DistanceCheck) for one in made.document.distances)
    assert [one.preprocessing for one in made.document.distances] == ["raw", "zscore"]
    assert told[0] == ("distances, raw", 1, 4)


def test_a_fault_that_is_no_lack_of_the_session_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(session: Session) -> Found:
        raise ZeroDivisionError

    step = dataclasses.replace(steps(small_settings())[0], run=broken)
    monkeypatch.setattr(run, "steps", lambda settings: (step,))
    with pytest.raises(ZeroDivisionError):
        run_steps(session(), tmp_path, resume=False)
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize("settings", [full(0), quick(0)], ids=["full", "quick"])
def test_every_step_has_a_name_of_its_own_and_a_field_of_the_document(settings: Any) -> None:
    table = steps(settings)
    fields = {field.name for field in dataclasses.fields(Document)}
    assert len({step.name for step in table}) == len(table)
    assert {step.part for step in table} == fields - {"session", "settings", "skipped", "seconds", "schema"}
    assert {step.name for step in table if step.several} == {step.name for step in table if "." in step.name}


def test_a_session_with_everything_has_every_analysis_but_those_of_other_classes() -> None:
    document = small_report().document
    assert set(document.skipped) == {"merged.mice-apart", "merged.mice-and-hamsters", "guided"}
    assert document.session.method == "spont32"
    assert document.session.has == ("spontaneous", "positions_um", "images")
    assert [one.labels for one in document.statistics] == ["luminance", "contrast", "orientation", "frequency"]
    assert json.loads(json.dumps(document.seconds)).keys() == {step.name for step in steps(small_settings())}


def test_honest_and_leaky_numbers_are_named_and_only_the_honest_have_a_p_value() -> None:
    document = small_report().document
    ((honest,), (leaky,)) = document.decoding, document.leaky
    assert (honest.protocol, leaky.protocol) == ("grouped", "leaky")
    assert honest.permutations == 999
    assert honest.p_value is not None
    assert leaky.p_value is None


def test_what_gratings_lack_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("fields", "order", "coclusters", "merged.mice-apart", "statistics.contrast", "identity")
    table = tuple(step for step in steps(small_settings()) if step.name in names)
    monkeypatch.setattr(run, "steps", lambda settings: table)
    document = run_steps(Session(blocks_of_gratings(1.0), small_settings()), tmp_path, resume=False).document
    assert document.session.method == "zscore"
    assert document.identity is not None
    assert set(document.skipped) == set(names) - {"identity"}
    assert "has no images and no positions_um" in document.skipped["order"]
    assert "classes of natural images" in document.skipped["merged.mice-apart"]


def test_the_guided_merge_takes_the_features_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_steps, "MERGED", "lda")  # a forest takes seconds
    guided = next(step for step in steps(small_settings()) if step.name == "guided")
    groups = np.repeat(np.eye(3), 15, 0)  # any three groups of images
    features = groups + 0.01 * np.random.default_rng(0).standard_normal(groups.shape)
    found = guided.run(Session(small_session(), small_settings(), features)).record
    assert found.clusters == 3
    assert set(found.becomes) == {"kind 0", "kind 1", "kind 2"}
    with pytest.raises(DataError, match="features of 2 images"):
        guided.run(Session(small_session(), small_settings(), np.ones((2, 2))))
