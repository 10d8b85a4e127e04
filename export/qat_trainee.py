"""What is trained of a network with quantisation, and how it becomes a float network again."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import torch
from torch import nn

from edgeneuro.errors import UsageError
from edgeneuro.export.forms import Form
from edgeneuro.export.onnx_export import export_graph
from edgeneuro.export.plan import Plan
from edgeneuro.export.qat_program import lowered_program, program_of, with_corrected_biases
from edgeneuro.export.qat_weights import Weights, check_same_graph, find_weights, with_weights
from edgeneuro.export.specs import declared_shape
from edgeneuro.training.qat_network import ProgramNetwork
from edgeneuro.training.start import Trainee


def rounded_trainee(network: nn.Module, graph: onnx.ModelProto, plan: Plan, form: Form) -> Trainee:
    """`network` rounded as `form` rounds it with the ranges and the placement of `plan`.

    graph: `network` as edgeneuro.export.onnx_export.export_onnx wrote it; its height and width are the frames'. The
    plan's bias corrections are where the biases start. finish gives a copy of `network` with the trained weights, and
    ranges.json: the ranges alone, since corrections are part of the weights then and placement is measured where an
    engine is built. Raises UsageError when nothing is placed, ModelFileError for what cannot be trained.
    """
    nodes = plan.placement.get(form.target, ())
    if not nodes:
        raise UsageError(f"no layer runs in INT8 on {form.target}: there is no rounding to train; train on in float")
    writing = _writing(
        network, graph, Plan(method=f"trained with quantisation; {plan.method}", ranges=plan.ranges, biases={})
    )
    corrected, unbiased = with_corrected_biases(graph, plan)
    return Trainee(
        network=ProgramNetwork(lowered_program(corrected, unbiased, form, writing.weights.owners)),
        finish=writing.finish,
        notes={"quantised": {"form": form.name, "nodes": list(nodes), "ranges": plan.method}},
    )


def float_trainee(network: nn.Module, graph: onnx.ModelProto) -> Trainee:
    """The same without any rounding: batch normalisation folded, nothing else; what rounded training is compared with."""
    writing = _writing(network, graph, None)
    return Trainee(network=ProgramNetwork(program_of(graph, writing.weights.owners)), finish=writing.finish)


def _writing(network: nn.Module, graph: onnx.ModelProto, plan: Plan | None) -> _Writing:
    weights = find_weights(network, graph, torch.zeros(1, *_sizes(graph)))
    return _Writing(network=network, graph=graph, weights=weights, plan=plan)


def _sizes(graph: onnx.ModelProto) -> tuple[int, ...]:
    """Of one input without its batch axis."""
    return declared_shape(graph.graph.input[0])[1:]


@dataclass(frozen=True, kw_only=True)
class _Writing:
    """Writes trained weights back into the torch network. plan: for ranges.json, None when trained in float."""

    network: nn.Module
    graph: onnx.ModelProto
    weights: Weights
    plan: Plan | None

    def finish(self, trained: nn.Module) -> tuple[nn.Module, bytes | None]:
        """The network that exports to what was trained, checked by exporting it."""
        assert isinstance(trained, ProgramNetwork)
        values = trained.trained()
        stored = with_weights(self.network, self.weights, values)
        exported, _ = export_graph(stored, _sizes(self.graph))
        check_same_graph(self.graph, exported, values)
        return stored, None if self.plan is None else self.plan.to_bytes()
