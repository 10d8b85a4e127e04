"""How far a network and its layers are from what this machine can do.

Two limits hold for a layer, whichever takes longer: its multiply-accumulates at the machine's peak for the precision it
runs in, and its weights and activations, each moved once, at the bandwidth of the memory (Williams et al. 2009, "Roofline",
doi:10.1145/1498765.1498785). Both are measured, in the same run: the peak is the fastest dense kernel on any backend, so a
backend that is slow everywhere is far from the floor, not near a low one.

The floor of a network adds up its convolutions and products only. Whatever stands between them could be fused into them,
so the floor is that of a perfect compiler. A layer's own floor takes the network as the runtime cut it: an addition that it
runs by itself has the time to move its tensors as its floor. Compute time alone, with every layer in INT8, is "all
multiply-accumulates at the INT8 peak", as docs/results/quantisation.md gives it. The memory's limit is not absolute: tensors
that stay in a cache move faster, and a small layer can be below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeneuro.benchmarks.compute.names import JOIN
from edgeneuro.benchmarks.document import LayerTime, Peak, Roofline
from edgeneuro.manifest import LayerCost

BITS: Mapping[str, int] = {"int8": 8, "fp16": 16, "bf16": 16, "fp32": 32}
"""Of a weight and of an activation. Biases are counted as if they were weights; what a layer in INT8 gives to one in FP32 is
counted in INT8."""


def roofline(
    costs: Sequence[LayerCost],
    precisions: Mapping[str, str],
    *,
    peaks: Sequence[Peak],
    bandwidth_gb_s: float,
    inference_ms: float,
) -> Roofline | None:
    """The floor of a whole network, and how far a row is from it.

    precisions: layer -> what it runs in, as `layer_precisions` reads it off a profile; `dict.fromkeys(names, "int8")`
    gives the floor in INT8 of a row that runs in anything. None where a convolution's or product's precision, or its
    peak, is not known.
    """
    best = best_by_precision(peaks)
    counted = [(cost, precisions.get(cost.name, "")) for cost in costs if cost.macs]
    if not counted or not all(precision in BITS and precision in best for _, precision in counted):
        return None
    weights = activations = bops = 0
    compute_ms = memory_ms = floor_ms = 0.0
    for cost, precision in counted:
        weights += _bytes(cost.weight_elements, precision)
        activations += _bytes(cost.input_elements + cost.output_elements, precision)
        bops += cost.macs * BITS[precision] ** 2
        computing, moving = _limits([cost], precision, best, bandwidth_gb_s)
        compute_ms, memory_ms, floor_ms = compute_ms + computing, memory_ms + moving, floor_ms + max(computing, moving)
    return Roofline(
        compute_ms=compute_ms,
        memory_ms=memory_ms,
        floor_ms=floor_ms,
        distance=inference_ms / floor_ms,
        intensity=sum(cost.macs for cost, _ in counted) / (weights + activations),
        bops=bops,
        weight_bytes=weights,
        activation_bytes=activations,
    )


def with_floors(
    layers: Sequence[LayerTime], costs: Sequence[LayerCost], *, peaks: Sequence[Peak], bandwidth_gb_s: float
) -> tuple[LayerTime, ...]:
    """`layers` with multiply-accumulates, bytes and floor from the float graph's layer of the same name.

    Left as it is: a layer that is not in the float graph, such as a change of layout. Without bytes and floor: one whose
    precision is not known; without floor: one for whose precision no peak was measured.
    """
    known, best = {cost.name: cost for cost in costs}, best_by_precision(peaks)
    found = []
    for layer in layers:
        parts = [known[name] for name in layer.name.split(JOIN) if name in known]
        if parts:
            macs, moved, floor_ms = sum(part.macs for part in parts), None, None
            if layer.precision in BITS:
                moved = _bytes(_moved(parts), layer.precision)
                if not macs or layer.precision in best:
                    floor_ms = max(_limits(parts, layer.precision, best, bandwidth_gb_s))
            layer = replace(layer, macs=macs, bytes=moved, floor_ms=floor_ms)
        found.append(layer)
    return tuple(found)


def layer_precisions(layers: Sequence[LayerTime], costs: Sequence[LayerCost]) -> dict[str, str]:
    """Layer of the float graph -> the precision a profile saw it in; those it did not see, since they were fused into
    others, are left out."""
    known = {cost.name for cost in costs}
    return {name: layer.precision for layer in layers for name in layer.name.split(JOIN) if name in known}


def best_by_precision(peaks: Sequence[Peak]) -> dict[str, float]:
    """Precision -> GMAC/s of the fastest kernel on any backend."""
    best: dict[str, float] = {}
    for peak in peaks:
        best[peak.precision] = max(peak.gmac_s, best.get(peak.precision, 0.0))
    return best


def _limits(
    parts: Sequence[LayerCost], precision: str, best: Mapping[str, float], bandwidth_gb_s: float
) -> tuple[float, float]:
    """ms to compute, and ms to move, layers that follow one another in one kernel."""
    macs = sum(part.macs for part in parts)
    computing = macs / best[precision] / 1e6 if macs else 0.0
    return computing, _bytes(_moved(parts), precision) / bandwidth_gb_s / 1e6


def _moved(parts: Sequence[LayerCost]) -> int:
    """Elements: what the first reads, what the last writes, and all weights."""
    return sum(part.weight_elements for part in parts) + parts[0].input_elements + parts[-1].output_elements


def _bytes(elements: int, precision: str) -> int:
    return elements * BITS[precision] // 8
