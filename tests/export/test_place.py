"""Placement by measurement: what is slower, wrong or not allowed stays in float. Times are made up; numbers are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.calibration.ranges import Range
from edgeneuro.export import place as placing
from edgeneuro.export import placement
from edgeneuro.export.forms import form_named
from edgeneuro.export.place import Placed, place, timed_again
from edgeneuro.export.placement import Bench, Candidate, refine
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Feed
from tests.export.conftest import Exported

FORM = form_named("onnxruntime-x86")


@pytest.fixture
def model(checkpoint: Path, exported: Exported) -> FloatModel:
    return replace(load_source(str(checkpoint)), graph=exported.graph)


@pytest.fixture
def feeds(exported: Exported) -> list[Feed]:
    return [{"image": frame[None]} for frame in exported.frames[:3]]


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def int8_takes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """Share of the float time for any graph but the float one, to be set by the test."""
    share = {"seconds": 0.5}

    def timed(opened: Mapping[str, Backend], feeds: Sequence[Feed], budget_s: float) -> dict[str, np.ndarray]:
        return {name: np.full(4, 1.0 if name in ("float", "current") else share["seconds"]) for name in opened}

    monkeypatch.setattr(placement, "_interleaved", timed)
    yield share


def placed(model: FloatModel, plan: Plan, feeds: list[Feed], kept: Mapping[str, str] | None = None) -> Placed:
    return place(model, plan, [FORM], feeds, threads=1, search_s=0.0, kept_float=kept or {}, progress=lambda step: None)


def test_what_is_faster_runs_in_int8(
    model: FloatModel, exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    found = placed(model, exported.plan, feeds)
    assert found.plan.placement["onnxruntime"]
    assert "0.50 of the float time" in found.notes[0]


def test_what_is_slower_stays_in_float_and_every_layer_says_why(
    model: FloatModel, exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    int8_takes["seconds"] = 1.2
    found = placed(model, exported.plan, feeds)
    assert found.plan.placement["onnxruntime"] == ()
    assert "no placement is faster than float here (the best takes 1.20 of the float time" in found.notes[0]
    assert set(found.plan.kept_float["onnxruntime"].values()) == {placing.SLOWER}
    assert len(found.plan.kept_float["onnxruntime"]) == 16


def test_layers_that_have_to_stay_in_float_are_in_no_candidate(
    model: FloatModel, exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    kept = [node.name for node in quantizable_nodes(exported.graph, FORM) if node.op_type == "Conv"][3]
    found = placed(model, exported.plan, feeds, {kept: "asked for"})
    assert kept not in found.plan.placement["onnxruntime"]
    assert found.plan.kept_float["onnxruntime"][kept] == "asked for"


def test_a_placement_that_its_runtime_computes_wrongly_is_refused_with_both_errors(
    model: FloatModel,
    exported: Exported,
    feeds: list[Feed],
    int8_takes: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placement, "parity_fault", lambda *_, **__: "computes it with an error of 2.4")
    found = placed(model, exported.plan, feeds)
    assert found.plan.placement["onnxruntime"] == ()
    assert all("computes it with an error of 2.4" in note for note in found.notes[:-1])


def test_layers_change_sides_where_that_is_faster(
    exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    bench = Bench(model=exported.graph, plan=exported.plan, form=FORM, feeds=feeds, threads=1)
    convolutions = [node.name for node in quantizable_nodes(exported.graph, FORM) if node.op_type == "Conv"]
    start = Candidate(name="half", nodes=tuple(convolutions[:8]), time_ratio=0.9, error=0.0)
    moved = set(refine(bench, start, budget_s=1e9))  # every move is said to be faster, but something stays in INT8
    assert moved == {*convolutions[7:]}
    int8_takes["seconds"] = 0.99  # not by the 2 % that a move has to bring
    assert refine(bench, start, budget_s=1e9) == start.nodes


def test_what_the_gate_made_slower_than_float_goes_back_to_float_altogether(
    model: FloatModel, exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    nodes = tuple(node.name for node in quantizable_nodes(exported.graph, FORM))
    before = with_placement(exported.plan, "onnxruntime", nodes)
    after = with_placement(exported.plan, "onnxruntime", nodes[1:])
    int8_takes["seconds"] = 1.1
    found = timed_again(model, before, after, [FORM], feeds, threads=1, search_s=0.0)
    assert found.plan.placement["onnxruntime"] == ()
    assert "kept in float altogether" in found.notes[0]
    unchanged = timed_again(model, before, before, [FORM], feeds, threads=1, search_s=0.0)
    assert unchanged.plan == before


def test_outputs_that_have_little_to_do_with_float_are_refused_on_every_target(
    model: FloatModel, exported: Exported, feeds: list[Feed], int8_takes: dict[str, float]
) -> None:
    coarse = {name: Range(1e4 * seen.low, 1e4 * seen.high) for name, seen in exported.plan.ranges.items()}
    plan = replace(exported.plan, ranges=coarse)
    forms = [FORM, form_named("onnxruntime-arm"), form_named("tensorrt")]
    found = place(model, plan, forms, feeds, threads=1, search_s=0.0, kept_float={}, progress=lambda step: None)
    assert set(found.plan.placement.values()) == {()}
    for form in forms:
        assert any(note.startswith(f"{form.target}: refused") and "sensitivity" in note for note in found.notes)
