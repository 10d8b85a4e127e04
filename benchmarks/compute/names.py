"""Which node of the graph a layer of a runtime came from. Both runtimes fuse nodes and rename what they made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgeneuro.runtime.onnx_wire import WireNode, standard_nodes

JOIN = " + "
"""Between the names of several convolutions or products that a runtime made one kernel of."""
MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ALIKE = {"Gemm": "MatMul"}
"""A product with a bias of its own is made from one without, and the other way round."""
_MADE_BY_ORT = re.compile(r"^fused |_token_\d+$|_nchwc$|/duplicated$|/MatMulAddFusion$")
"""What ONNX Runtime 1.31 puts before or behind the name it was given."""
_FORMS_OF_ORT = re.compile(r"^(QLinear|Fused|Nhwc|Q(?=Gemm))")
_MADE_BY_OPENVINO = re.compile(r"(/(WithoutBiases|DequantizationMultiply))+$")
"""What OpenVINO 2026.4 puts behind the parts of a layer that it takes apart."""
_FUSED_BEHIND = 4
"""Nodes at most that a convolution swallows behind it, so that it is known by the last one's output."""


class Names:
    """The nodes of one graph by name, and by what they make."""

    def __init__(self, graph: bytes) -> None:
        nodes = standard_nodes(graph)
        self._nodes = {_name(node): node for node in nodes}
        self._makers = {output: node for node in nodes for output in node.outputs}

    def of_onnxruntime(self, name: str, operator: str) -> str | None:
        """The node behind kernel `name` of kind `operator`, e.g. "relu_1_nchwc", "Conv": the convolution before relu_1.

        None for what the runtime put in by itself, such as a change of layout.
        """
        wanted = _kind(_FORMS_OF_ORT.sub("", operator))
        for candidate in _undressed(name):
            node = self._nodes.get(candidate) or self._makers.get(candidate)
            for _ in range(_FUSED_BEHIND):
                if node is None or _kind(node.operator) == wanted:
                    break
                node = self._makers.get(node.inputs[0]) if node.inputs else None
            if node is not None and _kind(node.operator) == wanted:
                return _name(node)
        return None

    def of_openvino(self, name: str, originals: Sequence[str]) -> str | None:
        """The convolution or product among the layers that OpenVINO says it fused, several joined; where there is none
        the layer whose name it kept, else the last, whose output the kernel writes.

        name: its own. originals: e.g. "conv1/WithoutBiases", "Multiply_12", "conv1", "relu_2/Q"; names of nodes or of
        their outputs, empty for what the runtime put in by itself.
        """
        found = [_name(node) for node in map(self._called, originals) if node is not None]
        multiplying = [known for known in dict.fromkeys(found) if self._nodes[known].operator in MULTIPLYING]
        return JOIN.join(multiplying) or (name if name in found else next(reversed(found), None))

    def _called(self, name: str) -> WireNode | None:
        name = _MADE_BY_OPENVINO.sub("", name)
        return self._nodes.get(name) or self._makers.get(name)


def _undressed(name: str) -> Iterator[str]:
    """The name as it is, then without one after another of the runtime's additions."""
    while True:
        yield name
        shorter = _MADE_BY_ORT.sub("", name, count=1)
        if shorter == name:
            return
        name = shorter


def _kind(operator: str) -> str:
    return _ALIKE.get(operator, operator)


def _name(node: WireNode) -> str:
    """As `LayerCost` names it."""
    return node.name or node.outputs[0]
