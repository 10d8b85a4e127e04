"""edgeneuro inspect: the manifest, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.cli.options import Json, out, print_json

if TYPE_CHECKING:
    from edgeneuro.manifest import DataIdentity, Manifest
    from edgeneuro.runtime import Bundle


def command(
    engine: Annotated[Path, typer.Argument(help="An .edge file.", show_default=False)], as_json: Json = False
) -> None:
    """Show what an .edge file is, what it was made from and what it promises; nothing in it is executed.

    \b
    edgeneuro inspect myositis-int8.edge
    edgeneuro inspect myositis-int8.edge --json
    """
    from edgeneuro.runtime import read_bundle

    bundle = read_bundle(engine)
    if as_json:
        print_json(document(engine, bundle))
    else:
        show(engine, bundle)


def document(path: Path, bundle: Bundle) -> dict[str, Any]:
    """As docs/schemas/inspect.schema.json describes it: the manifest, with the size of every member."""
    from edgeneuro.records import to_json

    manifest: dict[str, Any] = to_json(bundle.manifest)
    files = {name: {"sha256": digest, "bytes": len(bundle.members[name])} for name, digest in manifest["files"].items()}
    return {"path": str(path), **manifest, "files": files}


def show(path: Path, bundle: Bundle) -> None:
    """Print the manifest for people, on standard output."""
    from rich.table import Table

    manifest = bundle.manifest
    console = out()
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(manifest, sum(len(data) for data in bundle.members.values())):
        facts.add_row(name, value)
    console.print(str(path))
    console.print(facts)
    metric = manifest.primary_metric.replace("_", " ")
    graphs = Table("graph", "precision", "needs", "INT8 convolutions", metric, "drop", box=None, pad_edge=False)
    for graph in manifest.graphs:
        measured = manifest.accuracy.graphs.get(graph.path) if manifest.accuracy else None
        drop = manifest.accuracy.drop_points.get(graph.path) if manifest.accuracy else None
        graphs.add_row(
            graph.path,
            graph.precision,
            " ".join(graph.requires) or "any processor",
            f"{graph.int8_convolutions} of {graph.convolutions}",
            "-" if measured is None else f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]",
            "-" if drop is None else f"{drop.value:.2f} [{drop.low:.2f}, {drop.high:.2f}] points",
        )
    console.print(graphs)


def _facts(manifest: Manifest, size_bytes: int) -> Iterator[tuple[str, str]]:
    shape = manifest.preprocess
    colour = "grey" if shape.channels == 1 else "RGB"
    yield "model", f"{manifest.model}, {manifest.task} into {', '.join(manifest.classes)}"
    yield "precision", manifest.precision
    yield (
        "frame",
        f"{shape.height} x {shape.width} px, {colour}, {shape.bit_depth} bit (any size from 32 px is resized)",
    )
    yield "compute", f"{manifest.compute.params:,} parameters, {manifest.compute.macs:,} multiply-accumulates a frame"
    yield "size", f"{size_bytes:,} bytes in {len(manifest.files)} members"
    yield "trained on", "unknown" if manifest.trained_on is None else _data(manifest.trained_on)
    if manifest.calibration is not None:
        seen = manifest.calibration
        sides = f"{seen.smallest_side_px} to {seen.largest_side_px}"
        depths = " and ".join(map(str, seen.bit_depths))
        yield "calibrated", f"{seen.method} on {_data(seen.data)}, sides {sides} px, {depths} bit"
    if manifest.accuracy is not None:
        held = manifest.accuracy
        yield "accuracy", f"{held.metric} on {_data(held.data)}, split {held.protocol}, 95 % intervals by group below"
    if manifest.split is not None:
        parts = ("training", "validation", "test", "calibration")
        yield "groups", ", ".join(f"{len(getattr(manifest.split, part))} {part}" for part in parts)
    yield "made with", ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    for note in manifest.notes:
        yield "note", note


def _data(data: DataIdentity) -> str:
    kind = ", simulated" if data.simulated else ""
    return f"{data.name} ({data.frames:,} frames of {data.groups:,} groups, {data.licence}{kind})"
