"""A quantised graph as the rules see it: who is read through which QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from onnx import TensorProto

from edgeneuro.calibration.ranges import Range
from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import WEIGHTED
from edgeneuro.export.quantizable import MOVERS, weight_axis
from edgeneuro.spec import Array

ACTIVATED = ("Relu", "Clip")
"""What runs inside the kernel of the layer before it."""


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """A QuantizeLinear or DequantizeLinear with its parameters.

    scale, zero_point: flat arrays, as many of the one as of the other in a sound file; None where computed while the
    network runs. kind: ONNX's name of the integer type, "INT8". axis: as written, counts only when per channel.
    """

    node: onnx.NodeProto
    scale: Array | None
    zero_point: Array | None
    kind: str
    axis: int

    @property
    def per_channel(self) -> bool:
        """More than one scale."""
        return self.scale is not None and self.scale.size > 1

    @property
    def shifted(self) -> bool:
        """A zero point that is not zero."""
        return self.zero_point is not None and bool(np.any(self.zero_point.astype(np.float64) != 0))

    @property
    def centred(self) -> bool:
        """As many steps below 0 as INT8 has with zero point 0: that, or UINT8 with 128."""
        middle = {"INT8": 0, "UINT8": 128}.get(self.kind)
        points = set() if self.zero_point is None else {int(value) for value in self.zero_point}
        return bool(points == {middle})

    @property
    def limits(self) -> Range | None:
        """The values at the ends of the integer type, (q_min - Z) S and (q_max - Z) S; None for scales that are none."""
        if self.scale is None or self.zero_point is None or self.scale.size != self.zero_point.size:
            return None
        scale, zero_point = self.scale.astype(np.float64), self.zero_point.astype(np.float64)
        if self.kind not in ("INT8", "UINT8") or not (np.isfinite(scale).all() and (scale > 0).all()):
            return None
        ends = np.iinfo(self.kind.lower())
        return Range(float(((ends.min - zero_point) * scale).min()), float(((ends.max - zero_point) * scale).max()))

    def same_steps(self, other: Quantizer) -> bool:
        """Whether both round to the same values."""
        if self.scale is None or other.scale is None or self.zero_point is None or other.zero_point is None:
            return list(self.node.input[1:]) == list(other.node.input[1:])
        return (
            self.kind == other.kind
            and bool(np.array_equal(self.scale, other.scale))
            and bool(np.array_equal(self.zero_point, other.zero_point))
        )


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a DequantizeLinear hands to its readers.

    quantize: the QuantizeLinear before it, None where the file holds integers. source: the float tensor that is
    quantised, else the integer tensor. constant: source is part of the file: weights or a bias.
    """

    dequantize: Quantizer
    quantize: Quantizer | None
    source: str
    constant: bool


class View:
    """Look-ups over one graph, whose nodes must have names of their own. Nothing is changed through it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.constants = graphs.initializers(model.graph)
        self.makers = graphs.producers(model.graph)
        self.readers = graphs.consumers(model.graph)
        self.quantizers = {node.output[0]: self._quantizer(node) for node in self._of_type("QuantizeLinear")}
        self.dequantizers = {node.output[0]: self._quantizer(node) for node in self._of_type("DequantizeLinear")}
        self.reads = {tensor: self._read(item) for tensor, item in self.dequantizers.items()}

    @cached_property
    def activations(self) -> tuple[Read, ...]:
        """Every dequantised activation, in graph order."""
        return tuple(read for read in self.reads.values() if not read.constant)

    @cached_property
    def layers(self) -> tuple[onnx.NodeProto, ...]:
        """The layers with weights, in graph order."""
        return tuple(node for node in self.graph.node if node.op_type in WEIGHTED)

    def activation(self, tensor: str) -> Read | None:
        """How `tensor` was dequantised, looking up through operators that only move values; None for a float.

        Through a Concat too, where all that it joins has the same steps.
        """
        while tensor not in self.reads:
            maker = self.makers.get(tensor)
            if maker is not None and maker.op_type == "Concat":
                return self._joined(maker)
            if maker is None or maker.op_type not in MOVERS:
                return None
            tensor = maker.input[0]
        read = self.reads[tensor]
        return None if read.constant else read

    def _joined(self, concat: onnx.NodeProto) -> Read | None:
        reads = [self.activation(name) for name in concat.input]
        first = reads[0]
        shared = first is not None and all(
            read is not None and read.dequantize.same_steps(first.dequantize) for read in reads
        )
        return first if shared and first is not None and not first.dequantize.per_channel else None

    def weight(self, layer: onnx.NodeProto) -> Read | None:
        """How the weights of a layer are dequantised; None where they are float, or no constant."""
        maker = self.makers.get(layer.input[1])
        stored = maker.input[0] if maker is not None and maker.op_type == "Transpose" else layer.input[1]
        read = self.reads.get(stored)
        return read if read is not None and read.constant else None

    def weight_axis(self, layer: onnx.NodeProto) -> int:
        """The axis of the stored weights that holds a layer's output channels: before a Transpose, where there is one."""
        maker = self.makers.get(layer.input[1])
        if maker is None or maker.op_type != "Transpose":
            return weight_axis(layer)
        order = graphs.attribute(maker, "perm", [1, 0])
        axes: list[int] = np.asarray(order).tolist()
        return axes[weight_axis(layer)]

    def steps(self, read: Read) -> Array | None:
        """The integers of a constant: as stored, or what its QuantizeLinear makes of it; None for bad scales."""
        stored = self.constants[read.source]
        item = read.quantize
        if item is None:
            return stored.astype(np.int64)
        if item.scale is None or item.zero_point is None or item.kind not in ("INT8", "UINT8"):
            return None
        limits = np.iinfo(item.kind.lower())
        shape = channels_shape(item, stored.ndim)
        rounded = np.rint(stored / item.scale.reshape(shape)) + item.zero_point.reshape(shape)
        integers: Array = np.clip(rounded, limits.min, limits.max).astype(np.int64)
        return integers

    def output_quantizers(self, node: onnx.NodeProto) -> list[Quantizer]:
        """What quantises the output of a node, looking through one Relu or Clip that only it feeds."""
        tensor = node.output[0]
        after = self.readers.get(tensor, [])
        if len(after) == 1 and after[0].op_type in ACTIVATED:
            tensor = after[0].output[0]
        return [
            self.quantizers[reader.output[0]]
            for reader in self.readers.get(tensor, [])
            if reader.output[0] in self.quantizers and reader.input[0] == tensor
        ]

    def users(self, tensor: str) -> Iterator[onnx.NodeProto]:
        """The nodes that work on the values of `tensor`, looking down through operators that only move or join them."""
        for node in self.readers.get(tensor, []):
            yield node
            if node.op_type in (*MOVERS, "Concat"):
                yield from self.users(node.output[0])

    def _of_type(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self.graph.node if node.op_type == name]

    def _quantizer(self, node: onnx.NodeProto) -> Quantizer:
        scale = self.constants.get(node.input[1])
        named = len(node.input) > 2 and bool(node.input[2])
        zero_point = self.constants.get(node.input[2]) if named else None
        if not named and scale is not None:
            zero_point = np.zeros(scale.shape, np.int8)
        return Quantizer(
            node=node,
            scale=None if scale is None else scale.reshape(-1),
            zero_point=None if zero_point is None else zero_point.reshape(-1),
            kind=self._kind(node),
            axis=int(str(graphs.attribute(node, "axis", 1))),
        )

    def _kind(self, node: onnx.NodeProto) -> str:
        """The integer type: of the zero point, else of the stored integers, else what the node asks for, else UINT8."""
        known = [self._types[name] for name in [*node.input[2:], node.input[0]] if name in self._types]
        maker = self.makers.get(node.input[0])
        if not known and maker is not None and maker.op_type == "QuantizeLinear":
            return self._kind(maker)
        asked = int(str(graphs.attribute(node, "output_dtype", 0)))
        name: str = TensorProto.DataType.Name(known[0] if known else asked or TensorProto.UINT8)
        return name

    @cached_property
    def _types(self) -> dict[str, int]:
        """Element types of stored tensors, and of inputs that come as integers."""
        inputs = {item.name: item.type.tensor_type.elem_type for item in self.graph.input}
        integers = {name: kind for name, kind in inputs.items() if kind in (TensorProto.INT8, TensorProto.UINT8)}
        return integers | {tensor.name: tensor.data_type for tensor in self.graph.initializer}

    def _read(self, dequantize: Quantizer) -> Read:
        integers = dequantize.node.input[0]
        quantize = self.quantizers.get(integers)
        source = integers if quantize is None else quantize.node.input[0]
        return Read(dequantize=dequantize, quantize=quantize, source=source, constant=source in self.constants)


def channels_shape(item: Quantizer, rank: int) -> tuple[int, ...]:
    """The shape in which a quantizer's parameters meet a tensor of `rank` axes."""
    at = item.axis % rank if item.per_channel and rank else None
    return tuple(-1 if axis == at else 1 for axis in range(rank))


def named(node: onnx.NodeProto) -> str:
    """A node as findings name it."""
    return f"{node.op_type} {node.name!r}"
