"""edgeneuro inspect: the manifest, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.cli.options import Json, out, print_facts, print_json

if TYPE_CHECKING:
    from edgeneuro.data.split import Split
    from edgeneuro.manifest import Accuracy, Calibration, DataIdentity, Gate, Graph, Manifest, PrebuiltEngine
    from edgeneuro.runtime import Bundle
    from edgeneuro.runtime.trust import Trust


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show what an .edge file is, what it was made from and what it promises; nothing in it is executed.

    \b
    edgeneuro inspect myositis-int8.edge
    edgeneuro inspect myositis-int8.edge --json
    """
    from edgeneuro.runtime import read_untrusted

    bundle = read_untrusted(engine)
    if as_json:
        print_json(document(engine, bundle))
    else:
        show(engine, bundle)


def document(path: Path, bundle: Bundle) -> dict[str, Any]:
    """As docs/schemas/inspect.schema.json describes it: the manifest, with the size of every member, whose it is, and what
    it was certified by."""
    from edgeneuro.benchmarks.compare.certificate import certificate_of
    from edgeneuro.records import to_json

    manifest: dict[str, Any] = to_json(bundle.manifest)
    files = {name: {"sha256": digest, "bytes": len(bundle.members[name])} for name, digest in manifest["files"].items()}
    return {
        "path": str(path),
        **manifest,
        "files": files,
        "signature": to_json(_trust(bundle)),
        "certificate": to_json(certificate_of(bundle, str(path))),
    }


def show(path: Path, bundle: Bundle) -> None:
    """Print the manifest for people, on standard output."""
    console = out()
    console.print(str(path), soft_wrap=True)
    print_facts(
        console,
        (
            *facts(bundle.manifest, path.stat().st_size),
            *_certificate(bundle, str(path)),
            ("signature", signature_in_words(_trust(bundle))),
        ),
    )


def _certificate(bundle: Bundle, where: str) -> Iterator[tuple[str, str]]:
    """The comparison that the bundle was certified by: on what, and what each executable was judged by."""
    from edgeneuro.benchmarks.compare.certificate import certificate_of

    found = certificate_of(bundle, where)
    if found is None:
        return
    yield "certified", f"{found.verdict} against {found.reference.name} on {_data(found.data)}"
    for one in found.executables:
        yield "", f"{one.executable.name} {one.executable.version}: {'; '.join(one.judged_by)}"
    for name, why in found.missing.items():
        yield "", f"not compared: {name}: {why}"


def signature_in_words(trust: Trust) -> str:
    """What the keys say of a signature, for people."""
    named = f"names key {trust.key}"
    return {
        "trusted": f"of key {trust.key}, trusted ({trust.key_file})",
        "unsigned": "none; refused on this device, where trusted keys are installed",
        "untrusted": f"{named}, which is not trusted here; refused on this device",
        "invalid": f"{named} ({trust.key_file}), but does not fit the content; refused on this device",
        "unchecked": "none" if trust.key is None else f"{named}, not checked: no trusted key installed",
    }[trust.state]


def _trust(bundle: Bundle) -> Trust:
    from edgeneuro.runtime.trust import trusted_keys, weigh

    return weigh(bundle.signature, bundle.manifest_json, trusted_keys())


def facts(manifest: Manifest, size_bytes: int) -> Iterator[tuple[str, str]]:
    """What people read: name, value. size_bytes: of the whole file."""
    from edgeneuro.manifest import CLASS_MAPS, QUALITY

    into = f" into {', '.join(manifest.classes)}" if manifest.classes else ""
    yield "model", f"{manifest.model}, {manifest.task}{into}"
    yield "precision", manifest.precision
    yield from _inputs(manifest)
    for spec in manifest.outputs:
        if spec.name == CLASS_MAPS:
            height, width = spec.shape[2:]
            yield "explains", f"class activation maps of {width} x {height} places (run --overlay)"
        elif spec.name == QUALITY:
            yield "rates", "every frame with a quality, 0 to 1 (run)"
    yield "compute", f"{manifest.compute.params:,} parameters, {manifest.compute.macs:,} multiply-accumulates a frame"
    yield "size", f"{size_bytes:,} bytes"
    yield "trained on", "unknown" if manifest.trained_on is None else _data(manifest.trained_on)
    yield from _steps(manifest)
    if manifest.calibration is not None:
        seen = manifest.calibration
        yield "calibrated", f"{seen.method} on {_data(seen.data)}{_sizes(seen)}"
    if manifest.split is not None:
        yield from _split(manifest.split)
    if manifest.accuracy is not None:
        held = manifest.accuracy
        yield "accuracy", f"{_title(held)} on {_data(held.data)}, {held.protocol} protocol, 95 % intervals by group"
    for graph in manifest.graphs:
        yield "graph", f"{graph.path}: {_graph(graph)}"
        if manifest.accuracy is not None and graph.path in manifest.accuracy.graphs:
            yield "", _measured(manifest.accuracy, graph.path)
    for engine in manifest.engines:
        yield "engine", f"{engine.path}: {_engine(engine)}"
    if manifest.gate is not None:
        yield from _gate(manifest.gate)
    yield "made with", ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    for note in manifest.notes:
        yield "note", note


def _steps(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What the weights went through, one checkpoint a line, where there was more than training."""
    for number in range(1, len(manifest.provenance) + 1):
        step = manifest.provenance.get(f"step {number}")
        if step is None:
            return
        yield "" if number > 1 else "made by", f"{number}. {step}"


def _inputs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What one inference takes: a frame, or arrays by name."""
    shape = manifest.preprocess
    if shape is None:
        for spec in manifest.inputs:
            sizes = " x ".join(
                axis if size == -1 else str(size) for size, axis in zip(spec.shape, spec.axes, strict=True)
            )
            yield "input", f"{spec.name}: {spec.dtype}, {sizes or 'one number'}"
        return
    colour = "grey" if shape.channels == 1 else "RGB"
    yield (
        "frame",
        f"{shape.height} x {shape.width} px, {colour}, {shape.bit_depth} bit (other sizes are resized)",
    )
    if shape.drawing is not None:
        drawn = shape.drawing
        window = f", {drawn.window_um:g} um about the soma" if drawn.variant == "xyalign" else ""
        yield "neuron", f"drawn as {drawn.variant}, view {drawn.view}{window} (docs/morphology.md)"


def _sizes(seen: Calibration) -> str:
    """Sides and bit depths of the calibration frames; arrays have neither."""
    if not seen.bit_depths:
        return ""
    one = seen.smallest_side_px == seen.largest_side_px
    sides = f"sides {seen.largest_side_px}" if one else f"sides {seen.smallest_side_px} to {seen.largest_side_px}"
    return f", {sides} px, {' and '.join(map(str, seen.bit_depths))} bit"


def _split(split: Split) -> Iterator[tuple[str, str]]:
    """How many groups (leaky: frames) each part holds."""
    parts = ("training", "validation", "test", "calibration")
    unit = "groups" if split.protocol == "grouped" else "frames"
    yield "split", f"{split.protocol}, {unit}: " + ", ".join(f"{len(getattr(split, part))} {part}" for part in parts)


def _gate(gate: Gate) -> Iterator[tuple[str, str]]:
    """The verdict of --max-drop, graph by graph, and the layers that went back to float for it."""
    yield "gate", f"{gate.verdict} at --max-drop {gate.asked}, {gate.metric} on {_data(gate.data)}"
    for one in gate.judgements:
        yield "", f"{one.graph} by {one.unit}: {one.reason}"
    for layer, why in gate.kept_float.items():
        yield "", f"{layer} in float: {why}"


def _graph(graph: Graph) -> str:
    needs = f"needs {' '.join(graph.requires)}" if graph.requires else "any machine that has it"
    emulated = graph.checked == "emulated"
    words = [graph.precision, graph.backend, needs]
    if graph.convolutions:
        placed = "placed in INT8" if emulated else "in INT8"
        words.append(f"{graph.int8_convolutions} of {graph.convolutions} convolutions {placed}")
    if emulated:
        words.append("not run: emulated where it was built")
    return ", ".join(words)


def _engine(engine: PrebuiltEngine) -> str:
    return (
        f"of {engine.graph}, {engine.backend} {engine.version}, {engine.platform}, compute capability "
        f"{', '.join(engine.compute_capabilities)}, {engine.int8_convolutions} of {engine.convolutions} convolutions in INT8, "
        f"{engine.half_convolutions} in FP16, not run where it was built"
    )


def _measured(held: Accuracy, path: str) -> str:
    value, drop = held.graphs[path], held.drop_points.get(path)
    leaky = " (leaky protocol)" if held.protocol == "leaky" else ""
    lost = "" if drop is None else f", drop {drop.value:.2f} [{drop.low:.2f}, {drop.high:.2f}] points"
    return f"{_title(held)} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]{lost}{leaky}"


def _title(held: Accuracy) -> str:
    return held.metric.replace("_", " ")


def _data(data: DataIdentity) -> str:
    kind = ", simulated" if data.simulated else ""
    return f"{data.name} ({data.frames:,} frames of {data.groups:,} groups, {data.licence}{kind})"
