"""Each rule on a graph that breaks it and on one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeneuro.export.forms import FORMS
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lint.finding import EVERY, ONNXRUNTIME, TENSORRT, Finding
from edgeneuro.export.lint.read import plain
from edgeneuro.export.lint.rules import RULES
from tests.export.lint.graphs import S8, U8, Builder, for_onnxruntime, for_tensorrt

VNNI = "onnxruntime-x86-vnni"


def findings(model: onnx.ModelProto, rule: str, target: str) -> list[Finding]:
    return [finding for finding in lint(plain(model), (target,)) if finding.rule == rule]


def one_layer(
    scale: Any = 0.05, zero_point: Any = S8, *, closed: bool = False, opset: int = 20, **layer: Any
) -> onnx.ModelProto:
    """x through Q/DQ into one convolution."""
    net = Builder(opset=opset)
    y = net.layer(net.pair("x", scale, zero_point), "y", **layer)
    return net.model(net.pair(y, 0.1, zero_point) if closed else y)


def zero_scale() -> onnx.ModelProto:
    return one_layer(scale=0.0)


def scale_from_the_data() -> onnx.ModelProto:
    net = Builder()
    largest = net.node("ReduceMax", ["x"], "largest", keepdims=0)
    scale = net.node("Div", [largest, net.constant("127", np.float32(127))], "scale")
    zero = net.constant("zero", np.int8(0))
    q = net.node("QuantizeLinear", ["x", scale, zero], "q")
    return net.model(net.layer(net.node("DequantizeLinear", [q, scale, zero], "d"), "y"))


def sixteen_bits() -> onnx.ModelProto:
    return one_layer(zero_point=np.int16(0), opset=21)


def half_scale(opset: int) -> onnx.ModelProto:
    net = Builder(opset=opset)
    x = net.node("Cast", ["x"], "xh", to=TensorProto.FLOAT16)
    d = net.pair(x, np.asarray(0.05, np.float16))
    model = net.model(net.node("Cast", [d], "y", to=TensorProto.FLOAT))
    return model


def foreign_domain() -> onnx.ModelProto:
    model = for_tensorrt()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            node.domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def channel_scales() -> onnx.ModelProto:
    net = Builder()
    x = net.pair("x", np.linspace(0.01, 0.05, 16, dtype=np.float32), np.zeros(16, np.int8), axis=1)
    return net.model(net.layer(x, "y", shape=(16, 1, 3, 3), group=16))


def with_weights(steps: np.ndarray, scale: Any, zero_point: Any = None, **attributes: Any) -> onnx.ModelProto:
    net = Builder()
    weights = net.stored("w", steps, scale, zero_point, **attributes)
    return net.model(net.layer(net.pair("x"), "y", weights=weights))


def some_steps(kind: Any, *, largest: int = 127) -> np.ndarray:
    low = 0 if kind is np.uint8 else -largest
    return np.random.default_rng(1).integers(low, largest + 1, (16, 16, 3, 3)).astype(kind)


def int32_bias() -> onnx.ModelProto:
    net = Builder()
    bias = net.stored("b", np.arange(16, dtype=np.int32), np.full(16, 1e-4), axis=0)
    return net.model(net.layer(net.pair("x"), "y", bias=bias))


def float_bias() -> onnx.ModelProto:
    net = Builder()
    return net.model(net.layer(net.pair("x"), "y", bias=net.constant("b", np.ones(16, np.float32))))


def recorded(shape: list[int], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    model = for_tensorrt()
    model.graph.value_info.append(helper.make_tensor_value_info("ar", kind, shape))
    return model


def residual(*, both: bool) -> onnx.ModelProto:
    net = Builder()
    x = net.pair("x")
    branch = net.layer(x, "branch")
    return net.model(net.node("Add", [x, net.pair(branch) if both else branch], "y"))


def joined(left: float, right: float) -> onnx.ModelProto:
    net = Builder()
    a, b = net.layer(net.pair("x"), "a"), net.node("Sigmoid", ["x"], "b")
    return net.model(
        net.layer(net.node("Concat", [net.pair(a, left), net.pair(b, right)], "c", axis=1), "y", shape=(16, 32, 3, 3))
    )


def requantized(second: float) -> onnx.ModelProto:
    net = Builder()
    return net.model(net.layer(net.pair(net.pair("x"), second), "y"))


def quantized_for_two(second: float) -> onnx.ModelProto:
    net = Builder()
    return net.model(net.layer(net.pair("x"), "a"), net.layer(net.pair("x", second), "b"))


def narrow(outs: int) -> onnx.ModelProto:
    return one_layer(shape=(outs, 16, 1, 3))


def depthwise(kernel: int) -> onnx.ModelProto:
    return one_layer(shape=(16, 1, kernel, kernel), group=16)


def transposed() -> onnx.ModelProto:
    return one_layer(kind="ConvTranspose", zero_point=U8, closed=True)


def weights_alone() -> onnx.ModelProto:
    net = Builder()
    return net.model(net.layer("x", "y"))


def mixed(inner: Any, outer: Any) -> onnx.ModelProto:
    net = Builder()
    return net.model(net.pair(net.layer(net.pair("x", zero_point=inner), "a"), zero_point=outer))


def around(kind: str) -> onnx.ModelProto:
    net = Builder()
    return net.model(net.layer(net.pair(net.node(kind, [net.pair("x")], "m")), "y"))


def behind_concat(*, paired: bool) -> onnx.ModelProto:
    net = Builder()
    c = net.node("Concat", [net.pair("x", zero_point=U8), net.pair("x", zero_point=U8)], "c", axis=1)
    c = net.pair(c, zero_point=U8) if paired else c
    return net.model(net.pair(net.layer(c, "y", shape=(16, 32, 3, 3)), zero_point=U8))


def relu_over_centred_steps() -> onnx.ModelProto:
    net = Builder()
    return net.model(net.pair(net.node("Relu", [net.layer(net.pair("x"), "a")], "r")))


@dataclass(frozen=True)
class Example:
    """where: part of what the finding names, for the broken graph."""

    rule: str
    target: str
    broken: Callable[[], onnx.ModelProto]
    sound: Callable[[], onnx.ModelProto]
    where: str
    severity: str = "error"


EXAMPLES = (
    Example("bad-scales", "tensorrt", zero_scale, for_tensorrt, "quantizelinear_x.q0"),
    Example("bad-scales", VNNI, scale_from_the_data, for_onnxruntime, "quantizelinear_q"),
    Example("bad-scales", VNNI, lambda: one_layer(scale=-0.1), for_onnxruntime, "quantizelinear_x.q0"),
    Example("eight-bits", "tensorrt", sixteen_bits, for_tensorrt, "quantizelinear_x.q0"),
    Example("half-scales", "tensorrt", lambda: half_scale(17), lambda: half_scale(19), "quantizelinear_xh.q0"),
    Example("half-scales", "openvino", foreign_domain, for_tensorrt, "quantizelinear_x.q0"),
    Example("uint8-activations", "tensorrt", lambda: one_layer(zero_point=np.uint8(0)), for_tensorrt, "tensor 'x'"),
    Example("nonzero-zero-point", "tensorrt", lambda: one_layer(zero_point=np.int8(3)), for_tensorrt, "tensor 'x'"),
    Example("nonzero-zero-point", "tensorrt-mixed", lambda: one_layer(zero_point=U8), for_tensorrt, "tensor 'x'"),
    Example("per-channel-activations", "tensorrt", channel_scales, for_tensorrt, "tensor 'x'"),
    Example("per-channel-activations", VNNI, channel_scales, for_onnxruntime, "tensor 'x'"),
    Example(
        "asymmetric-weights",
        "tensorrt",
        lambda: with_weights(some_steps(np.int8), 0.01, np.int8(4)),
        lambda: with_weights(some_steps(np.int8), 0.01),
        "Conv 'conv_y'",
    ),
    Example(
        "asymmetric-weights",
        "openvino",
        lambda: with_weights(some_steps(np.uint8), 0.01, np.uint8(60)),
        for_tensorrt,
        "Conv 'conv_y'",
        "warning",
    ),
    Example(
        "weight-axis",
        VNNI,
        lambda: with_weights(some_steps(np.int8), np.full(16, 0.01), axis=1),
        lambda: with_weights(some_steps(np.int8), np.full(16, 0.01), axis=-4),
        "Conv 'conv_y'",
    ),
    Example("signed-concat", "openvino", lambda: joined(0.1, 0.1), lambda: behind_concat(paired=True), "Conv 'conv_y'"),
    Example("int32-bias", "tensorrt", int32_bias, float_bias, "DequantizeLinear 'dequantizelinear_b'"),
    Example("stale-shapes", "openvino", lambda: recorded([1, 16, 4, 4]), lambda: recorded([1, 16, 8, 8]), "'ar'"),
    Example("stale-shapes", VNNI, lambda: recorded([1, 16, 8, 8], TensorProto.INT8), for_onnxruntime, "'ar'"),
    Example("residual-add", "tensorrt", lambda: residual(both=True), lambda: residual(both=False), "add_y", "warning"),
    Example("concat-scales", "tensorrt", lambda: joined(0.1, 0.2), lambda: joined(0.1, 0.1), "concat_c", "warning"),
    Example("double-quantization", VNNI, lambda: requantized(0.04), lambda: requantized(0.05), "x.q0/d.q0", "warning"),
    Example(
        "double-quantization",
        "tensorrt",
        lambda: quantized_for_two(0.04),
        lambda: quantized_for_two(0.05),
        "tensor 'x'",
        "warning",
    ),
    Example("no-int8-kernel", "tensorrt", lambda: narrow(8), lambda: narrow(16), "Conv 'conv_y'", "warning"),
    Example("no-int8-kernel", "tensorrt", lambda: depthwise(1), lambda: depthwise(3), "Conv 'conv_y'", "warning"),
    Example("no-int8-kernel", VNNI, transposed, for_onnxruntime, "ConvTranspose 'convtranspose_y'", "warning"),
    Example("weights-only", "openvino", weights_alone, for_tensorrt, "Conv 'conv_y'", "warning"),
    Example("open-output", VNNI, for_tensorrt, for_onnxruntime, "Conv 'conv_y'", "warning"),
    Example(
        "open-input",
        VNNI,
        lambda: behind_concat(paired=False),
        lambda: behind_concat(paired=True),
        "Conv 'conv_y'",
        "warning",
    ),
    Example("float-bias", "onnxruntime-arm", float_bias, int32_bias, "Conv 'conv_y'", "warning"),
    Example(
        "idle-relu",
        "onnxruntime-arm",
        relu_over_centred_steps,
        lambda: for_onnxruntime(S8),
        "Conv 'conv_a'",
        "warning",
    ),
    Example("mixed-signedness", VNNI, lambda: mixed(U8, S8), lambda: mixed(U8, U8), "conv_a", "warning"),
    Example("signed-activations", VNNI, lambda: mixed(S8, S8), lambda: mixed(U8, U8), "'x'", "warning"),
    Example("useless-pair", "tensorrt", lambda: around("Sigmoid"), for_tensorrt, "tensor 'x'", "warning"),
    Example("useless-pair", VNNI, lambda: around("Softmax"), for_onnxruntime, "tensor 'x'", "warning"),
    Example(
        "weight-saturation",
        "onnxruntime-x86",
        lambda: for_onnxruntime(largest=65),
        lambda: for_onnxruntime(largest=64),
        "Conv 'conv_a'",
        "warning",
    ),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.rule}-{example.target}")
def test_a_rule_finds_what_breaks_it_and_nothing_in_a_sound_graph(example: Example) -> None:
    found = findings(example.broken(), example.rule, example.target)
    assert example.where in found[0].where
    assert {finding.severity for finding in found} == {example.severity}
    assert {finding.targets for finding in found} == {(example.target,)}
    assert findings(example.sound(), example.rule, example.target) == []


def test_every_rule_has_an_example() -> None:
    assert {example.rule for example in EXAMPLES} == {rule.id for rule in RULES}


def test_a_sound_graph_breaks_no_rule_of_its_target() -> None:
    assert lint(plain(for_tensorrt()), TENSORRT) == ()
    assert lint(plain(for_onnxruntime(largest=63)), ("onnxruntime-x86-vnni", "onnxruntime-x86")) == ()
    assert lint(plain(for_onnxruntime(S8)), ("onnxruntime-arm",)) == ()


def test_rules_hold_for_the_targets_they_name_and_no_others() -> None:
    found = lint(plain(one_layer(zero_point=np.uint8(0))))
    assert [finding.targets for finding in found if finding.rule == "uint8-activations"] == [TENSORRT]
    open_at = [finding.targets for finding in lint(plain(for_tensorrt())) if finding.rule == "open-output"]
    assert open_at == [ONNXRUNTIME]  # of the last convolution; the first is read through Q/DQ


def test_a_fault_that_several_targets_share_is_one_finding_naming_them_all() -> None:
    found = [finding for finding in lint(plain(zero_scale())) if finding.rule == "bad-scales"]
    assert len(found) == 2  # the QuantizeLinear and the DequantizeLinear
    assert all(finding.targets == EVERY for finding in found)
    assert all(finding.refused_by == TENSORRT for finding in found)


def test_a_float_graph_breaks_no_rule() -> None:
    net = Builder()
    model = net.model(net.node("Softmax", [net.node("Relu", ["x"], "r")], "y"))
    model.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [9, 9]))
    assert lint(plain(model)) == ()


def test_a_pair_that_an_operator_only_moves_still_serves_the_layer_behind_it() -> None:
    net = Builder()
    pooled = net.node("MaxPool", [net.pair("x")], "p", kernel_shape=[2, 2])
    assert findings(net.model(pooled), "useless-pair", "tensorrt") != []
    assert findings(net.model(net.layer(pooled, "y")), "useless-pair", "tensorrt") == []


def test_a_join_of_equal_steps_hands_them_on_and_one_of_different_steps_does_not() -> None:
    assert findings(joined(0.1, 0.1), "weights-only", "tensorrt") == []
    assert findings(joined(0.1, 0.2), "weights-only", "tensorrt") != []


def test_a_missing_zero_point_is_read_as_uint8_as_onnx_says() -> None:
    model = for_tensorrt()
    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    reader = next(node for node in model.graph.node if node.input[0] == first.output[0])
    for node in (first, reader):
        del node.input[2]
    assert [finding.where for finding in findings(model, "uint8-activations", "tensorrt")] == ["tensor 'x'"]


def test_every_rule_is_told_with_reason_source_and_known_targets() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.reason and rule.source and rule.title
        assert set(rule.refused_by) <= set(rule.targets) <= set(FORMS)


def test_the_page_on_lint_has_a_row_for_every_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "lint.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert list(rows) == [rule.id for rule in RULES]
    for rule in RULES:
        assert f"| {rule.title} |" in rows[rule.id]
        assert f"| {rule.reason} | {rule.source} |" in rows[rule.id]
