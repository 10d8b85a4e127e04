"""Ranges that follow exactly from others through the operators between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from edgeneuro.calibration.ranges import Range
from edgeneuro.export import graph as graphs
from edgeneuro.export.quantizable import origin

AVERAGES = ("AveragePool", "GlobalAveragePool")


class Derivation:
    """The range of a tensor of one float graph: recorded, or derived without assuming anything about the values.

    recorded: tensor -> range, of tensors that `origin` leaves as they are.
    """

    def __init__(self, model: onnx.ModelProto, recorded: Mapping[str, Range]) -> None:
        self.recorded = recorded
        self.constants = graphs.initializers(model.graph)
        self.makers = graphs.producers(model.graph)
        self.readers = graphs.consumers(model.graph)
        self.outputs = {item.name for item in model.graph.output}

    def range_of(self, tensor: str) -> Range | None:
        """A range that holds every value; None where none is known.

        Forwards: of averages, joins, Relu and Clip, from their inputs. Backwards: what only a Concat reads may be
        rounded and cut off as the joined tensor is, for joining changes no value.
        """
        tensor = origin(tensor, self.makers)
        return self.recorded.get(tensor) or self._forwards(tensor) or self._joined(tensor)

    def _forwards(self, tensor: str) -> Range | None:
        maker = self.makers.get(tensor)
        if maker is None:
            return None
        if maker.op_type in AVERAGES:
            return self.range_of(maker.input[0])
        if maker.op_type == "Relu":
            return _cut(self.range_of(maker.input[0]), 0.0, None)
        if maker.op_type == "Clip":
            return _cut(self.range_of(maker.input[0]), *self._bounds(maker))
        if maker.op_type == "Concat":
            parts = [self.range_of(name) for name in maker.input]
            known = [part for part in parts if part is not None]
            return _union(known) if len(known) == len(parts) else None
        return None

    def _joined(self, tensor: str) -> Range | None:
        """The recorded range of a Concat that is the only reader of `tensor`."""
        readers = self.readers.get(tensor, [])
        if len(readers) != 1 or readers[0].op_type != "Concat" or tensor in self.outputs:
            return None
        return self.recorded.get(readers[0].output[0])

    def _bounds(self, clip: onnx.NodeProto) -> tuple[float | None, float | None]:
        low, high = ([*clip.input[1:], "", ""])[:2]
        return self._number(low), self._number(high)

    def _number(self, name: str) -> float | None:
        value = self.constants.get(name)
        return None if value is None else float(np.ravel(value)[0])


def _cut(known: Range | None, low: float | None, high: float | None) -> Range | None:
    """What is left of a range between two bounds; between both of them it is known whatever came in."""
    if known is None:
        return None if low is None or high is None else Range(low, high)
    least = known.low if low is None else max(known.low, low)
    most = known.high if high is None else min(known.high, high)
    return Range(least, max(least, most))


def _union(parts: list[Range]) -> Range:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.union(part)
    return whole
