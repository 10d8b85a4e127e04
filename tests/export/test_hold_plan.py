"""A network with layers whose weights quantise badly: these go back to float, target by target, and the others stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import DataError
from edgeneuro.export.forms import form_named
from edgeneuro.export.gate import parse_margin
from edgeneuro.export.hold_plan import divide, hold_plan
from edgeneuro.export.lowered import FLOAT_GRAPH
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.plan import Plan
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed
from tests.export.answers import dataset

LAYERS = tuple(f"conv_{number}" for number in range(8))
FORMS = (form_named("onnxruntime-x86"), form_named("tensorrt"))
COARSE = 0.7
"""Scale of a planted layer's weights, which lie between -1 and 1: three steps in all."""


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """Rotations of four channels in a row, then the mean of each channel: four logits."""
    rng = np.random.default_rng(3)
    tensors = ["x", *(f"t{number}" for number in range(1, 9))]
    rotations = [np.linalg.qr(rng.standard_normal((4, 4)))[0].astype(np.float32) for _ in LAYERS]
    graph = helper.make_graph(
        [
            *(
                helper.make_node("Conv", [tensors[place], f"w{place}"], [tensors[place + 1]], name=name)
                for place, name in enumerate(LAYERS)
            ),
            helper.make_node("GlobalAveragePool", ["t8"], ["pooled"], name="pool"),
            helper.make_node("Flatten", ["pooled"], ["logits"], name="flat"),
        ],
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 2, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(matrix[:, :, None, None], f"w{place}") for place, matrix in enumerate(rotations)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def plan_with(coarse: Mapping[str, float]) -> Plan:
    tensors = ("x", *(f"t{number}" for number in range(1, 9)), "pooled", "logits")
    return Plan(
        method="by hand",
        ranges={tensor: Range(-4.0, 4.0) for tensor in tensors},
        biases={},
        placement={form.target: LAYERS for form in FORMS},
        weight_scales={name: (scale,) * 4 for name, scale in coarse.items()},
    )


def feeds(count: int) -> Sequence[Feed]:
    rng = np.random.default_rng(7)
    return [{"x": rng.standard_normal((1, 4, 2, 2)).astype(np.float32)} for _ in range(count)]


def float_answers(network: onnx.ModelProto) -> Baseline:
    """120 unlabelled frames of 120 patients."""
    data = dataset([None] * 120, [f"P{i}" for i in range(120)], classes=list("abcd"))
    with closing(open_backend("onnxruntime", network.SerializeToString(), threads=None)) as backend:
        return Baseline.of(
            backend, data, feeds(120), task="classification", classes=data.classes, reference=FLOAT_GRAPH
        )


def test_the_planted_layers_go_back_and_the_others_stay_in_int8(network: onnx.ModelProto) -> None:
    plan = plan_with({"conv_2": COARSE, "conv_5": COARSE})
    held = hold_plan(network, plan, FORMS, feeds(8), float_answers(network), parse_margin("15"), "balanced_accuracy")
    for form in FORMS:
        assert held.plan.placement[form.target] == tuple(name for name in LAYERS if name not in ("conv_2", "conv_5"))
        assert set(held.plan.kept_float[form.target]) == {"conv_2", "conv_5"}
    assert set(held.kept_float) == {"conv_2", "conv_5"}
    assert "agreement with float drops by" in held.kept_float["conv_2"]
    assert "onnxruntime: " in held.kept_float["conv_2"] and "tensorrt: " in held.kept_float["conv_2"]
    assert held.notes == tuple(f"{form.target}: 2 layers back in float to hold --max-drop 15" for form in FORMS)
    assert any(line.startswith("tensorrt: 0 layers back in float: does not hold") for line in held.history)


def test_a_plan_that_holds_is_left_as_it_is(network: onnx.ModelProto) -> None:
    plan = plan_with({})
    held = hold_plan(network, plan, FORMS, feeds(8), float_answers(network), parse_margin("15"), "balanced_accuracy")
    assert held.plan == plan
    assert len(held.history) == len(FORMS)


def test_where_every_layer_quantises_badly_the_target_ends_in_float_and_says_so(network: onnx.ModelProto) -> None:
    plan = plan_with(dict.fromkeys(LAYERS, COARSE))
    held = hold_plan(
        network, plan, FORMS[:1], feeds(8), float_answers(network), parse_margin("12"), "balanced_accuracy"
    )
    assert held.plan.placement["onnxruntime"] == ()
    assert held.plan.placement["tensorrt"] == LAYERS, "a target that is not built is left alone"
    assert held.notes == ("onnxruntime: no INT8 layers hold --max-drop 12; kept in float",)


def test_frames_without_labels_are_divided_by_group_and_no_group_is_in_two_parts() -> None:
    frames = dataset([None] * 40, [f"P{i // 4}" for i in range(40)])
    parts = divide(frames, seed=0)
    groups = [{sample.group for sample in part.samples} for part in (parts.calibration, parts.choosing, parts.judged)]
    assert [len(names) for names in groups] == [5, 3, 2]
    assert len(set.union(*groups)) == 10
    assert divide(frames, seed=0) == parts and divide(frames, seed=1) != parts
    with pytest.raises(DataError, match="has 3 group"):
        divide(dataset([None] * 3, list("abc")), seed=0)
