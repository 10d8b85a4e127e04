"""The verdict on an engine: pass, fail, inconclusive, and what each of them says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray

from edgeneuro.benchmarks.gate_error_rates import Case, Rates, error_rates
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import GateError, UsageError
from edgeneuro.export.accuracy import line_drop
from edgeneuro.export.gate import checks, guard_points, judge, parse_margin, require_pass
from edgeneuro.export.outcomes import Outcomes, guards_lines
from edgeneuro.manifest import Gate
from edgeneuro.records import from_json, to_json
from tests.export.answers import Listed, baseline, classifier, dataset

Ints = NDArray[np.int64]
POINT = parse_margin("1")


def frames(groups: int, of_each: int = 4, classes: int = 2) -> tuple[Ints, list[str]]:
    """Targets and groups; every group is of one class."""
    return np.repeat(np.arange(groups) % classes, of_each), [f"P{i:04}" for i in range(groups) for _ in range(of_each)]


def outcomes(targets: Ints, groups: list[str], floating: Ints, int8: Ints, classes: int = 2) -> Outcomes:
    names = tuple(f"class {k}" for k in range(classes))
    base = baseline(dataset(targets, groups, classes=names), classifier(floating, classes))
    return base.beside({"int8.onnx": classifier(int8, classes)})


def with_lost(right: Ints, rows: Ints) -> Ints:
    worse = right.copy()
    worse[rows] = 1 - worse[rows]
    return worse


def test_many_patients_with_equal_answers_pass() -> None:
    targets, groups = frames(250)
    gate = judge(outcomes(targets, groups, targets, targets), POINT, "balanced_accuracy")
    assert gate.verdict == "pass"
    (one,) = gate.judgements
    assert (one.graph, one.unit, one.units, one.groups, one.margin_points) == ("int8.onnx", "frame", 1000, 250, 1.0)
    assert one.drop_points.high <= 1.0
    require_pass(gate, "a.edge")


def test_the_same_equal_answers_of_few_patients_are_inconclusive_and_say_how_many_would_do() -> None:
    targets, groups = frames(20)
    gate = judge(outcomes(targets, groups, targets, targets), POINT, "balanced_accuracy")
    assert gate.verdict == "inconclusive"
    needed = gate.judgements[0].groups_needed
    assert needed is not None
    more, names = frames(needed + needed % 2)
    assert judge(outcomes(more, names, more, more), POINT, "balanced_accuracy").judgements[0].drop_points.high <= 1.0
    fewer, names = frames(needed - 4)
    assert judge(outcomes(fewer, names, fewer, fewer), POINT, "balanced_accuracy").verdict == "inconclusive"
    with pytest.raises(GateError, match=r"a\.edge: cannot be shown to be inside --max-drop 1 .*about \d+ groups like"):
        require_pass(gate, "a.edge")


def test_a_large_drop_fails_and_nothing_but_that_is_said() -> None:
    targets, groups = frames(60)
    lost = outcomes(targets, groups, targets, with_lost(targets, np.arange(0, 240, 5)))
    gate = judge(lost, POINT, "balanced_accuracy")
    assert gate.verdict == "fail"
    with pytest.raises(
        GateError, match=r"is outside --max-drop 1 .*balanced accuracy drops by 20\.00 points"
    ) as caught:
        require_pass(gate, "a.edge")
    assert caught.value.exit_code == 3
    assert caught.value.record["verdict"] == "fail"


def test_a_drop_near_the_margin_is_inconclusive_with_any_number_of_patients() -> None:
    targets, groups = frames(100)
    lost = outcomes(targets, groups, targets, with_lost(targets, np.arange(0, 400, 20)))
    check = checks(lost, parse_margin("5"), "balanced_accuracy")[0]
    assert check.verdict() == "inconclusive"
    assert check.groups_needed() is None
    assert check.said().endswith("too near the limit for any number of groups")


def test_a_better_engine_passes() -> None:
    targets, groups = frames(250)
    floating = with_lost(targets, np.arange(0, 1000, 50))
    assert judge(outcomes(targets, groups, floating, targets), POINT, "balanced_accuracy").verdict == "pass"


def test_a_class_that_pays_for_another_is_guarded() -> None:
    """Class 0 loses 12 %, class 1 gains as much: balanced accuracy stays, the engine must not pass."""
    targets, groups = frames(400)
    zeros, ones = np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)
    floating = with_lost(targets, ones[::8])
    int8 = with_lost(targets, zeros[::8])
    gate = judge(outcomes(targets, groups, floating, int8), parse_margin("3"), "balanced_accuracy")
    (one,) = gate.judgements
    assert one.drop_points.value == pytest.approx(0.0)
    assert gate.verdict == "fail"
    assert (one.classes["class 0"].verdict, one.classes["class 1"].verdict) == ("fail", "pass")
    assert one.classes["class 0"].drop_points.value == pytest.approx(12.5)
    assert "recall of class 0 drops by 12.50 points" in one.reason and "class 1" not in one.reason


def test_a_class_of_few_patients_is_inconclusive_by_name_and_so_is_the_engine() -> None:
    targets, groups = frames(500)
    rare = np.array([2] * 8)
    targets, groups = np.concatenate([targets, rare]), groups + [f"rare {i // 4}" for i in range(8)]
    same = outcomes(targets, groups, targets, targets, classes=3)
    (one,) = judge(same, parse_margin("20"), "accuracy").judgements
    assert one.verdict == "inconclusive"
    assert [name for name, own in one.classes.items() if own.verdict == "inconclusive"] == ["class 2"]
    assert one.classes["class 2"].groups == 2 and one.classes["class 2"].groups_needed is not None
    assert "recall of class 2" in one.reason


def test_a_class_without_a_frame_or_with_one_patient_is_said_to_be_unknown() -> None:
    targets, groups = frames(500)
    missing = outcomes(targets, groups, targets, targets, classes=3)
    (one,) = judge(missing, POINT, "accuracy").judgements
    assert one.classes["class 2"].frames == 0
    assert one.reason == "recall of class 2: no frames, so nothing is known about others"
    alone = outcomes(np.append(targets, 2), [*groups, "alone"], np.append(targets, 2), np.append(targets, 2), classes=3)
    assert "recall of class 2: frames of one group only" in judge(alone, POINT, "accuracy").judgements[0].reason
    assert (
        judge(alone, POINT, "balanced_accuracy")
        .judgements[0]
        .reason.startswith("balanced accuracy: a class with frames of one group only, so nothing is known about others")
    )


def test_every_graph_has_to_pass() -> None:
    targets, groups = frames(250)
    base = baseline(dataset(targets, groups), classifier(targets))
    bad = with_lost(targets, np.arange(0, 1000, 5))
    gate = judge(
        base.beside({"good.onnx": classifier(targets), "bad.onnx": classifier(bad)}), POINT, "balanced_accuracy"
    )
    assert gate.verdict == "fail"
    assert {one.graph: one.verdict for one in gate.judgements} == {"good.onnx": "pass", "bad.onnx": "fail"}


def test_an_engine_without_lowered_graphs_is_float_and_passes() -> None:
    targets, groups = frames(4)
    gate = judge(baseline(dataset(targets, groups), classifier(targets)).beside({}), POINT, "balanced_accuracy")
    assert (gate.verdict, gate.judgements) == ("pass", ())


def test_by_exam_both_levels_are_judged_and_frames_outvoted_in_their_exam_cost_nothing_there() -> None:
    targets, groups = frames(300, of_each=5)
    one_frame_each = with_lost(targets, np.arange(0, 1500, 15))
    data = dataset(targets, groups, visits=["1"] * len(targets))
    found = baseline(data, classifier(targets)).beside({"int8.onnx": classifier(one_frame_each)})
    gate = judge(found, parse_margin("2"), "balanced_accuracy", by="visit")
    by_frame, by_visit = gate.judgements
    assert (by_frame.unit, by_frame.units, by_visit.unit, by_visit.units) == ("frame", 1500, "visit", 300)
    assert by_frame.verdict == "fail" and by_frame.drop_points.value == pytest.approx(100 / 15)
    assert by_visit.verdict == "pass" and by_visit.drop_points.value == 0.0
    assert gate.verdict == "fail"


def test_without_labels_agreement_is_judged_and_called_that() -> None:
    targets, groups = frames(300)
    unlabelled = dataset([None] * len(targets), groups)
    found = baseline(unlabelled, classifier(targets)).beside({"int8.onnx": classifier(targets)})
    gate = judge(found, parse_margin("99%"), "balanced_accuracy")
    assert (gate.metric, gate.verdict) == ("agreement", "pass")
    assert gate.judgements[0].margin_points == pytest.approx(1.0)
    assert gate.judgements[0].reason.startswith("agreement with float drops by 0.00 points")
    worse = baseline(unlabelled, classifier(targets)).beside(
        {"int8.onnx": classifier(with_lost(targets, np.arange(0, 1200, 10)))}
    )
    assert judge(worse, POINT, "balanced_accuracy").verdict == "fail"


def test_a_segmentation_is_judged_by_dice() -> None:
    rng = np.random.default_rng(0)
    truth = [np.pad(np.ones((6, 6), np.uint8), 5) for _ in range(120)]
    data = dataset([None] * 120, [f"P{i // 3}" for i in range(120)], classes=("background", "nerve"), masks=truth)

    def noisy(share: float) -> Listed:
        masks = [np.where(rng.random(mask.shape) < share, 1 - mask, mask) for mask in truth]
        return Listed([np.stack([1.0 - mask, mask]).astype(np.float32) for mask in masks])

    base = baseline(data, noisy(0.0), "segmentation")
    close, far = base.beside({"int8.onnx": noisy(0.001)}), base.beside({"int8.onnx": noisy(0.1)})
    gate = judge(close, POINT, "dice")
    assert (gate.metric, gate.verdict) == ("dice", "pass")
    assert set(gate.judgements[0].classes) == {"nerve"}
    assert judge(far, POINT, "dice").verdict == "fail"


def neurites(frames: int) -> list[NDArray[np.uint8]]:
    """(32, 32) each: a thick neurite and a thin one."""
    mask = np.zeros((32, 32), np.uint8)
    mask[2:12] = 1
    mask[20, 4:28] = 1
    return [mask] * frames


def without_the_thin_one(masks: list[NDArray[np.uint8]], rows: slice) -> Listed:
    """Certain of the masks but for the thin neurite, which those of `rows` miss."""
    found = [mask.copy() for mask in masks]
    for mask in found[rows]:
        mask[20] = 0
    return Listed([np.stack([1.0 - mask, mask]).astype(np.float32) for mask in found])


def cut_into_tiles(masks: list[NDArray[np.uint8]]) -> DataSet:
    data = dataset(
        [None] * len(masks), [f"cell {i}" for i in range(len(masks))], classes=("background", "neurite"), masks=masks
    )
    return replace(data, tile=(32, 32))


def test_thin_neurites_are_guarded_beside_dice() -> None:
    pytest.importorskip("skimage")
    masks = neurites(30)
    base = baseline(cut_into_tiles(masks), without_the_thin_one(masks, slice(0)), "segmentation")
    kept = judge(base.beside({"int8.onnx": without_the_thin_one(masks, slice(0))}), parse_margin("5"), "dice")
    lost = judge(base.beside({"int8.onnx": without_the_thin_one(masks, slice(None))}), parse_margin("5"), "dice")
    assert kept.verdict == "pass"
    (judgement,) = lost.judgements
    assert judgement.drop_points.high < judgement.margin_points
    assert judgement.classes["neurite"].verdict == "pass"
    assert judgement.centre_lines is not None
    assert (judgement.centre_lines.verdict, judgement.centre_lines.frames, judgement.verdict) == ("fail", 30, "fail")
    assert judgement.reason.startswith("recall of centre lines within 2 voxels drops by ")
    assert judgement.guard_points == 10.0
    assert from_json(Gate, to_json(lost), "manifest.json") == lost
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/gate.schema.json").read_text())
    Draft202012Validator(schema).validate(to_json(lost))


def test_tiles_without_a_neurite_do_not_count_for_its_centre_lines_and_those_of_one_cell_are_averaged() -> None:
    pytest.importorskip("skimage")
    masks = [*neurites(2), *[np.zeros((32, 32), np.uint8)] * 2]
    data = cut_into_tiles(masks)
    data = replace(data, samples=tuple(replace(sample, group=f"cell {i % 2}") for i, sample in enumerate(data.samples)))
    base = baseline(data, without_the_thin_one(masks, slice(0)), "segmentation")
    outcomes = base.beside({"int8.onnx": without_the_thin_one(masks, slice(1))})
    lost = line_drop(outcomes, "int8.onnx")
    assert lost is not None
    assert lost[0] == 2
    recall = outcomes.tolerant_recall["int8.onnx"]
    assert np.isnan(recall[2:]).all()
    assert recall[0] < recall[1] == 1.0
    by_cell = outcomes.by("group").tolerant_recall["int8.onnx"]
    assert by_cell.tolist() == recall[:2].tolist()


def test_centre_lines_of_whole_frames_and_of_several_classes_are_not_compared() -> None:
    masks = neurites(4)
    tiles = cut_into_tiles(masks)
    assert not guards_lines(replace(tiles, tile=None), tiles.classes)
    assert not guards_lines(tiles, ("background", "axon", "dendrite"))


@pytest.mark.parametrize(
    ("text", "score", "margin"), [("1", 0.8, 1.0), ("0.5", 0.8, 0.5), ("99%", 0.8, 0.8), ("99.9 %", 0.5, 0.05)]
)
def test_margins_are_points_or_a_share_of_the_float_score(text: str, score: float, margin: float) -> None:
    assert parse_margin(text).of(score) == pytest.approx(margin)


@pytest.mark.parametrize("text", ["", "one", "0", "-1", "101", "nan", "1%", "100%", "99.9%%"])
def test_margins_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-drop"):
        parse_margin(text)


def test_the_guard_is_what_one_class_would_lose_alone_but_five_points_at_most() -> None:
    assert [guard_points(1.0, classes) for classes in (1, 2, 3, 7)] == [2.0, 2.0, 3.0, 5.0]
    assert guard_points(4.0, 7) == 8.0


def test_the_record_survives_the_manifest_and_its_schema_describes_it() -> None:
    targets, groups = frames(20)
    gate = judge(
        outcomes(targets, groups, targets, targets), POINT, "accuracy", kept_float={"conv": "why"}, history=["0 layers"]
    )
    assert from_json(Gate, to_json(gate), "manifest.json") == gate
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/gate.schema.json").read_text())
    Draft202012Validator(schema).validate(to_json(gate))
    assert not Draft202012Validator(schema).is_valid({**to_json(gate), "verdict": "perhaps"})


@pytest.mark.parametrize(("groups", "correlation"), [(20, 0.1), (60, 0.1), (60, 0.0)])
def test_at_a_true_drop_equal_to_the_margin_it_passes_and_fails_at_most_one_time_in_twenty(
    groups: int, correlation: float
) -> None:
    case = Case(frames="5 to 40", classes="2 equal", groups=groups, margin=5.0, drop=5.0, correlation=correlation)
    rates = error_rates(case, repeats=400, seed=3, bootstrap=groups == 20)
    assert rates.drop_passes <= 0.05 + 0.022  # two standard errors of 400 repetitions
    assert rates.drop_fails <= 0.05 + 0.022
    assert rates.passes <= rates.drop_passes
    if rates.bootstrap_passes is not None:
        assert rates.bootstrap_passes > 0.09


def test_far_inside_it_passes_and_far_outside_it_fails() -> None:
    def rates(drop: float) -> Rates:
        case = Case(frames="5 to 40", classes="2 equal", groups=120, margin=5.0, drop=drop)
        return error_rates(case, repeats=30, seed=1, bootstrap=False)

    inside, outside = rates(0.0), rates(15.0)
    assert inside.passes > 0.9 and inside.fails == 0.0
    assert outside.fails > 0.9 and outside.passes == 0.0
