"""The PyTorch network that belongs to an engine: its checkpoint's, or its float graph written as PyTorch operators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeneuro.benchmarks.rivals.rival import RivalSource
from edgeneuro.errors import CheckpointError, ModelFileError
from edgeneuro.spec import Array, Feed

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """module: takes one tensor an input, in order of `inputs`; returns a tensor, or several in order of `outputs`.
    origin: where it is from, for notes."""

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: str


def find_network(source: RivalSource, frame: Feed) -> Network:
    """The checkpoint's network where one is given; else the packaged one, if the engine was built from it; else the float
    graph's, for feeds of the shape of `frame`.

    Raises CheckpointError for a checkpoint that cannot be read, ModelFileError for an operator that is not translated.
    """
    manifest = source.manifest
    folder, origin = source.checkpoint, "the checkpoint's network, as it was trained"
    if folder is None:
        folder, origin = _packaged(source), "the packaged network, as it was trained"
    if folder is None:
        return _from_graph(source.model, frame)
    from edgeneuro.export.onnx_export import as_exported
    from edgeneuro.training.checkpoint import load_model

    return Network(
        module=as_exported(load_model(folder)).eval(),
        inputs=tuple(spec.name for spec in manifest.inputs),
        outputs=tuple(spec.name for spec in manifest.outputs),
        origin=origin,
    )


def _packaged(source: RivalSource) -> Path | None:
    """Where the weights lie that the engine was built from, if they come with the package."""
    from edgeneuro.training.checkpoint import MODEL, packaged, read_config

    try:
        folder = packaged(source.manifest.model)
    except CheckpointError:
        return None
    return folder if source.manifest.provenance.get("checkpoint") == read_config(folder).files[MODEL] else None


def _from_graph(model: bytes, frame: Feed) -> Network:
    """The graph traced to a straight line of PyTorch's own operators, with weights as parameters."""
    import onnx
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = onnx.ModelProto.FromString(model)
    inputs = tuple(item.name for item in graph.graph.input)
    outputs = tuple(item.name for item in graph.graph.output)
    steps = _steps(graph, inputs, outputs)
    with torch.no_grad():
        module: torch.fx.GraphModule = make_fx(steps)(*(torch.from_numpy(frame[name]) for name in inputs))
    for name in {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}:
        weights = getattr(module, name)  # a plain attribute: neither a change of layout nor freezing would find it
        delattr(module, name)
        module.register_parameter(name, torch.nn.Parameter(weights, requires_grad=False))
    return Network(
        module=module,
        inputs=inputs,
        outputs=outputs,
        origin="the engine's float graph in PyTorch's operators, batch normalisation folded, without the cost of modules",
    )


def _steps(model: onnx.ModelProto, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Any:
    """A function that computes the graph: a tensor an input to a tensor an output."""
    import torch

    from edgeneuro.export.qat_program import program_of
    from edgeneuro.training.qat_operators import OPERATORS

    program = program_of(model, ())
    for step in program.steps:
        if step.operator not in OPERATORS:
            raise ModelFileError(
                f"node {step.name!r}: operator {step.operator} is not translated to PyTorch; give the checkpoint"
            )
    constants = {name: _constant(value) for name, value in program.constants.items()}

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        values: dict[str, Any] = {"": None, **constants, **dict(zip(inputs, tensors, strict=True))}
        for step in program.steps:
            made = OPERATORS[step.operator](step.attributes, *(values[name] for name in step.inputs))
            values.update(zip(step.outputs, (made,) if isinstance(made, torch.Tensor) else made, strict=True))
        return tuple(values[name] for name in outputs)

    return run


def _constant(value: Array) -> Any:
    """As the operators take it: floats as tensors, whole numbers as arrays."""
    import torch

    return torch.from_numpy(np.array(value, order="C")) if value.dtype.kind == "f" else value
