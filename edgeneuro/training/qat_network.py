"""A deployed graph as a torch network: the same operators in the same order, with weights that can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeneuro.errors import ModelFileError
from edgeneuro.spec import Array, Float32
from edgeneuro.training.qat_operators import OPERATORS


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operator. inputs: names of tensors, "" where one is left out. attributes: ONNX's, texts as str."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A graph of one input and one output. parameters: name -> weights to train. constants: everything else fixed."""

    input: str
    output: str
    steps: tuple[Step, ...]
    parameters: Mapping[str, Float32]
    constants: Mapping[str, Array]


class ProgramNetwork(nn.Module):
    """Runs a program. Raises ModelFileError for an operator that cannot be trained, naming its node.

    weights: in the order of program.parameters.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        for step in program.steps:
            if step.operator not in OPERATORS:
                raise ModelFileError(
                    f"node {step.name!r}: operator {step.operator} cannot be trained with quantisation, expected one of "
                    f"{', '.join(OPERATORS)}; build the engine without training instead"
                )
        self.program = program
        self.weights = nn.ParameterList(nn.Parameter(_tensor(value)) for value in program.parameters.values())
        self.fixed: dict[str, Array] = {}
        self.moved: dict[str, str] = {}
        for name, value in program.constants.items():
            if value.dtype.kind == "f":  # goes to the device with the weights; whole numbers stay with the operators
                self.moved[name] = f"constant_{len(self.moved)}"
                self.register_buffer(self.moved[name], _tensor(value), persistent=False)
            else:
                self.fixed[name] = value

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> the graph's output, for classifiers (batch, class)."""
        program = self.program
        values: dict[str, Any] = {program.input: image, "": None, **self.fixed}
        values.update(zip(program.parameters, self.weights, strict=True))
        values.update({name: self.get_buffer(buffer) for name, buffer in self.moved.items()})
        for step in program.steps:
            made = OPERATORS[step.operator](step.attributes, *(values[name] for name in step.inputs))
            values.update(zip(step.outputs, (made,) if isinstance(made, Tensor) else made, strict=True))
        output: Tensor = values[program.output]
        return output

    def trained(self) -> dict[str, Float32]:
        """Name -> weights as they are now."""
        with torch.no_grad():
            return {
                name: np.ascontiguousarray(value.detach().cpu().numpy())
                for name, value in zip(self.program.parameters, self.weights, strict=True)
            }


def _tensor(value: Array) -> Tensor:
    return torch.from_numpy(np.array(value, order="C"))
