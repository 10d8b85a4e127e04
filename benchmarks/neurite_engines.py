"""What INT8 costs where neurites are found: whole frames through the float graph and every other graph of a gated engine.

    python -m edgeneuro.benchmarks.neurite_engines runs/neurites/neuron_pfc_pn/all/fold0 neuron_pfc_pn

The engine is built beside the checkpoint, once; frames are those of DATA that neither training nor calibration has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edgeneuro.benchmarks.neurite_scoring import (
    MEASURES,
    VOXELS,
    as_fold,
    difference,
    f1,
    frame_overlaps,
    mean_f1,
    pooled,
    pooled_f1,
    recall,
)
from edgeneuro.benchmarks.neurite_tables import SCORES, hundredfold
from edgeneuro.benchmarks.real_tables import signed, written_notes
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.leakage import unseen
from edgeneuro.data.sample import Sample
from edgeneuro.errors import BackendError, BundleError, GateError, UsageError
from edgeneuro.manifest import Manifest
from edgeneuro.metrics import RESAMPLES, score_drop
from edgeneuro.metrics.tubes import TOLERANCES
from edgeneuro.runtime import Engine, Segmentation, open_engine, read_bundle
from edgeneuro.spec import Array

console = Console(stderr=True)

REFERENCE = "fp32 onnxruntime"
"""What every other graph is compared with."""
Counts = Mapping[str, Array]
"""Measure -> (frame, COUNTS)."""


def built(
    checkpoint: Path, dataset: DataSet, max_drop: str, *, threads: int, backends: tuple[str, ...] = ()
) -> tuple[Path, str]:
    """The bundle, and what the gate said. One that does not hold is built all the same, so that its numbers are seen.
    backends: as of BuildSettings."""
    from edgeneuro.export.build import BuildSettings, build_engine
    from edgeneuro.export.gate import parse_margin

    path, said = checkpoint.with_name(f"{checkpoint.name}.edge"), checkpoint.with_name(f"{checkpoint.name}.gate.txt")
    if not path.exists():
        settings: dict[str, Any] = {"precision": "int8", "threads": threads, "backends": backends}
        try:
            margin = parse_margin(max_drop)
            manifest = build_engine(
                str(checkpoint), path, settings=BuildSettings(margin=margin, **settings), data=dataset
            )
            assert manifest.gate is not None
            verdict = f"{manifest.gate.verdict}, {max_drop}"
        except GateError as error:
            build_engine(str(checkpoint), path, settings=BuildSettings(**settings), data=dataset)
            verdict = f"refused: {error}"
        said.write_text(verdict, encoding="utf-8")
    return path, said.read_text(encoding="utf-8") if said.exists() else "built before, without a gate of ours"


def opened(path: Path, manifest: Manifest, *, threads: int) -> Iterator[tuple[str, Engine]]:
    """Precision and backend of every graph that opens here, REFERENCE first; each is closed when the next one is asked for."""
    wanted = {(graph.precision, graph.backend) for graph in manifest.graphs}
    for precision, backend in sorted(wanted, key=lambda pair: (" ".join(pair) != REFERENCE, pair)):
        try:
            engine = open_engine(path, precision=precision, backend=backend, threads=threads)
        except (BackendError, BundleError) as error:
            console.print(f"{precision} on {backend} is left out: {error}")
            continue
        with engine:
            if engine.graph.precision == precision:
                yield f"{precision} {backend}", engine


def counted(engine: Engine, dataset: DataSet, samples: Sequence[Sample]) -> Counts:
    """Of whole frames. Raises UsageError for an engine that gives no masks."""
    overlaps = []
    for sample in samples:
        result = engine(dataset.read(sample))
        if not isinstance(result, Segmentation):
            raise UsageError(f"{engine.manifest.model}: gives no mask, expected a network that finds neurites")
        overlaps.append(frame_overlaps(dataset.mask(sample), result.mask))
    return as_fold(samples, overlaps, {}).tables


def row(name: str, counts: Counts, reference: Counts, groups: Sequence[str]) -> dict[str, Any]:
    """Scores, and what is gained against the float graph on the same frames, in points."""
    found: dict[str, Any] = {"title": name, "dice": percent(mean_f1(counts[VOXELS], groups))}
    found |= {measure: percent(pooled_f1(counts[measure], groups)) for measure in MEASURES}
    found |= {_recall(radius): percent(pooled(counts[f"within {radius}"], groups, recall)) for radius in TOLERANCES}
    if name == REFERENCE:
        return found
    dice = score_drop(f1(reference[VOXELS]), f1(counts[VOXELS]), groups)
    found |= {"dice_minus": signed(dice.interval())}
    for measure in MEASURES:
        found[f"{measure} minus"] = points(hundredfold(difference(counts[measure], reference[measure], groups)))
    for radius in TOLERANCES:
        pair = counts[f"within {radius}"], reference[f"within {radius}"]
        found[f"{_recall(radius)} minus"] = points(hundredfold(difference(*pair, groups, recall)))
    return found


def write_engines(path: Path, verdict: str, dataset: DataSet, *, threads: int, results: Path = RESULTS) -> None:
    """`results`/neurite_engines_DATA."""
    manifest = read_bundle(path).manifest
    if manifest.split is None:
        raise UsageError(f"{path}: does not say what it has seen; build it from a checkpoint folder")
    samples = unseen(dataset, manifest.split).dataset.samples
    groups = [sample.group for sample in samples]
    counts = {graph: counted(engine, dataset, samples) for graph, engine in opened(path, manifest, threads=threads)}
    name = f"neurite_engines_{dataset.name}"
    write_result(
        name,
        title=f"{dataset.name}: neurites found by the graphs of one engine",
        rows=[row(graph, found, counts[REFERENCE], groups) for graph, found in counts.items()],
        columns={
            "title": "graph",
            **SCORES,
            **{_recall(radius): f"recall within {radius}" for radius in TOLERANCES},
            "dice_minus": "Dice minus float, points",
            f"{VOXELS} minus": "voxel F1 minus float",
            **{f"{_recall(radius)} minus": f"recall within {radius} minus float" for radius in TOLERANCES},
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.neurite_engines CHECKPOINT {dataset.name}",
            "network": f"{manifest.model}, {manifest.compute.params:,} parameters, {manifest.compute.macs / 1e6:,.1f} MMACs a tile",
            "gate": verdict,
            "kept in float": {
                graph.path: f"{len(graph.kept_float)} of {graph.convolutions} convolutions"
                for graph in manifest.graphs
                if graph.precision != "fp32"
            },
            "data": f"{dataset.name}, {dataset.licence}; {len(samples)} frames in {len(set(groups))} groups, unseen in training and "
            "calibration",
            "measures": "whole frames blended from tiles; recall within r: of points of true centre lines, found within r voxels",
            "intervals": f"percent, 95 %, {RESAMPLES} resamples of groups; differences paired by group, of Dice by jackknife "
            "(docs/gate.md)",
            "notes": written_notes(results / f"{name}.notes.md"),
        },
        folder=results,
    )


def _recall(radius: float) -> str:
    return f"recall {radius:g}"


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a trained network for neurites.")],
    data: Annotated[str, typer.Argument(help="Labelled frames, as --data takes them.")],
    max_drop: Annotated[str, typer.Option(help="Margin of the gate, points of Dice.")] = "1",
    threads: Annotated[int, typer.Option(help="To build and to run with.")] = 1,
) -> None:
    """Build where there is no engine yet, run every graph, write the table."""
    dataset = open_data(data)
    path, verdict = built(checkpoint, dataset, max_drop, threads=threads)
    write_engines(path, verdict, dataset, threads=threads)


if __name__ == "__main__":
    typer.run(main)
