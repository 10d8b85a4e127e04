"""The graphs of one network that TensorRT is given, one a precision."""

from __future__ import annotations

from collections.abc import Mapping

from edgeneuro.export.forms import Form, form_named
from edgeneuro.export.plan import Plan
from edgeneuro.runtime import Bundle

PRECISIONS: Mapping[str, Form | None] = {
    "fp32": None,
    "fp16": form_named("tensorrt-fp16"),
    "int8": form_named("tensorrt"),
    "mixed": form_named("tensorrt-mixed"),
}
"""Precision -> how the plan is lowered for it, None for the float graph. FP8 is left out: only GPUs from 8.9 on have it."""

PLAN = "ranges.json"
"""Member of a bundle."""
_NOTHING_PLACED = Plan(method="none", ranges={}, biases={})


def float_graph(bundle: Bundle) -> bytes:
    """The FP32 graph's bytes."""
    return bundle.members[next(graph.path for graph in bundle.manifest.graphs if graph.precision == "fp32")]


def plan_of(bundle: Bundle) -> Plan:
    """The bundle's plan; one that places nothing where it has none. Raises BundleError."""
    return Plan.from_bytes(bundle.members[PLAN]) if PLAN in bundle.members else _NOTHING_PLACED


def tensorrt_graphs(bundle: Bundle) -> dict[str, bytes]:
    """Precision -> ONNX bytes. A bundle holds the precision it was built for; the others are lowered here from the same
    plan. Without a layer in INT8 on TensorRT there are FP32 and FP16 alone."""
    held = {graph.path: bundle.members[graph.path] for graph in bundle.manifest.graphs}
    plan, found = plan_of(bundle), {"fp32": float_graph(bundle)}
    for precision, form in PRECISIONS.items():
        if form is not None and (not form.operators or plan.placement.get(form.target)):
            found[precision] = held.get(form.path) or _lowered(found["fp32"], plan, form)
    return found


def _lowered(model: bytes, plan: Plan, form: Form) -> bytes:
    import onnx

    from edgeneuro.export.lower import lower

    return bytes(lower(onnx.ModelProto.FromString(model), plan, form).SerializeToString())
