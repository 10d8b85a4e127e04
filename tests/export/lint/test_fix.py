"""--fix: the plan read out of a Q/DQ graph and written again, exactly where that can be."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export.census import int8_convolutions
from edgeneuro.export.emulate import open_emulated, saturating_uint8
from edgeneuro.export.forms import FORMS
from edgeneuro.export.graph import initializers
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lint.finding import EVERY
from edgeneuro.export.lint.fix import Fixed, fix, fix_file, rewrite
from edgeneuro.export.lint.read import plain
from edgeneuro.export.lint.read_plan import read_plan
from edgeneuro.spec import Array, Float32
from tests.export.lint.graphs import S8, SIDE, U8, Builder, for_onnxruntime, for_tensorrt

VNNI, REDUCED, ARM = "onnxruntime-x86-vnni", "onnxruntime-x86", "onnxruntime-arm"


def fixed(model: onnx.ModelProto, target: str) -> tuple[onnx.ModelProto, Fixed]:
    model = plain(model)
    return fix(model, FORMS[target], lint(model, (target,)))


def rewritten(model: onnx.ModelProto, target: str) -> onnx.ModelProto:
    model = plain(model)
    return rewrite(model, FORMS[target], lint(model, (target,))).model


def frames(count: int = 4, channels: int = 16) -> Float32:
    return np.random.default_rng(3).normal(0, 2, (count, channels, SIDE, SIDE)).astype(np.float32)


def run(model: onnx.ModelProto, x: Float32) -> Array:
    with closing(open_emulated(model)) as backend:
        return backend.run({"x": x})[backend.outputs[0].name]


def parameters(model: onnx.ModelProto, kind: str = "QuantizeLinear") -> list[tuple[Any, Any]]:
    """(scale, zero point) of every scalar quantiser."""
    constants = initializers(model.graph)
    nodes = [node for node in model.graph.node if node.op_type == kind]
    return [(constants[n.input[1]], constants[n.input[2]]) for n in nodes if constants[n.input[1]].ndim == 0]


def test_signed_symmetric_activations_become_unsigned_with_the_same_scale_and_equal_outputs() -> None:
    before = for_onnxruntime(S8, relu=False)
    after, report = fixed(before, VNNI)
    assert parameters(after) == [(np.float32(0.05), 128)] * 3
    assert {zero_point.dtype for _, zero_point in parameters(after)} == {np.dtype(np.uint8)}
    assert np.array_equal(run(after, frames()), run(before, frames()))
    assert not np.array_equal(run(after, frames()), run(after, frames() + 1))
    assert report.before is not None and report.after is not None
    assert report.before.error == pytest.approx(report.after.error, rel=0.05)  # on the runtime's own kernels
    assert report.kept_float == {}


def test_behind_a_relu_the_steps_that_were_never_used_are_spent_on_finer_ones() -> None:
    net = Builder()
    r = net.node("Relu", [net.layer(net.pair("x"), "a")], "r")
    after, report = fixed(net.model(net.pair(net.layer(net.pair(r, 0.1), "b"), 0.3)), VNNI)
    scales = [float(scale) for scale, zero_point in parameters(after) if zero_point == 0]
    assert scales == [pytest.approx(0.1 * 127 / 255)]
    assert report.before is not None and report.after is not None
    assert report.before.error is not None and report.after.error is not None
    assert report.after.error <= report.before.error
    assert int8_convolutions(after.SerializeToString()) == 2


def test_back_again_from_unsigned_to_signed_is_exact_as_well() -> None:
    there, _ = fixed(for_onnxruntime(S8, relu=False), VNNI)
    back, _ = fixed(there, "tensorrt")
    assert parameters(back) == [(np.float32(0.05), 0)] * 2


def test_weights_and_biases_keep_their_integers() -> None:
    before, target = for_onnxruntime(S8), VNNI
    stored = [value for name, value in initializers(before.graph).items() if name.endswith("w/steps")]
    after, _ = fixed(before, target)
    written = [value for name, value in initializers(after.graph).items() if name.endswith("/weight/quantized")]
    assert len(stored) == len(written) == 2
    assert all(np.array_equal(old, new) for old, new in zip(stored, written, strict=True))


def uint8_after_relu() -> onnx.ModelProto:
    """As NNCF writes it: UINT8 with zero point 0 behind a ReLU; x reaches 200 of 255 steps."""
    net = Builder()
    r = net.node("Relu", ["x"], "r")
    return net.model(net.layer(net.pair(r, 0.02, np.uint8(0)), "y"))


def test_uint8_for_tensorrt_becomes_int8_with_scale_times_255_by_127() -> None:
    after, report = fixed(uint8_after_relu(), "tensorrt")
    [(scale, zero_point)] = parameters(after)
    assert scale == pytest.approx(0.02 * 255 / 127, rel=1e-6)
    assert (zero_point, zero_point.dtype) == (0, np.dtype(np.int8))
    assert report.left == ()


def test_the_proof_shows_the_half_of_the_range_that_tensorrt_cuts_off() -> None:
    net = Builder()
    _, report = fixed(net.model(net.layer(net.pair("x", 0.02, np.uint8(0)), "y")), "tensorrt")
    assert report.before is not None and report.after is not None
    assert report.before.error is not None and report.after.error is not None
    assert report.before.error > 10 * report.after.error > 0
    assert report.before.note == "emulated, UINT8 read as INT8"
    x = np.full((1, 16, SIDE, SIDE), 5.0, np.float32)  # 250 steps of 0.02, of which TensorRT keeps 127
    assert np.abs(run(saturating_uint8(uint8_after_relu()), x)).max() < 0.6 * np.abs(run(uint8_after_relu(), x)).max()


def test_what_tensorrt_refuses_has_no_error_before_but_the_reason() -> None:
    _, report = fixed(for_onnxruntime(U8), "tensorrt")
    assert report.before is not None and report.after is not None
    assert report.before.error is None
    assert report.before.note == "not run: tensorrt refuses the file (int32-bias, nonzero-zero-point)"
    assert report.after.error is not None


def relu_in_the_zero_point() -> onnx.ModelProto:
    """As ONNX Runtime's quantiser writes it: the ReLU is gone, zero point -128 cuts off what is negative."""
    net = Builder()
    folded = np.int8(-128)
    a = net.pair(net.layer(net.pair("x", zero_point=S8), "a"), 0.05, folded)
    return net.model(net.pair(net.layer(a, "b"), zero_point=S8))


def test_a_relu_that_a_zero_point_replaced_is_put_back() -> None:
    before = relu_in_the_zero_point()
    after, report = fixed(before, "tensorrt")
    assert [node.op_type for node in after.graph.node].count("Relu") == 1
    assert "Relu put back that a zero point had replaced: 1" in report.changed
    assert report.after is not None and report.after.error is not None and report.after.error < 0.05


def test_a_tensor_that_cannot_be_negative_gets_no_relu() -> None:
    for kind in ("Relu", "Sigmoid"):
        net = Builder()
        squashed = net.pair(net.node(kind, ["x"], "r"), 0.02, np.int8(-128))
        recovered = read_plan(plain(net.model(net.layer(squashed, "y"))), FORMS["tensorrt"])
        assert recovered.restored == ()


def test_a_range_follows_backwards_through_a_pooling() -> None:
    net = Builder()
    a = net.node("Relu", [net.layer(net.pair("x", zero_point=U8), "a")], "ar")
    pooled = net.node("MaxPool", [a], "p", kernel_shape=[2, 2])
    y = net.pair(net.layer(net.pair(pooled, 0.04, U8), "b"), zero_point=U8)
    _, report = fixed(net.model(y), VNNI)
    assert report.kept_float == {}
    assert report.left == ()


def test_a_range_follows_forwards_through_an_average_and_a_join() -> None:
    net = Builder()
    x = net.pair("x", 0.03, U8)
    both = net.node(
        "Concat", [net.node("GlobalAveragePool", [x], "m"), net.node("GlobalMaxPool", [x], "n")], "c", axis=1
    )
    net.node("Sigmoid", [both], "s")
    recovered = read_plan(plain(net.model("s")), FORMS[VNNI])
    assert recovered.plan.placement["onnxruntime"] == ("globalaveragepool_m",)
    assert recovered.plan.ranges["m"] == recovered.plan.ranges["x"]
    assert recovered.derived == ("m",)


def test_a_layer_whose_output_range_nobody_knows_goes_to_float_and_the_report_says_so() -> None:
    after, report = fixed(for_tensorrt(), VNNI)
    assert report.kept_float == {"conv_y": "the file holds no range for tensor 'y'"}
    kinds = [node.op_type for node in after.graph.node]
    assert kinds.count("Conv") == 2
    assert "y" not in {node.input[0] for node in after.graph.node if node.op_type == "QuantizeLinear"}


def test_a_layer_without_a_kernel_goes_to_float_with_its_reason() -> None:
    net = Builder()
    a = net.layer(net.pair("x"), "a", shape=(8, 16, 1, 3))
    _, report = fixed(net.model(a), "tensorrt")
    assert list(report.kept_float) == ["conv_a"]
    assert "channels" in report.kept_float["conv_a"]


def test_scales_of_single_channels_become_one_that_covers_all() -> None:
    net = Builder()
    scales = np.linspace(0.01, 0.05, 16, dtype=np.float32)
    y = net.layer(net.pair("x", scales, np.zeros(16, np.int8), axis=1), "y", shape=(16, 1, 3, 3), group=16)
    after, _ = fixed(net.model(y), "tensorrt")
    assert parameters(after) == [(np.float32(0.05), 0)]


def test_two_pairs_on_one_tensor_become_one_that_covers_both() -> None:
    net = Builder()
    a, b = net.layer(net.pair("x", 0.01), "a"), net.layer(net.pair("x", 0.03), "b")
    after, report = fixed(net.model(a, b), "tensorrt")
    assert parameters(after) == [(np.float32(0.03), 0)]
    assert report.left == ()


def test_reduced_weights_are_written_once_and_not_shrunk_again() -> None:
    once, _ = fixed(for_onnxruntime(S8), REDUCED)
    weights = [v for n, v in initializers(once.graph).items() if n.endswith("/weight/quantized")]
    assert {int(np.abs(value.astype(int)).max()) for value in weights} == {63}
    model = plain(once)
    again, _ = fix(model, FORMS[REDUCED], ())
    rewritten = [v for n, v in initializers(again.graph).items() if n.endswith("/weight/quantized")]
    assert all(np.array_equal(old, new) for old, new in zip(weights, rewritten, strict=True))


@pytest.mark.parametrize("target", EVERY)
def test_what_was_fixed_is_clean(target: str) -> None:
    for model in (for_tensorrt(), for_onnxruntime(), uint8_after_relu(), relu_in_the_zero_point()):
        assert lint(plain(rewritten(model, target)), (target,)) == ()


def test_a_clean_file_is_copied_byte_for_byte(tmp_path: Path) -> None:
    source, out = tmp_path / "clean.onnx", tmp_path / "out.onnx"
    source.write_bytes(for_tensorrt().SerializeToString() + b"\xfa\x3e\x03abc")  # an unknown field, kept as it is
    report = fix_file(source, plain(for_tensorrt()), FORMS["tensorrt"], out)
    assert out.read_bytes() == source.read_bytes()
    assert (report.changed, report.before, report.after) == ((), None, None)


def test_fake_quantised_weights_keep_their_float_values_until_the_end() -> None:
    net = Builder()
    values = net.rng.normal(0, 0.1, (16, 16, 3, 3)).astype(np.float32)
    scales = (np.abs(values).max((1, 2, 3)) / 127).astype(np.float32)
    weights = net.pair(net.constant("w", values), scales, np.zeros(16, np.int8), axis=0)
    y = net.layer(net.pair("x", zero_point=np.uint8(0)), "y", weights=weights)
    model = net.model(y)
    recovered = read_plan(plain(model), FORMS["tensorrt"])
    assert np.array_equal(initializers(recovered.model.graph)[weights], values)
    after, _ = fixed(model, "tensorrt")
    assert np.array_equal(
        initializers(after.graph)["conv_y/weight/quantized"],
        np.clip(np.rint(values / scales[:, None, None, None]), -127, 127),
    )


def test_names_of_inputs_and_outputs_stay() -> None:
    for target in EVERY:
        before = for_onnxruntime()
        after = rewritten(before, target)
        assert [item.name for item in after.graph.input] == ["x"]
        assert [item.name for item in after.graph.output] == [item.name for item in before.graph.output]


def test_an_input_that_is_also_an_output_keeps_both_names() -> None:
    net = Builder()
    x = net.pair("x", zero_point=np.uint8(0))
    net.layer(x, "y")
    after, _ = fixed(net.model("y", x), "tensorrt")
    onnx.checker.check_model(after, full_check=True)
    assert [item.name for item in after.graph.output] == ["y", x]


def half_file() -> onnx.ModelProto:
    """INT8 + FP16 with UINT8 activations: scales and everything between Q/DQ in FP16, input and output in FP32."""
    net = Builder()
    half = {"scale": np.asarray(0.02, np.float16), "zero_point": np.uint8(0)}
    x = net.node("Relu", [net.node("Cast", ["x"], "xh", to=TensorProto.FLOAT16)], "r")
    steps, scales = net.steps(16, 16, 3, 3), np.full(16, 0.01, np.float16)
    inputs = [
        net.constant("w/steps", steps),
        net.constant("w/scale", scales),
        net.constant("w/zero", np.zeros(16, np.int8)),
    ]
    w = net.node("DequantizeLinear", inputs, "w", axis=0)
    y = net.layer(net.pair(x, **half), "yh", weights=w)
    return net.model(net.node("Cast", [y], "y", to=TensorProto.FLOAT))


@pytest.mark.parametrize("target", ["tensorrt", "tensorrt-mixed", VNNI])
def test_an_fp16_file_is_fixed_and_its_ends_keep_their_type(target: str) -> None:
    after, report = fixed(half_file(), target)
    ends = [*after.graph.input, *after.graph.output]
    assert {item.type.tensor_type.elem_type for item in ends} == {TensorProto.FLOAT}
    kinds = {tensor.data_type for tensor in after.graph.initializer}
    assert (TensorProto.FLOAT16 in kinds) == (target == "tensorrt-mixed")
    assert report.left == ()
    assert report.after is not None and report.after.error is not None and report.after.error < 0.1


def test_fp16_inputs_and_outputs_stay_fp16() -> None:
    model = half_file()
    for item in (*model.graph.input, *model.graph.output):
        item.type.tensor_type.elem_type = TensorProto.FLOAT16
    for node in [node for node in model.graph.node if node.op_type == "Cast"]:
        node.attribute[0].i = TensorProto.FLOAT16
    after, _ = fixed(model, "tensorrt")
    onnx.checker.check_model(after, full_check=True)
    ends = [*after.graph.input, *after.graph.output]
    assert {item.type.tensor_type.elem_type for item in ends} == {TensorProto.FLOAT16}


def test_an_old_opset_is_raised_where_the_writer_needs_it() -> None:
    net = Builder(opset=10)
    scale, zero = net.constant("s", np.float32(0.02)), net.constant("z", np.uint8(0))
    q = net.node("QuantizeLinear", ["x", scale, zero], "q")
    d = net.node("DequantizeLinear", [q, scale, zero], "d")
    steps = [
        net.constant("w/q", net.steps(16, 16, 3, 3)),
        net.constant("w/s", np.float32(0.01)),
        net.constant("w/z", S8),
    ]
    w = net.node("DequantizeLinear", steps, "w")
    after, report = fixed(net.model(net.layer(d, "y", weights=w)), "tensorrt")
    assert after.opset_import[0].version == 20
    assert report.left == ()


def test_integers_as_network_inputs_are_refused() -> None:
    net = Builder()
    net.node("DequantizeLinear", ["x", net.constant("s", np.float32(0.02)), net.constant("z", np.uint8(0))], "d")
    model = net.model(net.layer("d", "y"))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 16, SIDE, SIDE]))
    with pytest.raises(ModelFileError, match="reads integers 'x' that no QuantizeLinear made"):
        fixed(model, "tensorrt")


def test_integers_that_another_operator_reads_are_refused() -> None:
    net = Builder()
    net.layer(net.pair("x"), "y")
    net.node("Cast", ["x.q0"], "z", to=TensorProto.FLOAT)
    with pytest.raises(ModelFileError, match="gives INT8 to Cast"):
        fixed(net.model("y", "z"), "tensorrt")


def test_weights_whose_scale_is_computed_are_refused() -> None:
    net = Builder()
    scale = net.node("ReduceMax", ["x"], "scale", keepdims=0)
    w = net.node("DequantizeLinear", [net.constant("q", net.steps(16, 16, 3, 3)), scale, net.constant("z", S8)], "w")
    with pytest.raises(ModelFileError, match="scale computed while the network runs"):
        fixed(net.model(net.layer(net.pair("x"), "y", weights=w)), "tensorrt")


def test_a_range_between_two_ends_of_a_clip_needs_no_calibration() -> None:
    net = Builder()
    a = net.layer(net.pair("x", zero_point=U8), "a")
    clipped = net.node("Clip", [a, net.constant("lo", np.float32(0)), net.constant("hi", np.float32(6))], "c")
    recovered = read_plan(plain(net.model(net.node("Sigmoid", [clipped], "y"))), FORMS[VNNI])
    assert recovered.plan.ranges["c"] == Range(0.0, 6.0)


def test_a_transposed_linear_layer_keeps_its_scales() -> None:
    net = Builder()
    flat = net.node("Flatten", [net.node("GlobalAveragePool", ["x"], "g")], "f")
    scales = net.rng.uniform(0.001, 0.003, 24).astype(np.float32)
    steps = net.steps(24, 16)
    stored = net.stored("w", steps, scales, axis=0)
    y = net.node("MatMul", [net.pair(flat, zero_point=np.uint8(0)), net.node("Transpose", [stored], "wt")], "y")
    model = net.model(y)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 24]))
    assert "weight-axis" not in {finding.rule for finding in lint(plain(model))}
    after, report = fixed(model, "tensorrt")
    assert report.kept_float == {}
    constants = initializers(after.graph)
    assert np.array_equal(constants["matmul_y/weight/quantized"], steps.T)
    assert np.allclose(constants["matmul_y/weight/scale"], scales, rtol=1e-6)
