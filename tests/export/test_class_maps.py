"""A network that explains itself: its class maps are a second output of every graph, and the logits remain their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edgeneuro.calibration.ranges import activation_parameters
from edgeneuro.errors import ModelFileError
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS, form_named
from edgeneuro.export.graph import initializers
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import explains, export_onnx, largest_difference
from edgeneuro.export.outcomes import answer
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.qat_trainee import rounded_trainee
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.export.specs import output_specs
from edgeneuro.manifest import Compute
from edgeneuro.models import MODELS
from edgeneuro.models.build import build_model
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.runtime.postprocess import softmax
from edgeneuro.spec import Feed
from edgeneuro.training.qat_network import ProgramNetwork
from tests.explaining import CLASSES, MACS, PARAMETERS, SIDE, Explaining
from tests.export.conftest import settled

SUMMED = 1e-5
"""Of float32 sums in another order: a mean of 64 values below 10, each right to 6e-8 of itself."""


@dataclass(frozen=True)
class Toy:
    network: Explaining
    graph: onnx.ModelProto
    compute: Compute
    feeds: tuple[Feed, ...]
    plan: Plan

    @property
    def head(self) -> tuple[str, str]:
        """Names of the classifier's convolution, and of the pooling behind it."""
        (convolution,) = (node for node in self.graph.graph.node if "class_maps" in node.output)
        (pooling,) = (node for node in self.graph.graph.node if node.op_type == "GlobalAveragePool")
        return convolution.name, pooling.name

    def lowered(self, form: str, nodes: tuple[str, ...]) -> onnx.ModelProto:
        chosen = form_named(form)
        return lower(self.graph, with_placement(self.plan, chosen.target, nodes), chosen)


@pytest.fixture(scope="module")
def toy() -> Toy:
    torch.manual_seed(0)
    network = Explaining()
    settled(network, 1, SIDE)
    graph, compute = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    rng = np.random.default_rng(1)
    feeds = tuple({"image": rng.standard_normal((1, 1, SIDE, SIDE)).astype(np.float32)} for _ in range(6))
    return Toy(network, graph, compute, feeds, calibrated_plan(graph, feeds))


def disagreement(toy: Toy, backend: Backend) -> float:
    """Largest difference between a logit and the mean of its map plus the bias."""
    bias = toy.network.bias.detach().numpy()
    runs = [backend.run(feed) for feed in toy.feeds]
    return max(float(np.abs(run["class_maps"].mean((2, 3)) + bias - run["logits"]).max()) for run in runs)


def scale_of(lowered: onnx.ModelProto, tensor: str) -> float:
    return float(initializers(lowered.graph)[f"{tensor}/scale"])


# --- float


def test_the_graph_gives_logits_then_class_maps_and_both_are_those_of_torch(toy: Toy) -> None:
    assert [item.name for item in toy.graph.graph.output] == ["logits", "class_maps"]
    frames = np.concatenate([feed["image"] for feed in toy.feeds])
    assert largest_difference(toy.network, toy.graph, frames) < 1e-5
    (maps,) = (item.type.tensor_type.shape.dim for item in toy.graph.graph.output if item.name == "class_maps")
    assert [dim.dim_param or dim.dim_value for dim in maps] == ["batch", CLASSES, 8, 8]


def test_the_maps_cost_nothing_they_are_on_the_way_to_the_logits(toy: Toy) -> None:
    assert (toy.compute.params, toy.compute.macs) == (PARAMETERS, MACS)
    assert sum(node.op_type == "Conv" for node in toy.graph.graph.node) == 4


def test_the_deployed_skin_network_has_the_size_its_page_states() -> None:
    network = build_model("skin", classes=7, channels=3)
    graph, compute = export_onnx(network, channels=3, height=224, width=224)
    assert compute.params == 181_223
    # 63.24 M with the classifier behind the pooling; as a convolution it is applied at 49 places in place of one
    assert compute.macs == 63_236_096 + 48 * 256 * 7 == 63_322_112
    assert [[dim.dim_value for dim in item.type.tensor_type.shape.dim[1:]] for item in graph.graph.output] == [
        [7],
        [7, 7, 7],
    ]


def test_the_table_says_which_models_explain_themselves() -> None:
    rows = {name: row for name, row in MODELS.items() if not (row.masks or row.responses)}
    with torch.device("meta"):
        found = {name: explains(build_model(name, classes=4, channels=row.channels)) for name, row in rows.items()}
    assert found == {name: row.explains for name, row in rows.items()}


def test_a_mean_of_the_maps_plus_the_bias_is_the_logit(toy: Toy) -> None:
    assert disagreement(toy, open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1)) < SUMMED


def test_weights_keep_the_names_they_have_in_the_network(toy: Toy) -> None:
    assert {"classifier.weight", "bias"} <= set(initializers(toy.graph.graph))
    assert not any(name.startswith("network.") for name in initializers(toy.graph.graph))


def test_maps_that_differ_from_those_of_the_network_are_refused(toy: Toy) -> None:
    broken = onnx.ModelProto.FromString(toy.graph.SerializeToString())
    (pooling,) = (node for node in broken.graph.node if node.op_type == "GlobalAveragePool")
    (convolution,) = (node for node in broken.graph.node if "class_maps" in node.output)
    pooling.input[0] = convolution.output[0] = "true maps"  # the logits stay right
    broken.graph.node.append(onnx.helper.make_node("Neg", ["true maps"], ["class_maps"]))
    with pytest.raises(ModelFileError, match=r"class_maps differs from the PyTorch network by 2 of the largest"):
        largest_difference(toy.network, broken, toy.feeds[0]["image"])


def test_the_manifest_describes_the_axes_of_both_outputs(toy: Toy) -> None:
    outputs = open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1).run(toy.feeds[0])
    of_feeds = {name: values[None] for name, values in outputs.items()}
    logits, maps = output_specs(toy.graph, "classification", of_feeds, free_batch=True)
    assert (logits.name, logits.axes, logits.unit) == ("logits", ("batch", "class"), "logit")
    assert (maps.name, maps.shape) == ("class_maps", (-1, CLASSES, 8, 8))
    assert maps.axes == ("batch", "class", "height", "width")
    assert maps.unit.startswith("logit at one place")


def test_what_is_judged_are_the_logits_alone(toy: Toy) -> None:
    backend = open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1)
    found = answer(backend, toy.feeds[0], "classification")
    np.testing.assert_allclose(found["probabilities"], softmax(backend.run(toy.feeds[0])["logits"])[0])


# --- in 8 bits


@pytest.mark.parametrize("form", [form for form in FORMS if FORMS[form].operators])
def test_no_search_and_no_rule_puts_q_dq_between_maps_and_logits(toy: Toy, form: str) -> None:
    placements = candidate_placements(toy.graph, form_named(form))
    by_rule, _ = placement_by_rule(toy.graph, form_named(form))
    assert placements and by_rule
    for nodes in (*placements.values(), by_rule):
        assert not set(toy.head).intersection(nodes)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_both_outputs_that_agree_and_breaks_no_rule_of_its_target(toy: Toy, form: str) -> None:
    nodes = max(candidate_placements(toy.graph, form_named(form)).values(), key=len, default=())
    lowered = toy.lowered(form, nodes)
    assert [item.name for item in lowered.graph.output] == ["logits", "class_maps"]
    assert lint(lowered, [form]) == ()
    if not form_named(form).half:  # in FP16 the pooling rounds each mean, and so does the addition
        assert disagreement(toy, open_emulated(lowered)) < SUMMED


def test_the_int8_engine_gives_maps_whose_means_are_its_logits(toy: Toy) -> None:
    """Nothing is rounded between the two: the classifier and its pooling are in float, everything before is in INT8."""
    form = "onnxruntime-x86"
    lowered = toy.lowered(form, max(candidate_placements(toy.graph, form_named(form)).values(), key=len))
    assert sum(node.op_type == "QuantizeLinear" for node in lowered.graph.node) >= 4
    backend = open_backend("onnxruntime", lowered.SerializeToString(), threads=1)
    assert disagreement(toy, backend) < SUMMED
    expected = open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1).run(toy.feeds[0])
    assert np.abs(backend.run(toy.feeds[0])["class_maps"] - expected["class_maps"]).max() > 1e-3  # it is another engine


@pytest.mark.parametrize("pooled", [False, True])
def test_a_plan_that_puts_the_classifier_into_int8_keeps_them_together_to_half_a_step(toy: Toy, pooled: bool) -> None:
    """The pair that closes the convolution stands in front of both readers, the output and the pooling, so that what is
    averaged is what is given out, whatever the steps of the maps are. A pooling in INT8 rounds the mean once more, to steps
    of its own: half of one at most, where the calibrated range holds all means, which min-max ranges do."""
    form = form_named("onnxruntime-x86")
    plan = calibrated_plan(toy.graph, toy.feeds, method="min-max")
    convolution, pooling = toy.head
    nodes = tuple(node.name for node in quantizable_nodes(toy.graph, form) if pooled or node.name != pooling)
    assert convolution in nodes
    lowered = lower(toy.graph, with_placement(plan, form.target, nodes), form)
    backend = open_backend("onnxruntime", lowered.SerializeToString(), threads=1)
    scale, _ = activation_parameters(plan.ranges["class_maps"], "unsigned")
    steps = backend.run(toy.feeds[0])["class_maps"] / scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)  # rounded before it is given out
    found = disagreement(toy, backend)
    if not pooled:
        assert found < SUMMED
        return
    (pool,) = (node for node in lowered.graph.node if node.name == pooling)
    step = scale_of(lowered, pool.output[0])
    assert SUMMED < found < step / 2 + SUMMED


def test_a_segmentation_keeps_its_last_convolution_in_int8() -> None:
    """The rule is for convolutions that are read on; a mask is read by nobody."""
    weight = np.ones((2, 8, 1, 1), np.float32)
    nodes = [
        onnx.helper.make_node("Conv", ["x", "first"], ["c"], name="first"),
        onnx.helper.make_node("Conv", ["c", "last"], ["y"], name="last"),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "mask",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 8, 6, 6])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 2, 6, 6])],
        [numpy_helper.from_array(np.ones((8, 8, 1, 1), np.float32), "first"), numpy_helper.from_array(weight, "last")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    placements = candidate_placements(model, form_named("onnxruntime-x86"))
    assert ("first", "last") in placements.values()


# --- trained with quantisation


def test_weights_trained_with_quantisation_come_back_into_the_network(toy: Toy) -> None:
    form = form_named("onnxruntime-x86")
    plan = with_placement(toy.plan, form.target, placement_by_rule(toy.graph, form)[0])
    trainee = rounded_trainee(toy.network, toy.graph, plan, form)
    assert isinstance(trainee.network, ProgramNetwork)
    assert {"classifier.weight", "bias"} <= set(trainee.network.trained())
    stored, _ = trainee.finish(trainee.network)  # raises where it exports to another graph
    assert isinstance(stored, Explaining)
