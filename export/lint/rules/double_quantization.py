"""A value is rounded once."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.view import Quantizer, View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for item in view.quantizers.values():
        source = item.node.input[0]
        before = view.dequantizers.get(source)
        if before is not None and not before.same_steps(item):
            yield Fault(
                where=named(item.node),
                got=f"quantises {source!r}, which was just dequantised with other steps",
                expected="one rounding of a value",
                remedy="take one of the two pairs out, as --fix does",
                severity="warning",
            )
    for tensor, readers in view.readers.items():
        quantizers = [view.quantizers[node.output[0]] for node in readers if _quantizes(view, node.output[0], tensor)]
        if quantizers and not all(item.same_steps(quantizers[0]) for item in quantizers):
            yield Fault(
                where=f"tensor {tensor!r}",
                got=f"is quantised {len(quantizers)} times, with different steps",
                expected="one pair that all its readers share",
                remedy="give them one range that covers all, as --fix does",
                severity="warning",
            )


def _quantizes(view: View, output: str, tensor: str) -> bool:
    item: Quantizer | None = view.quantizers.get(output)
    return item is not None and item.node.input[0] == tensor


RULE = Rule(
    id="double-quantization",
    title="A tensor is quantised once",
    reason=(
        "Every further QuantizeLinear with other steps rounds again and costs a pass over the tensor; two of them on one "
        "tensor are run as two tensors."
    ),
    source="TensorRT documentation, Explicit Quantization (Q/DQ placement recommendations)",
    targets=EVERY,
    check=check,
)
