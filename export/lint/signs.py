"""Tensors that cannot be negative, whatever the network is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.quantizable import MOVERS
from edgeneuro.spec import Array

POSITIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Sqrt", "Softplus")
KEEPING = (*MOVERS, "AveragePool", "GlobalAveragePool", "Concat", "Add", "Mul", "ReduceMean", "ReduceMax", "ReduceSum")
"""Not negative where none of their inputs is."""
SHAPED = (*MOVERS, "ReduceMean", "ReduceMax", "ReduceSum")
"""Of these, those whose further inputs are shapes and axes."""


def never_negative(
    tensor: str, makers: Mapping[str, onnx.NodeProto], constants: Mapping[str, Array], known: Collection[str] = ()
) -> bool:
    """Whether the operators that make `tensor` exclude values below 0, given that those of `known` are not negative."""
    if tensor in known:
        return True
    if tensor in constants:
        return bool(np.all(constants[tensor] >= 0))
    maker = makers.get(tensor)
    if maker is None:
        return False
    if maker.op_type == "Clip":
        low, high = (constants.get(name) for name in [*maker.input[1:], "", ""][:2])
        if low is not None and np.all(low >= 0):
            return True
        return (high is None or bool(np.all(high >= 0))) and never_negative(maker.input[0], makers, constants, known)
    if maker.op_type == "Resize" and graphs.attribute(maker, "mode", b"nearest") == b"cubic":
        return False
    if maker.op_type in KEEPING:
        inputs = maker.input[:1] if maker.op_type in SHAPED else maker.input
        return all(never_negative(name, makers, constants, known) for name in inputs)
    return maker.op_type in POSITIVE
