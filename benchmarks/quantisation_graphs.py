"""Every INT8 graph of the quantisation study: this project's for each kind of target, and one from each rival."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeneuro.benchmarks.rivals.quantisers import RIVALS
from edgeneuro.files import write_bytes

if TYPE_CHECKING:
    import onnx

    from edgeneuro.benchmarks.quantisation_cases import Case
    from edgeneuro.export.forms import Form
    from edgeneuro.export.plan import Plan

OURS, FLOAT = "edgeneuro", "float"
RUNTIMES = ("onnxruntime", "openvino", "tensorrt")
"""Those that every tool's graph is tried on."""
PLAN = "ranges.json"
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One graph on one runtime. file: in the case's folder; a rival's one graph serves every runtime."""

    tool: str
    runtime: str
    file: str


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """variants: float first. seconds: tool -> time it took to quantise. notes: of the placement search."""

    variants: tuple[Variant, ...]
    seconds: dict[str, float]
    refused: dict[str, str]
    notes: tuple[str, ...]


def study_forms() -> tuple[Form, ...]:
    """This machine's form of ONNX Runtime, ONNX Runtime on ARM, OpenVINO where it is installed, TensorRT, mixed."""
    from edgeneuro.export.forms import FORMS
    from edgeneuro.export.targets import executes, runs_here

    onnxruntime = next(form for form in FORMS.values() if form.target == "onnxruntime" and runs_here(form))
    others = [FORMS[name] for name in ("onnxruntime-arm", "openvino", "tensorrt", "tensorrt-mixed")]
    return (onnxruntime, *(form for form in others if form.name != "openvino" or executes("openvino")))


def build_graphs(
    case: Case, folder: Path, *, threads: int, search_s: float, progress: Progress, like: Plan | None = None
) -> Graphs:
    """Quantise with every tool and write the graphs and the plan to `folder`.

    A rival that raises is recorded under `refused`. threads, search_s: of our placement search, which measures. like:
    a plan of the same network with other weights, whose placement is taken without a search.
    """
    variants = [Variant(tool=FLOAT, runtime=name, file="float.onnx") for name in RUNTIMES]
    write_bytes(folder / "float.onnx", case.graph.SerializeToString())
    started = time.perf_counter()
    progress(f"{case.name}: {OURS}")
    plan, notes = our_plan(case, study_forms(), threads=threads, search_s=search_s, progress=progress, like=like)
    variants += _write_ours(case.graph, plan, folder)
    seconds, refused = {OURS: time.perf_counter() - started}, {}
    for name, quantise in RIVALS.items():
        progress(f"{case.name}: {name}")
        started = time.perf_counter()
        try:
            graph = quantise(case.graph, case.calibration)
        except Exception as error:  # noqa: BLE001  a quantiser that cannot do it, whatever it raises, is a result
            refused[name] = f"{type(error).__name__}: {error}"
            continue
        seconds[name] = time.perf_counter() - started
        file = f"{name.lower().replace(' ', '-')}.onnx"
        write_bytes(folder / file, graph.SerializeToString())
        variants += [Variant(tool=name, runtime=runtime, file=file) for runtime in RUNTIMES]
    return Graphs(variants=tuple(variants), seconds=seconds, refused=refused, notes=notes)


def our_plan(
    case: Case, forms: Sequence[Form], *, threads: int, search_s: float, progress: Progress, like: Plan | None
) -> tuple[Plan, tuple[str, ...]]:
    """What `build-engine --int8` would put into the bundle: ranges, corrected biases, a placement for each target."""
    from edgeneuro.export.make_plan import calibrated_plan
    from edgeneuro.export.place import place

    plan = calibrated_plan(case.graph, case.calibration)
    if like is not None:
        return replace(plan, placement=like.placement, kept_float=like.kept_float), ()
    placed = place(
        case.model,
        plan,
        forms,
        case.calibration,
        threads=threads,
        search_s=search_s,
        kept_float={},
        progress=progress,
    )
    return placed.plan, placed.notes


def _write_ours(graph: onnx.ModelProto, plan: Plan, folder: Path) -> list[Variant]:
    """A target without any INT8 node has no graph of its own."""
    from edgeneuro.export.lower import lower

    write_bytes(folder / PLAN, plan.to_bytes())
    variants = []
    for form in study_forms():
        if plan.placement.get(form.target):
            file = f"{OURS}.{form.name}.onnx"
            write_bytes(folder / file, lower(graph, plan, form).SerializeToString())
            here = form.target in RUNTIMES and form.name != "tensorrt-mixed"
            variants.append(Variant(tool=OURS, runtime=form.target if here else form.name, file=file))
    return variants


def read_plan(folder: Path) -> Plan:
    """The plan that `build_graphs` wrote."""
    from edgeneuro.export.plan import Plan

    return Plan.from_bytes((folder / PLAN).read_bytes())


def read_variant(folder: Path, variant: Variant) -> bytes:
    """The graph's ONNX bytes."""
    return (folder / variant.file).read_bytes()
