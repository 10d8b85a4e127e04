"""A Q/DQ graph taken apart: the float graph underneath, and the parameters that were in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.lint.signs import never_negative
from edgeneuro.export.lint.view import Quantizer, Read, View, channels_shape
from edgeneuro.export.quantizable import origin
from edgeneuro.spec import Float32

WRITERS_OWN = re.compile("(/float|/quantized|/dequantized)+$")
"""What `lower` appends to the names of tensors."""


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """model: without any Q/DQ; stored integers are the float values they stand for, fake-quantised weights those
    before rounding. ranges: tensor of it -> what its integers could represent, by the name of the tensor whose values
    it holds. symmetric: those of them that INT8 with zero point 0 represents. restored: tensors that got a Relu back.
    """

    model: onnx.ModelProto
    ranges: Mapping[str, Range]
    symmetric: frozenset[str]
    restored: tuple[str, ...]


def strip(view: View) -> Stripped:
    """Take the graph of `view` apart; `view` is left as it is.

    A pair whose lowest value is 0 cuts off what is negative: ONNX Runtime's quantiser drops the Relu before it. It is
    put back where the tensor can be negative. Raises ModelFileError for integers that are no weights and do not come
    from QuantizeLinear, and for what has no constant scale.
    """
    model: onnx.ModelProto = onnx.ModelProto.FromString(view.model.SerializeToString())
    _refuse_bare_integers(view)
    work = _Work(model, view)
    for tensor, read in view.reads.items():
        if read.constant:
            work.store(tensor, read)
        else:
            work.bypass(tensor, read)
    return work.finished()


class _Work:
    """One graph while its Q/DQ come off."""

    def __init__(self, model: onnx.ModelProto, view: View) -> None:
        self.model = model
        self.graph = model.graph
        self.view = view
        self.names: dict[str, str] = {}  # dequantised tensor -> the float tensor it stands for
        self.seen: dict[str, list[tuple[Range, bool]]] = {}
        self.restored: list[str] = []
        self.positive: set[str] = set()  # float tensors whose pair represents nothing below 0
        kept = [node for node in self.graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del self.graph.node[:]
        self.graph.node.extend(copies)
        self.readers = graphs.consumers(self.graph)

    def store(self, tensor: str, read: Read) -> None:
        """Weights and biases under the name their readers know."""
        stored = self.view.constants[read.source]
        values = stored if read.quantize is not None else dequantized(stored, read.dequantize)
        graphs.add_constant(self.graph, tensor, values.astype(np.float32))

    def bypass(self, tensor: str, read: Read) -> None:
        """An activation: its readers see the float tensor again."""
        source = self.names.get(read.source, read.source)
        item = read.quantize
        limits = None if item is None else item.limits
        if item is not None and limits is not None:
            if limits.low == 0.0:
                source = source if self._positive(source) else self._relu(source)
                self.positive.add(source)
            self.seen.setdefault(source, []).append((limits, item.centred))
        self.names[tensor] = source
        for node in self.readers.get(tensor, []):
            node.input[:] = [source if name == tensor else name for name in node.input]

    def _positive(self, tensor: str) -> bool:
        makers = graphs.producers(self.graph)
        start = origin(tensor, makers)
        return start not in makers or never_negative(start, makers, self.view.constants, self.positive)

    def _relu(self, tensor: str) -> str:
        name = f"{tensor}/relu"
        if name not in self.restored:
            self.graph.node.append(helper.make_node("Relu", [tensor], [name], name=name))
            self.restored.append(name)
        return name

    def finished(self) -> Stripped:
        """The graph with all names in place, and the ranges by the tensors whose values they are."""
        renamed = self._name_outputs()
        graphs.drop_unused_initializers(self.graph)
        graphs.sort_nodes(self.graph)
        del self.graph.value_info[:]
        fold_transposes(self.graph)
        freed = make_room(self.graph)
        makers = graphs.producers(self.graph)
        gathered: dict[str, list[tuple[Range, bool]]] = {}
        for tensor, found in self.seen.items():
            name = renamed.get(tensor, tensor)
            gathered.setdefault(origin(freed.get(name, name), makers), []).extend(found)
        ranges = {tensor: _covering([limits for limits, _ in found]) for tensor, found in gathered.items()}
        symmetric = frozenset(name for name, found in gathered.items() if all(even for _, even in found))
        return Stripped(model=self.model, ranges=ranges, symmetric=symmetric, restored=tuple(self.restored))

    def _name_outputs(self) -> dict[str, str]:
        """Network outputs that a DequantizeLinear made keep their names; returns old name -> new."""
        outputs = {item.name for item in self.graph.output}
        fixed = outputs | {item.name for item in self.graph.input}
        renamed: dict[str, str] = {}
        for output in sorted(outputs & set(self.names)):
            source = self.names[output]
            if source in fixed or source in renamed:
                self.graph.node.append(
                    helper.make_node("Identity", [renamed.get(source, source)], [output], name=f"{output}/identity")
                )
            else:
                renamed[source] = output
        for node in self.graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
        return renamed


def dequantized(stored: np.ndarray, item: Quantizer) -> Float32:
    """scale x (q - zero point). Raises ModelFileError where the scale is no constant."""
    if item.scale is None or item.zero_point is None:
        raise ModelFileError(
            f"DequantizeLinear {item.node.name!r}: has a scale computed while the network runs, expected a constant; "
            "export it again with fixed scales"
        )
    shape = channels_shape(item, stored.ndim)
    zero_point = item.zero_point.astype(np.int64).reshape(shape)
    values: Float32 = ((stored.astype(np.int64) - zero_point) * item.scale.reshape(shape)).astype(np.float32)
    return values


def fold_transposes(graph: onnx.GraphProto) -> None:
    """Transpose of what is stored becomes stored: the weights of a linear layer are read as they lie."""
    constants = graphs.initializers(graph)
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in constants]:
        stored = constants[node.input[0]]
        order = np.asarray(graphs.attribute(node, "perm", range(stored.ndim)[::-1]))
        graphs.add_constant(graph, node.output[0], stored.transpose(*order))
        graph.node.remove(node)
    graphs.drop_unused_initializers(graph)


def make_room(graph: onnx.GraphProto) -> dict[str, str]:
    """Tensors step aside where `lower` will want their names, as in a file it wrote itself; returns old name -> new.

    NODE/weight and NODE/bias become NODE/weight/stored, TENSOR/float becomes TENSOR, or another where that is taken.
    """
    ends = {item.name for item in (*graph.input, *graph.output)}
    made = [name for node in graph.node for name in node.output]
    taken = {*ends, *made, *(tensor.name for tensor in graph.initializer)}
    wanted = {f"{node.name}/{what}" for node in graph.node for what in ("weight", "bias")}
    freed = {tensor.name: f"{tensor.name}/stored" for tensor in graph.initializer if tensor.name in wanted}
    for name in made:
        stem = WRITERS_OWN.sub("", name)
        if name not in ends and stem != name:
            while not stem or stem in taken:
                stem += "/inner"
            taken.add(stem)
            freed[name] = stem
    for tensor in graph.initializer:
        tensor.name = freed.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [freed.get(name, name) for name in node.input]
        node.output[:] = [freed.get(name, name) for name in node.output]
    return freed


def _covering(found: list[Range]) -> Range:
    whole = found[0]
    for limits in found[1:]:
        whole = whole.union(limits)
    return whole


def _refuse_bare_integers(view: View) -> None:
    outputs = {item.name for item in view.graph.output}
    for tensor, item in view.quantizers.items():
        strangers = [node for node in view.readers.get(tensor, []) if node.op_type != "DequantizeLinear"]
        if strangers or tensor in outputs or item.kind not in ("INT8", "UINT8"):
            reader = "a network output" if tensor in outputs else ", ".join(node.op_type for node in strangers)
            raise ModelFileError(
                f"QuantizeLinear {item.node.name!r}: gives {item.kind} to {reader or 'DequantizeLinear'}, expected 8-bit "
                "integers that only DequantizeLinear reads; quantise the float model for the target instead"
            )
    for read in view.activations:
        if read.quantize is None:
            raise ModelFileError(
                f"DequantizeLinear {read.dequantize.node.name!r}: reads integers {read.source!r} that no QuantizeLinear "
                "made, expected float inputs; quantise the float model for the target instead"
            )
