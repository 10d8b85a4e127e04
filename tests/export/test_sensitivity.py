"""Sensitivity on real graphs: planted layers are found, every graph that is run is counted, the report adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError, ModelFileError, UsageError
from edgeneuro.export import sensitivity as module
from edgeneuro.export.accuracy import AGREEMENT
from edgeneuro.export.forms import Form, form_named
from edgeneuro.export.group_testing import worst_case
from edgeneuro.export.lower import lower
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.export.sensitivity import TaskMetric, sensitivity
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed
from tests.export.conftest import Exported

LAYERS = 48
COARSE = 0.5
"""Scale of a planted layer's weights, which lie between -1 and 1: five steps in all."""
ORT = form_named("onnxruntime-x86-vnni")
TENSORRT = form_named("tensorrt")


def names() -> list[str]:
    return [f"conv_{number}" for number in range(LAYERS)]


@pytest.fixture(scope="module")
def chain() -> onnx.ModelProto:
    """Pointwise convolutions in a row, each a rotation of four channels: no layer makes an error larger or smaller."""
    rng = np.random.default_rng(3)
    tensors = ["x", *(f"t{number}" for number in range(1, LAYERS)), "y"]
    rotations = [np.linalg.qr(rng.standard_normal((4, 4)))[0].astype(np.float32) for _ in names()]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [tensors[place], f"w{place}"], [tensors[place + 1]], name=name)
            for place, name in enumerate(names())
        ],
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 4, 4])],
        [numpy_helper.from_array(matrix[:, :, None, None], f"w{place}") for place, matrix in enumerate(rotations)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def chain_plan(form: Form, coarse: Mapping[str, float]) -> Plan:
    ranges = {tensor: Range(-4.0, 4.0) for tensor in ("x", "y", *(f"t{number}" for number in range(1, LAYERS)))}
    return Plan(
        method="by hand",
        ranges=ranges,
        biases={},
        placement={form.target: tuple(names())},
        weight_scales={name: (scale,) * 4 for name, scale in coarse.items()},
    )


def feeds(count: int = 4) -> list[Feed]:
    rng = np.random.default_rng(7)
    return [{"x": rng.standard_normal((1, 4, 4, 4)).astype(np.float32)} for _ in range(count)]


@pytest.mark.parametrize("form", [ORT, TENSORRT], ids=lambda form: form.name)
def test_planted_layers_of_a_chain_are_found_with_k_log_n_graphs(chain: onnx.ModelProto, form: Form) -> None:
    planted = {"conv_5": COARSE, "conv_30": COARSE, "conv_41": COARSE}
    report = sensitivity(chain, chain_plan(form, planted), form, feeds(), top=3)
    assert set(report.found) == set(planted) == set(report.ranking[:3])
    assert report.complete
    beside = 2 * len(planted)  # everything, everything but each of the three, but the first two, but all three
    assert report.evaluations - beside <= worst_case(LAYERS, 3) <= 2 * 3 * math.ceil(math.log2(LAYERS))
    assert report.evaluations < LAYERS
    assert report.error_kept < report.error / 4
    assert (report.form, report.layers, report.frames) == (form.name, LAYERS, 4)


def test_every_graph_that_is_run_is_counted(chain: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = []

    def counted(model: onnx.ModelProto, plan: Plan, form: Form) -> onnx.ModelProto:
        lowered.append(plan.placement[form.target])
        return lower(model, plan, form)

    monkeypatch.setattr(module, "lower", counted)
    told: list[tuple[int, int]] = []
    report = sensitivity(
        chain,
        chain_plan(ORT, {"conv_9": COARSE}),
        ORT,
        feeds(1),
        top=1,
        progress=lambda done, most: told.append((done, most)),
    )
    assert report.evaluations == len(lowered) == len(set(lowered))
    assert [done for done, _ in told] == list(range(1, report.evaluations + 1))
    assert all(done <= most for done, most in told)
    assert told[-1][0] <= told[0][1] == worst_case(LAYERS, 1) + 2


def test_ranking_names_every_layer_once_and_the_rows_say_which_were_measured(chain: onnx.ModelProto) -> None:
    report = sensitivity(chain, chain_plan(ORT, {"conv_0": COARSE, "conv_47": COARSE}), ORT, feeds(), top=2)
    together = [node for group in report.together for node in group.nodes]
    assert sorted(report.ranking) == sorted(names())
    assert sorted([*together, *(row.node for row in report.rows)]) == sorted(names())
    assert {row.node for row in report.rows if row.error_without is not None} == set(report.found)
    assert all(row.operator == "Conv" for row in report.rows)
    errors = [row.error for row in report.rows]
    assert errors == sorted(errors, reverse=True)


def test_squared_errors_of_layers_in_a_chain_nearly_add_up(chain: onnx.ModelProto) -> None:
    """The ground the search stands on: neighbours share a tensor, so their sum is up to twice the whole."""
    plan = chain_plan(TENSORRT, {"conv_5": COARSE, "conv_30": 0.1, "conv_41": 0.2})
    report = sensitivity(chain, plan, TENSORRT, feeds(), top=LAYERS)
    assert len(report.rows) == LAYERS
    assert 0.7 < sum(row.error**2 for row in report.rows) / report.error**2 < 2.0


def test_a_layer_back_in_float_leaves_what_its_neighbours_share(chain: onnx.ModelProto) -> None:
    """Why layers are measured in INT8 among float ones: a bad range between two layers is found from either side,
    while taking one of them back to float changes nothing."""
    plan = chain_plan(ORT, {})
    plan = replace(plan, ranges={**plan.ranges, "t20": Range(-400.0, 400.0)})
    report = sensitivity(chain, plan, ORT, feeds(), top=2)
    assert set(report.found) == {"conv_19", "conv_20"}
    for row in report.rows[:2]:
        assert row.error_without is not None
        assert row.error_without > 0.7 * report.error
    assert report.error_kept < report.error / 4


def test_layers_whose_errors_undo_each_other_are_not_taken_back_to_float() -> None:
    """Two layers that double and halve with the same wrong step: each alone is wrong, both together are right."""
    weights = {"up": 2.0, "down": 0.5}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "up"], ["t"], name="up"),
            helper.make_node("Conv", ["t", "down"], ["y"], name="down"),
        ],
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    plan = Plan(
        method="by hand",
        ranges={"x": Range(-4.0, 4.0), "t": Range(-8.0, 8.0), "y": Range(-4.0, 4.0)},
        biases={},
        placement={"tensorrt": ("up", "down")},
        weight_scales={"up": (1.6,), "down": (0.625,)},  # 2 becomes 1.6, 0.5 becomes 0.625: their product stays 1
    )
    rng = np.random.default_rng(7)
    frames: list[Feed] = [{"x": rng.uniform(-4, 4, (1, 1, 4, 4)).astype(np.float32)}]
    report = sensitivity(model, plan, TENSORRT, frames, top=2)
    assert report.keep_float == report.found
    assert set(report.found) == {"up", "down"}
    assert report.additivity > 10.0
    assert all(row.error_without is not None and row.error_without > 3 * report.error for row in report.rows)
    alone = sensitivity(model, plan, TENSORRT, frames, top=1)
    assert len(alone.found) == 1
    assert alone.keep_float == ()
    assert alone.error_kept == alone.error


def test_the_metric_says_what_each_found_layer_costs_the_task(chain: onnx.ModelProto) -> None:
    """The chain taken as a segmentation into four classes; without label masks, agreement with float is what counts."""
    frames = feeds(6)
    samples = tuple(Sample(source=f"{i}", index=0, target=None, group=f"{i}") for i in range(len(frames)))
    data = DataSet(name="noise", classes=(), samples=samples, reader=lambda sample: np.zeros((4, 4), np.uint8))
    backend = open_backend("onnxruntime", chain.SerializeToString(), threads=1)
    baseline = Baseline.of(backend, data, frames, task="segmentation", classes=tuple("abcd"), reference="model.onnx")
    metric = TaskMetric(name=AGREEMENT, baseline=baseline)
    report = sensitivity(chain, chain_plan(ORT, {"conv_12": COARSE}), ORT, feeds(), metric=metric, top=1)
    assert report.metric is not None
    assert (report.metric.name, report.metric.frames, report.metric.value) == (AGREEMENT, 6, 1.0)
    bad = next(row for row in report.rows if row.node == "conv_12")
    assert bad.drop_points is not None
    assert bad.drop_points > 3 * report.metric.drop_points_kept > 0
    assert report.metric.drop_points > 3 * report.metric.drop_points_kept
    assert [row.drop_points for row in report.rows if row.node != "conv_12"] == [None] * (len(report.rows) - 1)


def test_what_runs_elsewhere_is_called_emulated(chain: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "runs_here", lambda form: form is ORT)
    for form, emulated in ((ORT, False), (TENSORRT, True)):
        report = sensitivity(chain, chain_plan(form, {"conv_1": COARSE}), form, feeds(1), top=1)
        assert report.emulated is emulated


def test_on_stanet_it_finds_what_one_by_one_finds(exported: Exported) -> None:
    nodes = tuple(node.name for node in quantizable_nodes(exported.graph, TENSORRT))
    plan = with_placement(exported.plan, "tensorrt", nodes)
    frames: list[Feed] = [{exported.graph.graph.input[0].name: frame[None]} for frame in exported.frames[:3]]
    searched = sensitivity(exported.graph, plan, TENSORRT, frames, top=2)
    one_by_one = sensitivity(exported.graph, plan, TENSORRT, frames, top=len(nodes))
    assert len(one_by_one.rows) == len(nodes)
    assert set(searched.found) == {row.node for row in one_by_one.rows[:2]}
    assert searched.evaluations <= worst_case(len(nodes), 2) + 4 < len(nodes)
    assert one_by_one.evaluations >= len(nodes)
    assert searched.error == pytest.approx(one_by_one.error)


def test_a_small_budget_is_kept_and_what_was_not_told_apart_is_said(chain: onnx.ModelProto) -> None:
    plan = chain_plan(ORT, {"conv_5": COARSE, "conv_30": COARSE})
    report = sensitivity(chain, plan, ORT, feeds(1), top=2, budget=12)
    assert report.evaluations <= 12
    assert not report.complete
    blocks = [group.nodes for group in report.together]
    assert sorted(node for nodes in blocks for node in nodes) == sorted(report.ranking)
    assert any("conv_5" in nodes for nodes in blocks[:2])
    assert any("conv_30" in nodes for nodes in blocks[:2])


def test_a_budget_that_cannot_look_at_every_layer_is_refused_with_the_least(chain: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="--budget 3: is too small to look for 2 of 48 layers, expected at least"):
        sensitivity(chain, chain_plan(ORT, {}), ORT, feeds(1), top=2, budget=3)


def test_a_placement_without_layers_and_no_frames_are_refused(chain: onnx.ModelProto) -> None:
    plan = chain_plan(ORT, {})
    with pytest.raises(ModelFileError, match="no layer of the model is placed in INT8 on tensorrt"):
        sensitivity(chain, plan, TENSORRT, feeds(1))
    with pytest.raises(DataError, match="got no frames"):
        sensitivity(chain, plan, ORT, [])


def test_outputs_that_are_no_numbers_are_refused_naming_the_layers(chain: onnx.ModelProto) -> None:
    broken = [{"x": np.full((1, 4, 4, 4), np.nan, np.float32)}]
    with pytest.raises(ModelFileError, match="in INT8 on onnxruntime-x86-vnni some outputs are no numbers"):
        sensitivity(chain, chain_plan(ORT, {}), ORT, broken, top=1)
