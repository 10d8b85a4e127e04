"""INT8 graphs of this project beside those of NNCF and ONNX Runtime's quantiser, on four trained networks.

    python -m edgeneuro.benchmarks.quantisation [NET...] [--again STEP]

Networks: stanet, resnet18, lite0, unet; train them first (edgeneuro.benchmarks.train_nets; STANet by
edgeneuro.benchmarks.real_data us_lung_pocus). Steps of each: graphs, outputs, checks, times. A step that has been done is read
from runs/quantisation/NET/STEP.json; --again repeats it. Data sets are looked for in $EDGENEURO_DATA.
Writes docs/results/quantisation.json and .md, quantisation_accuracy.json and .md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from edgeneuro.benchmarks.quantisation_accuracy import REFERENCE, accuracies, close_calls
from edgeneuro.benchmarks.quantisation_cases import Case, open_cases
from edgeneuro.benchmarks.quantisation_checks import Checks, check_all
from edgeneuro.benchmarks.quantisation_graphs import FLOAT, OURS, Graphs, Variant, build_graphs, read_plan
from edgeneuro.benchmarks.quantisation_outputs import all_outputs, output_error
from edgeneuro.benchmarks.quantisation_tables import (
    ACCURACY_COLUMNS,
    COLUMNS,
    Measured,
    accuracy_rows,
    bars,
    changes,
    refusals,
    rows,
    unique,
)
from edgeneuro.benchmarks.quantisation_times import Times, time_case
from edgeneuro.benchmarks.results import write_result
from edgeneuro.errors import UsageError
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json

NETS = ("stanet", "resnet18", "lite0", "unet")
STEPS = ("graphs", "outputs", "checks", "times")
RUNS = Path("runs") / "quantisation"
TRAINED = Path("runs") / "nets"
STANET = Path("runs") / "us_lung_pocus_224" / "stanet"
Step = TypeVar("Step")
Progress = Callable[[str], None]


def measure(
    cases: Sequence[Case], folder: Path, *, threads: int, search_s: float, budget_s: float, progress: Progress
) -> Measured:
    """All steps of one network, each read from `folder` where it was done before. cases: its folds; the first is
    counted and timed, all enter the accuracy."""
    first = cases[0]
    build = partial(build_graphs, threads=threads, search_s=search_s, progress=progress)
    graphs = _step(folder / "graphs.json", Graphs, lambda: build(first, folder))
    answered = [(first, all_outputs(first, graphs.variants, folder, threads=threads, progress=progress))]
    for number, case in enumerate(cases[1:], 1):
        beside = folder / f"fold{number}"
        other = _step(beside / "graphs.json", Graphs, partial(build, case, beside, like=read_plan(folder)))
        answered.append((case, all_outputs(case, other.variants, beside, threads=threads, progress=progress)))
    progress(f"{first.name}: counting layers, building for TensorRT-RTX")
    checks = _step(folder / "checks.json", Checks, lambda: check_all(graphs.variants, folder))
    progress(f"{first.name}: timing")
    times = _step(
        folder / "times.json",
        Times,
        lambda: time_case(first, graphs.variants, folder, threads=threads, budget_s=budget_s),
    )
    outputs = answered[0][1]
    reference = next(values for one, values in outputs.items() if one.tool == FLOAT)
    return Measured(
        name=first.name,
        metric=first.metric,
        macs=first.model.compute.macs,
        convolutions=sum(node.op_type == "Conv" for node in first.graph.graph.node),
        facts=first.facts,
        graphs=graphs,
        checks=checks.found,
        errors={(one.tool, one.runtime): output_error(values, reference) for one, values in outputs.items()},
        accuracies=tuple(accuracies(answered)),
        close_calls=close_calls(answered, _ours(graphs)),
        times=times,
    )


def _ours(graphs: Graphs) -> Variant:
    """Our graph on ONNX Runtime; the float graph where it has none."""
    return next((one for one in graphs.variants if (one.tool, one.runtime) == (OURS, "onnxruntime")), REFERENCE)


def _step(path: Path, kind: type[Step], make: Callable[[], Step]) -> Step:
    """What `path` holds, or what `make` returns, kept there."""
    if path.exists():
        return from_json(kind, json.loads(path.read_text(encoding="utf-8")), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    made = make()
    write_json(path, to_json(made))
    return made


def forget(folder: Path, step: str) -> None:
    """Remove what `step` left in `folder`, with new graphs everything. Raises UsageError for an unknown step."""
    if step not in STEPS:
        raise UsageError(f"--again {step}: is no step, expected one of {', '.join(STEPS)}")
    if step == "graphs":
        shutil.rmtree(folder, ignore_errors=True)
    elif step == "outputs":
        for path in folder.glob("**/outputs"):
            shutil.rmtree(path)
    else:
        (folder / f"{step}.json").unlink(missing_ok=True)


def write(measured: list[Measured], *, threads: int, script: str) -> None:
    """Both tables with their context."""
    context = {
        "script": script,
        "data": [f"{one.name}: {one.facts['data']} ({one.facts['input']})" for one in measured],
        "split": "fold 0 is the test part, for stanet's accuracy each fold of its own network; training, calibration and "
        "test share no group",
        "calibration": [
            f"{one.name}: {one.facts['calibration_frames']} frames, the same for every tool" for one in measured
        ],
        "threads": threads,
        "load average before": [f"{one.name} {one.times.load}" for one in measured],
    }
    write_result(
        "quantisation",
        title="INT8 graphs of this project and of others, on the same networks and frames",
        rows=[row for one in measured for row in rows(one)],
        columns=COLUMNS,
        context={
            **context,
            "protocol": "one frame at a time; all graphs of a runtime run in every round in random order; ratios within "
            "a round, median [p10, p90]",
            "rounds": [f"{one.name}: {one.times.rounds}" for one in measured],
            "notes": unique([*_explained(), *(line for one in measured for line in (*bars(one), *refusals(one)))]),
        },
    )
    write_result(
        "quantisation_accuracy",
        title="What INT8 costs trained networks",
        rows=[row for one in measured for row in accuracy_rows(one)],
        columns=ACCURACY_COLUMNS,
        context={**context, "notes": [*_accuracy_notes(), *(line for one in measured for line in changes(one))]},
    )


def _explained() -> list[str]:
    return [
        (
            "Output error: root mean square of the difference from the float graph on ONNX Runtime over all test frames, "
            "divided by the standard deviation of the float outputs."
        ),
        (
            "Convolutions in INT8 are counted in the graph each runtime executes after its own optimisations; for "
            "TensorRT-RTX in the layer list of an engine built without a GPU, which is evidence of the plan, not of speed."
        ),
        (
            "TensorRT's numbers are emulated: every node to the letter of the file, UINT8 read as INT8, as its parser says "
            "it does. A graph with UINT8 counts as not taken, though it builds with a warning."
        ),
        (
            "The others' one graph is what their documented call returns; ours is one plan written out for each runtime. "
            "Where a runtime gains nothing from INT8, ours stays in float there."
        ),
        (
            "ONNX Runtime runs every graph with its optimisers but one (it would put weights of layers left in float into "
            "INT8), which takes nothing from the others' graphs."
        ),
    ]


def _accuracy_notes() -> list[str]:
    return [
        (
            "Bars: a drop of at most 0.3 points (networks with depthwise convolutions: 0.5) and agreement of at least 99 %. "
            "They are held against the measured value; whether the data can tell is what the 95 % interval says, which is "
            "over groups and counts changes not yet seen."
        ),
        "Agreement: share of frames to which the INT8 graph gives the class float gives; for masks, of pixels.",
        (
            "Networks trained with python -m edgeneuro.benchmarks.train_nets and real_data; small inputs and short runs on a "
            "processor, so the scores are no record for these data sets."
        ),
    ]


def main(
    nets: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(NETS)}; all by default.")] = None,
    again: Annotated[
        str | None, typer.Option(help="A step to repeat: graphs (and all that follows), outputs, checks or times.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    search_s: Annotated[float, typer.Option(help="Of the placement search, seconds a target.")] = 60.0,
    budget_s: Annotated[float, typer.Option(help="Of the timing, seconds a runtime and network.")] = 60.0,
) -> None:
    """Measure what has not been measured yet, and write the tables."""
    console = Console(stderr=True)
    measured = []
    for name in nets or NETS:
        folder = RUNS / name
        if again is not None:
            forget(folder, again)
        os.environ["EDGENEURO_CACHE"] = str(folder / "cache")  # searches measured for something else stay out
        console.print(f"{name}: reading frames")
        cases = open_cases(name, nets=TRAINED, stanet=STANET)
        measured.append(
            measure(
                cases,
                folder,
                threads=threads,
                search_s=search_s,
                budget_s=budget_s,
                progress=lambda x: console.print(x),
            )
        )
    script = "python -m edgeneuro.benchmarks.quantisation " + " ".join(nets or [])
    write(measured, threads=threads, script=script.strip())


if __name__ == "__main__":
    typer.run(main)
