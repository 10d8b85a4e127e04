"""The graphs of a bundle, each with the form it was written in and the way it can be checked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.census import int8_convolutions, openvino_int8_convolutions, tensorrt_int8_convolutions
from edgeneuro.export.forms import ONNXRUNTIME, Form
from edgeneuro.export.lower import lower
from edgeneuro.export.plan import Plan
from edgeneuro.export.targets import open_checked, runs_here
from edgeneuro.manifest import Graph
from edgeneuro.runtime.backends import Backend, open_backend

FLOAT_GRAPH = "model.onnx"
_COUNT: Mapping[str, Callable[[bytes], int]] = {
    "onnxruntime": int8_convolutions,
    "openvino": openvino_int8_convolutions,
    "tensorrt": tensorrt_int8_convolutions,
}


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """One graph as bytes. form: None for the float graph."""

    form: Form | None
    content: bytes

    def open(self) -> Backend:
        """On its own backend, or emulated where that cannot run here."""
        if self.form is None:
            return open_backend(ONNXRUNTIME, self.content, threads=None)
        return open_checked(self.form, self.content)


def lowered_graphs(model: onnx.ModelProto, forms: Sequence[Form], plan: Plan | None) -> dict[str, Lowered]:
    """Member path -> graph: the float one first, then every form in which something changes."""
    plan = plan or Plan(method="none", ranges={}, biases={})
    found = {FLOAT_GRAPH: Lowered(form=None, content=model.SerializeToString(deterministic=True))}
    for form in forms:
        if form.precision == "fp16" or plan.placement.get(form.target):
            graph = lower(model, plan, form)
            found[form.path] = Lowered(form=form, content=graph.SerializeToString(deterministic=True))
    return found


def graph_entry(path: str, lowered: Lowered, model: onnx.ModelProto, plan: Plan | None, tolerance: float) -> Graph:
    """The manifest's record of one graph. tolerance: largest difference from the golden outputs allowed."""
    convolutions = [node.name for node in graphs.convolutions(model.graph)]
    form = lowered.form
    if form is None:
        return Graph(
            path=path, backend=ONNXRUNTIME, precision="fp32", convolutions=len(convolutions), tolerance=tolerance
        )
    placed = plan.placement.get(form.target, ()) if plan else ()
    why = plan.kept_float.get(form.target, {}) if plan else {}
    here = runs_here(form)
    return Graph(
        path=path,
        backend=form.backend,
        precision=form.precision,
        requires=form.requires,
        convolutions=len(convolutions),
        int8_convolutions=_COUNT[form.backend](lowered.content) if here else len(set(convolutions) & set(placed)),
        kept_float={name: why.get(name, "not placed") for name in convolutions if placed and name not in placed},
        tolerance=tolerance,
        checked="run" if here else "emulated",
    )
