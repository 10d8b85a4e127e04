"""Every form on four kinds of network: INT8 where it says so on the runtime itself, and the numbers of the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edgeneuro.benchmarks.nets import UNet
from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BackendError, UsageError
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.census import int8_convolutions, openvino_int8_convolutions
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS, form_named
from edgeneuro.export.graph import consumers, initializers, producers
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.parity import parity_fault
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.models.mobilenet import MobileNetV2
from edgeneuro.models.resnet import ResNet18
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Feed
from tests.export.conftest import SIDE, settled, stanet

NETS: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "stanet": lambda: (stanet(), 1),
    "resnet18": lambda: (settled(ResNet18(classes=3, channels=3), 3, SIDE), 3),
    "mobilenet": lambda: (settled(MobileNetV2(classes=3, channels=3), 3, SIDE), 3),
    "unet": lambda: (settled(UNet(classes=2, channels=1), 1, SIDE), 1),
}
needs_vnni = pytest.mark.skipif("vnni" not in cpu_features(), reason="this processor shows no VNNI")


@dataclass(frozen=True)
class Net:
    graph: onnx.ModelProto
    feeds: tuple[Feed, ...]
    plan: Plan

    def lowered(self, form: str, nodes: tuple[str, ...]) -> onnx.ModelProto:
        chosen = form_named(form)
        return lower(self.graph, with_placement(self.plan, chosen.target, nodes), chosen)

    def widest(self, form: str) -> tuple[str, ...]:
        """Every layer, and what lies between them."""
        placements = candidate_placements(self.graph, form_named(form))
        return max(placements.values(), key=len)

    def convolutions(self, nodes: tuple[str, ...]) -> int:
        return sum(node.op_type == "Conv" and node.name in nodes for node in self.graph.graph.node)

    def error(self, lowered: onnx.ModelProto) -> float:
        expected = stacked_outputs(open_emulated(self.graph), self.feeds)
        return relative_error(stacked_outputs(open_emulated(lowered), self.feeds), expected)


@pytest.fixture(scope="module", params=NETS)
def net(request: pytest.FixtureRequest) -> Net:
    network, channels = NETS[request.param]()
    graph, _ = export_onnx(network, channels=channels, height=SIDE, width=SIDE)
    rng = np.random.default_rng(1)
    name = graph.graph.input[0].name
    feeds = [{name: rng.standard_normal((1, channels, SIDE, SIDE)).astype(np.float32)} for _ in range(6)]
    return Net(graph=graph, feeds=tuple(feeds), plan=calibrated_plan(graph, feeds))


@needs_vnni
def test_onnxruntime_runs_every_placed_convolution_in_int8(net: Net) -> None:
    nodes = net.widest("onnxruntime-x86-vnni")
    content = net.lowered("onnxruntime-x86-vnni", nodes).SerializeToString()
    assert int8_convolutions(content) == net.convolutions(nodes) > 0


@needs_vnni
def test_onnxruntime_leaves_in_float_what_the_plan_leaves_in_float(net: Net) -> None:
    everything = net.widest("onnxruntime-x86-vnni")
    convolutions = [node.name for node in net.graph.graph.node if node.op_type == "Conv"]
    nodes = tuple(node for node in everything if node not in convolutions[1::3])  # between quantised neighbours
    content = net.lowered("onnxruntime-x86-vnni", nodes).SerializeToString()
    assert int8_convolutions(content) == net.convolutions(nodes)


def test_openvino_runs_every_placed_convolution_in_int8(net: Net) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    nodes = net.widest("openvino")
    assert openvino_int8_convolutions(net.lowered("openvino", nodes).SerializeToString()) == net.convolutions(nodes)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("onnxruntime-x86-vnni", marks=needs_vnni),
        "onnxruntime-x86",
        pytest.param("openvino", marks=needs_vnni),
        "openvino-reduced",
    ],
)
def test_the_runtime_computes_what_the_graph_says(net: Net, form: str) -> None:
    backend = form_named(form).backend
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    content = net.lowered(form, net.widest(form)).SerializeToString()
    assert parity_fault(net.graph.SerializeToString(), content, backend, net.feeds, threads=1) is None


def test_tensorrt_takes_the_graph_without_a_warning_and_runs_its_convolutions_in_int8(net: Net) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    nodes, _ = placement_by_rule(net.graph, form_named("tensorrt"))
    report = evidence(net.lowered("tensorrt", nodes).SerializeToString(), compute_capabilities=("8.6",))
    assert report.warnings == ()
    assert report.layers is not None
    assert report.layers.int8_convolutions == net.convolutions(nodes) > 0


def test_tensorrt_runs_the_rest_of_a_mixed_graph_in_half_precision(net: Net) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    convolutions = [node.name for node in net.graph.graph.node if node.op_type == "Conv"]
    half = set(convolutions[::2])
    nodes = tuple(name for name in placement_by_rule(net.graph, form_named("tensorrt"))[0] if name not in half)
    layers = evidence(net.lowered("tensorrt-mixed", nodes).SerializeToString(), compute_capabilities=("8.6",)).layers
    assert layers is not None
    assert layers.int8_convolutions == net.convolutions(nodes)
    assert len(half) - 1 <= layers.half_convolutions <= len(half)  # a stem may be fused and not listed by name


def test_tensorrt_takes_the_graph_in_fp8_for_gpus_that_have_it(net: Net) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    nodes, _ = placement_by_rule(net.graph, form_named("tensorrt-fp8"))
    content = net.lowered("tensorrt-fp8", nodes).SerializeToString()
    assert evidence(content, compute_capabilities=("8.9", "12.0")).warnings == ()
    with pytest.raises(BackendError, match="fp8"):
        evidence(content, compute_capabilities=("8.6",))


@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.operators])
def test_every_form_stays_close_to_float_without_being_float(net: Net, form: str) -> None:
    nodes = placement_by_rule(net.graph, form_named(form))[0]
    limit = 0.7 if form_named(form).float8 else 0.4  # FP8 has 3 bits of mantissa
    assert 0.0 < net.error(net.lowered(form, nodes)) < limit  # an untrained network on noise: nothing is redundant


def test_signed_activations_are_the_unsigned_ones_shifted_by_128_to_the_bit(net: Net) -> None:
    form = form_named("onnxruntime-x86-vnni")
    plan = with_placement(net.plan, form.target, net.widest(form.name))
    unsigned = stacked_outputs(open_emulated(lower(net.graph, plan, form)), net.feeds)
    signed = stacked_outputs(open_emulated(lower(net.graph, plan, replace(form, activations="signed"))), net.feeds)
    assert all(np.array_equal(signed[name], values) for name, values in unsigned.items())


def test_tensorrt_form_has_no_unsigned_tensor_no_zero_point_and_no_integer_bias(net: Net) -> None:
    lowered = net.lowered("tensorrt", placement_by_rule(net.graph, form_named("tensorrt"))[0])
    constants = initializers(lowered.graph)
    zero_points = [constants[node.input[2]] for node in lowered.graph.node if "QuantizeLinear" in node.op_type]
    zero_points += [constants[node.input[2]] for node in lowered.graph.node if node.op_type == "DequantizeLinear"]
    assert {values.dtype.name for values in zero_points} == {"int8"}
    assert not any(values.any() for values in zero_points)


def test_on_tensorrt_an_addition_reads_its_convolution_in_float_and_its_skip_branch_in_int8(net: Net) -> None:
    nodes = placement_by_rule(net.graph, form_named("tensorrt"))[0]
    lowered = net.lowered("tensorrt", nodes)
    makers = producers(lowered.graph)
    for node in lowered.graph.node:
        if node.op_type == "Add" and node.name in nodes:
            assert sorted(makers[name].op_type for name in node.input) == ["Conv", "DequantizeLinear"]


def test_a_tensor_with_several_readers_is_quantised_once(net: Net) -> None:
    lowered = net.lowered("onnxruntime-x86-vnni", net.widest("onnxruntime-x86-vnni"))
    for readers in consumers(lowered.graph).values():
        assert sum(node.op_type == "QuantizeLinear" for node in readers) <= 1


def dense(transposed: bool) -> onnx.ModelProto:
    """y = x W + b with two features in and three out, the weights as rows of inputs or, transposed, of outputs."""
    weights = np.array([[1.0, -2.0, 0.5], [0.25, 4.0, -1.0]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["g"], name="dense", transB=int(transposed)),
            helper.make_node("Abs", ["g"], ["y"], name="abs"),
        ],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(weights.T if transposed else weights, "w"),
            numpy_helper.from_array(np.array([1.0, 0.0, -1.0], np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.operators and not form.half])
@pytest.mark.parametrize("transposed", [False, True])
def test_fully_connected_layers_have_one_scale_for_each_output(form: str, transposed: bool) -> None:
    chosen = form_named(form)
    plan = Plan(
        method="by hand",
        ranges={"x": Range(-4.0, 4.0), "g": Range(-20.0, 20.0)},
        biases={},
        placement={chosen.target: ("dense",)},
    )
    lowered = lower(dense(transposed), plan, chosen)
    y = open_emulated(lowered).run({"x": np.array([[2.0, -1.0]], np.float32)})["y"]
    assert y == pytest.approx(np.abs([[2.75, -8.0, 1.0]]), abs=0.2)
    scale = initializers(lowered.graph)["dense/weight/scale"]
    assert scale == pytest.approx(np.array([1.0, 4.0, 1.0]) / (448 if chosen.float8 else chosen.weight_limit))


def test_scales_of_the_plan_take_the_place_of_the_largest_weight() -> None:
    chosen = form_named("tensorrt")
    plan = Plan(
        method="by hand",
        ranges={"x": Range(-4.0, 4.0)},
        biases={},
        placement={"tensorrt": ("dense",)},
        weight_scales={"dense": (0.5, 0.25, 0.125)},
    )
    constants = initializers(lower(dense(False), plan, chosen).graph)
    assert constants["dense/weight/scale"].tolist() == [0.5, 0.25, 0.125]
    assert constants["dense/weight/quantized"].tolist() == [[2, -8, 4], [0, 16, -8]]


def test_an_unknown_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="target 'tpu': is not known, expected one of onnxruntime-x86-vnni"):
        form_named("tpu")
