"""Every reference network in every precision, parsed and built by TensorRT-RTX on the processor.

    python -m edgeneuro.benchmarks.engines_rtx [--models myositis --models myositis-dual] [--nets runs/nets]

Writes docs/results/engines_rtx.json and .md. No GPU takes part: what is shown is that the graphs are taken, and which type
each convolution of the built engine reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.benchmarks.gpu_graphs import PRECISIONS
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.benchmarks.trained_nets import FOLDER, read_net
from edgeneuro.data.phantom import phantom_dataset
from edgeneuro.errors import BackendError, CheckpointError
from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import form_named
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import INPUT, export_onnx
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.models import model_entry
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.runtime.backends.trt.records import BuildReport
from edgeneuro.training.checkpoint import load_model, packaged, read_config

if TYPE_CHECKING:
    import onnx
    from torch import nn

MODELS = ("myositis", "myositis-dual")
"""The reference networks of the package; the table's other rows are there to compare with."""

COMPUTE_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0")
"""GeForce RTX 20, A100, GeForce RTX 30, 40 and 50."""

HARMLESS = ("Converting conv activation scales to fp32", "Converting conv weight scales to fp32")
"""Parts of what TensorRT-RTX says about every graph with scales in FP16: its kernels take them in FP32, which holds every FP16
number exactly."""

COLUMNS = {
    "model": "model",
    "precision": "precision",
    "capabilities": "built for",
    "convolutions": "convolutions",
    "int8": "in INT8",
    "placed": "meant for INT8",
    "half": "in FP16",
    "engine_mib": "engine, MiB",
    "weight_mib": "weights, MiB",
    "warnings": "warnings",
    "outcome": "outcome",
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A float graph with one plan for all precisions. weights: whose, for the reader of a table."""

    name: str
    weights: str
    graph: onnx.ModelProto
    plan: Plan

    def lowered(self, precision: str) -> onnx.ModelProto:
        """The graph that a bundle holds for TensorRT in one of PRECISIONS."""
        form = PRECISIONS[precision]
        return self.graph if form is None else lower(self.graph, self.plan, form)

    def placed(self, precision: str) -> int:
        """How many convolutions the plan runs in INT8."""
        form = PRECISIONS[precision]
        nodes = () if form is None else self.plan.placement.get(form.target, ())
        return sum(node.name in nodes for node in graphs.convolutions(self.graph.graph))


def reference_network(name: str) -> Network:
    """The model `name` of the table, with its packaged weights, else with fresh ones of seed 0. Raises InputError for an
    unknown name."""
    import torch

    entry = model_entry(name)
    try:
        folder = packaged(name)
    except CheckpointError:
        torch.manual_seed(0)
        network, weights = build_model(name, classes=4, channels=entry.channels), "fresh, seed 0"
        size = Preprocess(
            height=entry.image_size, width=entry.image_size, channels=entry.channels, mean=(0.45,), std=(0.2,)
        )
    else:
        network, weights, size = load_model(folder), "packaged", read_config(folder).frame_preprocess
    return planned(name, network, weights, size)


def trained_networks(folder: Path) -> tuple[Network, ...]:
    """What `train_nets` left in `folder`: the stand-ins for reference models that are still to come."""
    found = []
    for record in sorted(folder.glob("*/net.json")):
        network, about = read_net(record.parent)
        found.append(planned(about.name, network, f"trained on {about.trained_on.name}", about.preprocess))
    return tuple(found)


def planned(name: str, network: nn.Module, weights: str, size: Preprocess) -> Network:
    """Exported, with ranges of four phantom frames, one of each class, and INT8 where NVIDIA's rules put it."""
    graph, _ = export_onnx(network, channels=size.channels, height=size.height, width=size.width)
    phantom = phantom_dataset(subjects_per_class=1, frames_per_subject=1)
    plan = calibrated_plan(graph, [{INPUT: size(phantom.read(sample))[None]} for sample in phantom.samples])
    nodes, _ = placement_by_rule(graph, form_named("tensorrt"))
    return Network(name=name, weights=weights, graph=graph, plan=with_placement(plan, "tensorrt", nodes))


def warnings_that_matter(report: BuildReport) -> tuple[str, ...]:
    """Those that say nothing HARMLESS."""
    return tuple(said for said in report.warnings if not any(part in said for part in HARMLESS))


def build_rows(network: Network, precision: str, capabilities: Sequence[str]) -> list[dict[str, Any]]:
    """A build for each of `capabilities` alone, since the types may differ; those alike share a row."""
    model = network.lowered(precision)
    about = {
        "model": network.name,
        "weights": network.weights,
        "precision": precision,
        "convolutions": len(graphs.convolutions(network.graph.graph)),
        "placed": network.placed(precision),
        "weight_mib": sum(values.nbytes for values in graphs.initializers(model.graph).values()) / 2**20,
    }
    content = model.SerializeToString()
    return _merged([{**about, **_built(content, capability)} for capability in capabilities])


def _built(content: bytes, capability: str) -> dict[str, Any]:
    try:
        report = evidence(content, compute_capabilities=(capability,))
    except BackendError as error:
        return {"capabilities": [capability], "outcome": "refused", "reason": str(error), "engine_bytes": []}
    assert report.layers is not None
    return {
        "capabilities": [capability],
        "outcome": "built",
        "version": report.version,
        "int8": report.layers.int8_convolutions,
        "half": report.layers.half_convolutions,
        "reformats": report.layers.reformats,
        "warnings": list(warnings_that_matter(report)) or None,
        "said": list(report.warnings),
        "engine_bytes": [report.engine_bytes],
    }


def _merged(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that differ in nothing but compute capability and size put together."""
    merged: list[dict[str, Any]] = []
    for row in rows:
        alike = next((one for one in merged if _outcome(one) == _outcome(row)), None)
        if alike is None:
            merged.append(row)
        else:
            alike["capabilities"] += row["capabilities"]
            alike["engine_bytes"] += row["engine_bytes"]
    return [{**row, "engine_mib": _span(row["engine_bytes"])} for row in merged]


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("capabilities", "engine_bytes")}


def _span(sizes: Sequence[int]) -> str | None:
    """ "4.4" or "4.4 to 5.5", MiB."""
    ends = dict.fromkeys(f"{size / 2**20:.1f}" for size in (min(sizes), max(sizes))) if sizes else ()
    return " to ".join(ends) or None


def write_engines(rows: Sequence[Mapping[str, Any]], networks: Mapping[str, str], script: str, folder: Path) -> None:
    """engines_rtx.json and .md in `folder`. networks: name -> whose weights."""
    versions = sorted({row["version"] for row in rows if "version" in row})
    write_result(
        "engines_rtx",
        title="Engines of every reference model, built by TensorRT-RTX without a GPU",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": script,
            "library": f"tensorrt-rtx {', '.join(versions)}",
            "weights": networks,
            "ranges": "of four phantom frames, one of each class; which layers run in INT8 does not depend on them",
            "notes": [
                "Built on a processor; has run on no GPU. The counts are evidence of the plan, not of speed or of accuracy.",
                "in INT8, in FP16: convolutions whose layer in the built engine reads that type; the rest reads neither. Each "
                + "compute capability was built alone; those that came out alike share a row, sizes as a span.",
                f"Not listed as warnings: {'; '.join(HARMLESS)}. Graphs with scales in FP16 get them; FP32 holds those exactly.",
                *broken_promises(rows),
                *refusals(rows),
            ],
        },
        folder=folder,
    )


def broken_promises(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for every engine with fewer convolutions in INT8 than its graph says."""
    return [
        f"Not in INT8 as the graph says, for {', '.join(row['capabilities'])}: {row['model']} in {row['precision']}, "
        f"{row['int8']} of {row['placed']} convolutions."
        for row in rows
        if row["outcome"] == "built" and row["int8"] < row["placed"]
    ]


def refusals(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for every reason why there is no engine; nodes that it names are left out."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["outcome"] == "refused":
            reason = re.sub(r"'[^']*'", "'...'", row["reason"])
            found.setdefault(reason, []).append(
                f"{row['model']} in {row['precision']} for {', '.join(row['capabilities'])}"
            )
    return [f"Refused, {', '.join(what)}: {reason}." for reason, what in found.items()]


def measure(networks: Iterable[Network], capabilities: Sequence[str], progress: Callable[[str], None]) -> list[Any]:
    """Rows of all `networks` in all PRECISIONS."""
    rows = []
    for network in networks:
        for precision in PRECISIONS:
            progress(f"{network.name}: {precision}")
            rows += build_rows(network, precision, capabilities)
    return rows


def main(
    models: Annotated[
        list[str] | None, typer.Option(help=f"Of the model table; {' and '.join(MODELS)} where none is named.")
    ] = None,
    nets: Annotated[Path, typer.Option(help="Where train_nets left the stand-ins; taken if there.")] = FOLDER,
) -> None:
    """Build everything and write the result."""
    networks = [*(reference_network(name) for name in models or MODELS), *trained_networks(nets)]
    rows = measure(networks, COMPUTE_CAPABILITIES, print)
    script = " ".join(["python -m edgeneuro.benchmarks.engines_rtx", *(f"--models {name}" for name in models or ())])
    write_engines(rows, {network.name: network.weights for network in networks}, script, RESULTS)
    for row in rows:
        said = row.get("reason") or f"{row['int8']} of {row['convolutions']} in INT8, {row['half']} in FP16"
        print(f"{row['model']} {row['precision']}, {', '.join(row['capabilities'])}: {said}")


if __name__ == "__main__":
    typer.run(main)
