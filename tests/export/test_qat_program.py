"""The graph that is trained is the graph that is deployed."""

from dataclasses import dataclass, replace

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
from edgeneuro.export.qat_weights import Weights, check_same_graph, find_weights, with_weights
from edgeneuro.export.quantizable import quantizable_nodes, tensors_needing_ranges
from edgeneuro.spec import Float32
from edgeneuro.training.qat_network import ProgramNetwork
from tests.export.conftest import SIDE, stanet

INT8_FORMS = [name for name, form in FORMS.items() if form.operators and form.precision == "int8"]


@dataclass(frozen=True)
class Small:
    """STANet with its graph, frames, the smallest and largest value of every tensor, and who owns which weights."""

    network: nn.Module
    graph: onnx.ModelProto
    frames: Float32
    plan: Plan
    weights: Weights


@pytest.fixture(scope="module")
def small() -> Small:
    network = stanet()
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    frames = np.random.default_rng(1).standard_normal((6, 1, SIDE, SIDE)).astype(np.float32)
    observed = onnx.ModelProto.FromString(graph.SerializeToString())
    names = [name for name in tensors_needing_ranges(graph) if name != INPUT]
    observed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    seen = {**open_emulated(observed).run({INPUT: frames}), INPUT: frames}
    ranges = {name: Range(float(seen[name].min()), float(seen[name].max())) for name in (INPUT, *names)}
    first = graphs.convolutions(graph.graph)[0]
    bias = graphs.initializers(graph.graph)[first.input[2]]
    corrected = {first.name: tuple(float(value) + 0.125 for value in bias)}
    return Small(
        network=network,
        graph=graph,
        frames=frames,
        plan=Plan(method="made up", ranges=ranges, biases=corrected),
        weights=find_weights(network, graph, torch.zeros(1, 1, SIDE, SIDE)),
    )


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


def test_the_float_program_is_the_float_graph(small: Small) -> None:
    network = ProgramNetwork(program_of(small.graph, small.weights.owners))
    np.testing.assert_allclose(
        run_torch(network, small.frames), run_onnx(small.graph, small.frames), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", INT8_FORMS)
def test_the_rounded_program_is_the_lowered_graph_up_to_float_sums(small: Small, name: str) -> None:
    form = FORMS[name]
    plan = everything(small.graph, small.plan, form)
    graph, unbiased = with_corrected_biases(small.graph, plan)
    got = run_torch(ProgramNetwork(lowered_program(graph, unbiased, form, [])), small.frames)
    expected = run_onnx(lower(small.graph, plan, form), small.frames)
    lost = expected - run_onnx(small.graph, small.frames)
    assert np.abs(lost).max() > 1e-3  # rounding can be seen at all
    assert rms(got - expected) < 0.05 * rms(lost)  # a sum in another order may fall on the other side of a half


def rms(values: Float32) -> float:
    return float(np.sqrt(np.mean(values**2)))


class Exact(nn.Module):
    """Two convolutions, an addition and a head, all numbers powers of two apart: float32 sums them without rounding.

    limit: largest magnitude of a weight, in steps of 1/64."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)
        rng = np.random.default_rng(0)
        with torch.no_grad():
            for layer in (self.first, self.second):
                steps = rng.integers(1 - limit, limit, layer.weight.shape)
                steps[:, 0, 0, 0] = limit  # so that the scale is 1/64
                layer.weight.copy_(
                    torch.from_numpy(steps / 64 + rng.choice([0, 1 / 256], steps.shape) * (steps < limit))
                )
                layer.bias.copy_(torch.from_numpy(rng.integers(-99, 99, 4) / 64))  # type: ignore[union-attr]
            self.head.weight.copy_(torch.tensor([[limit, -3, 60, 9], [-limit, 30, 1, 0]]) / 64)
            self.head.bias.copy_(torch.tensor([1.0, -2.0]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(image))
        x = torch.relu(self.second(x) + x)
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def exact() -> onnx.ModelProto:
    return exact_graph(127)


def exact_graph(limit: int) -> onnx.ModelProto:
    return export_onnx(Exact(limit), channels=1, height=8, width=8)[0]


@pytest.mark.parametrize("name", INT8_FORMS)
def test_with_sums_that_are_exact_the_program_is_the_lowered_graph_to_the_bit(name: str) -> None:
    form = FORMS[name]
    frames = (np.random.default_rng(1).integers(-300, 300, (5, 1, 8, 8)) / 64).astype(np.float32)
    graph = exact_graph(form.weight_limit)
    top = 127.0 if form.activations == "symmetric" else 255.0
    ranges = {tensor: Range(0.0, top / 16) for tensor in tensors_needing_ranges(graph)}
    plan = everything(graph, Plan(method="made up", ranges=ranges, biases={}), form)
    got = run_torch(ProgramNetwork(lowered_program(graph, plan, form, [])), frames)
    expected = run_onnx(lower(graph, plan, form), frames)
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(expected, run_onnx(graph, frames))


def test_corrected_biases_start_the_training_and_leave_the_plan(small: Small) -> None:
    node = graphs.convolutions(small.graph.graph)[0]
    graph, unbiased = with_corrected_biases(small.graph, small.plan)
    before, after = (graphs.initializers(model.graph)[node.input[2]] for model in (small.graph, graph))
    np.testing.assert_array_equal(after, np.array(small.plan.biases[node.name], np.float32))
    np.testing.assert_allclose(after - before, 0.125, rtol=1e-5)
    assert unbiased.biases == {} and unbiased.ranges == small.plan.ranges


@pytest.mark.parametrize("name", INT8_FORMS)
def test_every_weight_of_the_network_gets_a_gradient(small: Small, name: str) -> None:
    plan = everything(small.graph, small.plan, FORMS[name])
    rounded = ProgramNetwork(lowered_program(small.graph, plan, FORMS[name], small.weights.owners))
    loss = nn.functional.cross_entropy(rounded(torch.from_numpy(small.frames)), torch.tensor([0, 1, 2, 0, 1, 2]))
    gradients = torch.autograd.grad(loss, list(rounded.weights))
    assert len(gradients) == len(small.weights.owners)
    names = rounded.program.parameters
    still = [name for name, gradient in zip(names, gradients, strict=True) if not gradient.abs().sum() > 0]
    assert still == []


def test_training_brings_a_coarsely_rounded_network_back_to_the_float_one(exact: onnx.ModelProto) -> None:
    form = replace(FORMS["tensorrt"], weight_limit=7)  # as in 4 bits, so that there is something to regain
    frames = np.random.default_rng(1).standard_normal((32, 1, 8, 8)).astype(np.float32)
    ranges = {tensor: Range(0.0, 20.0) for tensor in tensors_needing_ranges(exact)}
    convolutions = tuple(node.name for node in graphs.convolutions(exact.graph))
    plan = with_placement(Plan(method="made up", ranges=ranges, biases={}), form.target, convolutions)
    weights = [name for name, value in graphs.initializers(exact.graph).items() if value.dtype == np.float32]
    rounded = ProgramNetwork(lowered_program(exact, plan, form, weights))
    wanted = torch.from_numpy(run_onnx(exact, frames))
    optimiser = torch.optim.Adam(rounded.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        loss = nn.functional.mse_loss(rounded(torch.from_numpy(frames)), wanted)
        losses.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert np.median(losses[-10:]) < 0.4 * losses[0]  # single steps jump: a weight crosses a half


def test_weights_of_a_whole_stanet_come_back_out_of_the_export(small: Small) -> None:
    rng = np.random.default_rng(2)
    constants = graphs.initializers(small.graph.graph)
    values = {name: rng.standard_normal(constants[name].shape).astype(np.float32) for name in small.weights.owners}
    again, _ = export_onnx(with_weights(small.network, small.weights, values), channels=1, height=SIDE, width=SIDE)
    check_same_graph(small.graph, again, values)


def test_a_half_precision_form_is_refused(small: Small) -> None:
    form = FORMS["tensorrt-mixed"]
    with pytest.raises(ModelFileError, match="partly FP16, which is not trained"):
        lowered_program(small.graph, everything(small.graph, small.plan, form), form, [])
