"""What it costs to find the most sensitive layers in groups, beside measuring every layer, and whether they are the same.

    python -m edgeneuro.benchmarks.sensitivity_cost [NET...] [--frames 8]

Networks: stanet with its packaged weights on phantom frames; lite0, ImageNet features on us_lung_pocus frames (looked for
in $EDGENEURO_DATA); resnet18, mobilenet-v2 and unet with random weights on noise, for their shapes only. Writes
docs/results/sensitivity_cost.json and .md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.lite0 import IMAGENET, lite0_network
from edgeneuro.benchmarks.results import write_result
from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data import DataSet, open_data
from edgeneuro.errors import InputError
from edgeneuro.spec import Feed

if TYPE_CHECKING:
    import onnx

    from edgeneuro.export.sensitivity import SensitivityReport

TARGETS = ("onnxruntime-x86-vnni", "tensorrt")
COUNTS = (1, 3, 5)
CALIBRATION_FRAMES = 32
SIDE_PX = 96
"""Of the networks with random weights."""
COLUMNS = {
    "network": "network",
    "weights": "weights",
    "target": "INT8 form",
    "layers": "layers",
    "wanted": "wanted",
    "graphs": "graphs run",
    "one_by_one": "one by one",
    "complete": "no larger group left",
    "same": "same layers",
    "error": "error, all in INT8",
    "kept": "back in float",
    "error_kept": "error with these in float",
    "sum": "sum of squares / square of all",
}


@dataclass(frozen=True, kw_only=True)
class Net:
    """A float graph with frames for it. weights: where they come from."""

    name: str
    weights: str
    graph: onnx.ModelProto
    feeds: Sequence[Feed]


def open_net(name: str) -> Net:
    """Raises InputError with the known names, DataError without the data set."""
    if name == "stanet":
        return _stanet()
    if name == "lite0":
        return _lite0()
    return _random(name)


def _stanet() -> Net:
    from edgeneuro.export.parts import calibration_frames
    from edgeneuro.export.source import load_source

    model = load_source("myositis")
    data, _ = calibration_frames(open_data("phantom"), model.split, CALIBRATION_FRAMES, np.random.default_rng(0))
    feeds = [model.feed(model.read(data, sample)) for sample in data.samples]
    return Net(name="stanet", weights="trained, phantom", graph=model.graph, feeds=feeds)


def _lite0() -> Net:
    from edgeneuro.export.onnx_export import export_onnx

    graph, _ = export_onnx(lite0_network(), channels=3, height=IMAGENET.height, width=IMAGENET.width)
    data = open_data("us_lung_pocus")
    chosen = choose_samples(data.samples, CALIBRATION_FRAMES, np.random.default_rng(0))
    return Net(name="lite0", weights="trained, ImageNet", graph=graph, feeds=_frames(graph, data.subset(chosen)))


def _frames(graph: onnx.ModelProto, data: DataSet) -> list[Feed]:
    return [{graph.graph.input[0].name: IMAGENET(data.read(sample))[None]} for sample in data.samples]


def _random(name: str) -> Net:
    """Batch normalisation has seen four batches of the noise that the frames are made of."""
    import torch

    from edgeneuro.benchmarks.nets import NETS
    from edgeneuro.export.onnx_export import export_onnx

    if name not in NETS:
        raise InputError(f"network {name!r}: is not known, expected stanet, lite0 or one of {', '.join(NETS)}")
    torch.manual_seed(0)
    network = NETS[name](3, 1).train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(8, 1, SIDE_PX, SIDE_PX))
    graph, _ = export_onnx(network.eval(), channels=1, height=SIDE_PX, width=SIDE_PX)
    rng = np.random.default_rng(0)
    source = graph.graph.input[0].name
    feeds = [
        {source: rng.standard_normal((1, 1, SIDE_PX, SIDE_PX)).astype(np.float32)} for _ in range(CALIBRATION_FRAMES)
    ]
    return Net(name=name, weights="random", graph=graph, feeds=feeds)


def measure(net: Net, frames: int) -> list[dict[str, Any]]:
    """One row for each target and number of layers that is looked for."""
    from edgeneuro.export.forms import form_named
    from edgeneuro.export.make_plan import calibrated_plan
    from edgeneuro.export.placement_rules import placement_by_rule
    from edgeneuro.export.plan import with_placement
    from edgeneuro.export.sensitivity import sensitivity

    ranges = calibrated_plan(net.graph, net.feeds)
    rows = []
    for target in TARGETS:
        form = form_named(target)
        nodes, _ = placement_by_rule(net.graph, form)
        plan = with_placement(ranges, form.target, nodes)
        every = sensitivity(net.graph, plan, form, net.feeds[:frames], top=len(nodes))
        for count in COUNTS:
            report = sensitivity(net.graph, plan, form, net.feeds[:frames], top=count)
            rows.append(_row(net, report, every, count))
            print(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    return rows


def _row(net: Net, report: SensitivityReport, every: SensitivityReport, count: int) -> dict[str, Any]:
    beside = max(1, 2 * len(report.found))  # all layers, all but each found one, all but the first 2, 3, ...
    best = {row.node for row in every.rows[: len(report.found)]}
    return {
        "network": net.name,
        "weights": net.weights,
        "target": report.form,
        "emulated": report.emulated,
        "layers": report.layers,
        "wanted": count,
        "graphs": report.evaluations - beside,
        "one_by_one": report.layers,
        "found": len(report.found),
        "complete": report.complete,
        "cancels": report.cancels,
        "same": f"{len(best & set(report.found))} of {len(best)}",
        "error": round(report.error, 5),
        "kept": len(report.keep_float),
        "error_kept": round(report.error_kept, 5),
        "sum": round(sum(row.error**2 for row in every.rows) / report.error**2, 2),
        "ranking": list(report.ranking[:count]),
    }


def main(
    nets: Annotated[list[str] | None, typer.Argument(metavar="NET...", help="All five if none is named.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Compared with float in each graph.")] = 8,
) -> None:
    """Measure every network and write the table."""
    names = nets or ["stanet", "lite0", "resnet18", "mobilenet-v2", "unet"]
    rows: list[Mapping[str, Any]] = [row for name in names for row in measure(open_net(name), frames)]
    write_result(
        "sensitivity_cost",
        title="Graphs run to find the most sensitive layers, in groups and one by one",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.sensitivity_cost {' '.join(names)} --frames {frames}",
            "data": f"ranges over {CALIBRATION_FRAMES} frames, error over {frames} of them",
            "emulated": sorted({row["target"] for row in rows if row["emulated"]}),
            "notes": [
                "Graphs run: those of the search; the report runs 2 for each found layer beside them.",
                "Same layers: of those found, how many are among as many that are worst when each is measured.",
                "Back in float: as many of the found layers, from the worst, as give the smallest error.",
                "Errors: root mean square of the outputs' difference from float / their standard deviation.",
                "The last column is 1 where squared errors of layers add up; neighbours share the tensor between them.",
                "Random weights show what the search costs on a network of that shape, not which layers matter.",
            ],
        },
    )


if __name__ == "__main__":
    typer.run(main)
