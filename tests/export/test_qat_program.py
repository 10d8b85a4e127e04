"""The graph that is trained is the graph that is deployed."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS, Form
from edgeneuro.export.lower import lower
from edgeneuro.export.onnx_export import INPUT, OUTPUT, export_onnx
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.qat_program import lowered_program, program_of, with_corrected_biases
from edgeneuro.export.qat_weights import find_weights
from edgeneuro.export.quantizable import quantizable_nodes, tensors_needing_ranges
from edgeneuro.spec import Float32
from edgeneuro.training.qat_network import ProgramNetwork
from tests.export.conftest import SIDE, Exported, stanet

INT8_FORMS = [name for name, form in FORMS.items() if form.operators and not form.half]


def everything(model: onnx.ModelProto, plan: Plan, form: Form) -> Plan:
    """`plan` with every node that `form` can run in INT8."""
    return with_placement(plan, form.target, tuple(node.name for node in quantizable_nodes(model, form)))


def run_torch(network: nn.Module, frames: Float32) -> Float32:
    with torch.no_grad():
        logits: Float32 = network(torch.from_numpy(frames)).numpy()
    return logits


def run_onnx(model: onnx.ModelProto, frames: Float32) -> Float32:
    logits: Float32 = open_emulated(model).run({INPUT: frames})[OUTPUT]
    return logits


def test_the_float_program_is_the_float_graph(exported: Exported) -> None:
    parameters = graphs.initializers(exported.graph).keys()
    network = ProgramNetwork(program_of(exported.graph, [name for name in parameters if "weight" in name]))
    np.testing.assert_allclose(
        run_torch(network, exported.frames), run_onnx(exported.graph, exported.frames), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", INT8_FORMS)
def test_the_rounded_program_is_the_lowered_graph_up_to_float_sums(exported: Exported, name: str) -> None:
    form = FORMS[name]
    plan = everything(exported.graph, exported.plan, form)
    graph, unbiased = with_corrected_biases(exported.graph, plan)
    got = run_torch(ProgramNetwork(lowered_program(graph, unbiased, form, [])), exported.frames)
    expected = run_onnx(lower(exported.graph, plan, form), exported.frames)
    lost = np.abs(expected - run_onnx(exported.graph, exported.frames)).max()
    assert lost > 1e-3  # rounding can be seen at all
    assert np.abs(got - expected).max() < 0.02 * lost


class Exact(nn.Module):
    """Two convolutions, an addition and a head, all numbers powers of two apart: float32 sums them without rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)
        rng = np.random.default_rng(0)
        with torch.no_grad():
            for layer in (self.first, self.second):
                steps = rng.integers(-126, 127, layer.weight.shape)
                steps[:, 0, 0, 0] = 127  # so that the scale is 1/64
                layer.weight.copy_(torch.from_numpy(steps / 64 + rng.choice([0, 1 / 256], steps.shape) * (steps < 127)))
                layer.bias.copy_(torch.from_numpy(rng.integers(-99, 99, 4) / 64))  # type: ignore[union-attr]
            self.head.weight.copy_(torch.from_numpy(rng.integers(-3, 4, (2, 4))))
            self.head.bias.copy_(torch.tensor([1.0, -2.0]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(image))
        x = torch.relu(self.second(x) + x)
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits


@pytest.mark.parametrize("name", INT8_FORMS)
def test_with_sums_that_are_exact_the_program_is_the_lowered_graph_to_the_bit(name: str) -> None:
    form = FORMS[name]
    frames = (np.random.default_rng(1).integers(-300, 300, (5, 1, 8, 8)) / 64).astype(np.float32)
    graph, _ = export_onnx(Exact(), channels=1, height=8, width=8)
    top = 127.0 if form.activations == "symmetric" else 255.0
    ranges = {tensor: Range(0.0, top / 16) for tensor in tensors_needing_ranges(graph)}
    plan = everything(graph, Plan(method="made up", ranges=ranges, biases={}), form)
    got = run_torch(ProgramNetwork(lowered_program(graph, plan, form, [])), frames)
    expected = run_onnx(lower(graph, plan, form), frames)
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(expected, run_onnx(graph, frames))


def test_corrected_biases_start_the_training_and_leave_the_plan(exported: Exported) -> None:
    name = graphs.convolutions(exported.graph.graph)[0].name
    node = graphs.convolutions(exported.graph.graph)[0]
    before = graphs.initializers(exported.graph.graph)[node.input[2]]
    plan = replace(exported.plan, biases={name: tuple(float(value) + 1 for value in before)})
    graph, unbiased = with_corrected_biases(exported.graph, plan)
    np.testing.assert_allclose(graphs.initializers(graph.graph)[node.input[2]], before + 1)
    assert unbiased.biases == {} and unbiased.ranges == plan.ranges
    np.testing.assert_array_equal(graphs.initializers(exported.graph.graph)[node.input[2]], before)


@pytest.mark.parametrize("name", INT8_FORMS)
def test_every_weight_of_the_network_gets_a_gradient(name: str) -> None:
    network = stanet()
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    weights = find_weights(network, graph, torch.zeros(1, 1, SIDE, SIDE))
    ranges = {tensor: Range(-4.0, 4.0) for tensor in tensors_needing_ranges(graph)}
    plan = everything(graph, Plan(method="made up", ranges=ranges, biases={}), FORMS[name])
    rounded = ProgramNetwork(lowered_program(graph, plan, FORMS[name], weights.owners))
    frames = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 1, SIDE, SIDE)).astype(np.float32))
    loss = nn.functional.cross_entropy(rounded(frames), torch.tensor([0, 1, 2, 0]))
    gradients = torch.autograd.grad(loss, list(rounded.weights))
    assert len(gradients) == len(weights.owners)
    names = rounded.program.parameters
    still = [name for name, gradient in zip(names, gradients, strict=True) if not gradient.abs().sum() > 0]
    assert still == []


def test_a_half_precision_form_is_refused(exported: Exported) -> None:
    form = FORMS["tensorrt-mixed"]
    with pytest.raises(ModelFileError, match="partly FP16, which is not trained"):
        lowered_program(exported.graph, everything(exported.graph, exported.plan, form), form, [])
