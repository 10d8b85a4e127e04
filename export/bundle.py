"""Writing a bundle: graphs, golden outputs, accuracy and manifest, put together and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from edgeneuro import __version__
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import UsageError
from edgeneuro.export.accuracy import accuracy_of
from edgeneuro.export.calibrate import Calibrated
from edgeneuro.export.forms import Form
from edgeneuro.export.gate import Margin, judge
from edgeneuro.export.golden import golden_feeds, golden_outputs, pack_golden, tolerance
from edgeneuro.export.graph import convolutions, fully_connected
from edgeneuro.export.lowered import FLOAT_GRAPH, Lowered, graph_entry, lowered_graphs
from edgeneuro.export.outcomes import Collector, Outcomes, answer
from edgeneuro.export.plan import Plan
from edgeneuro.export.prebuilt import prebuild
from edgeneuro.export.source import FloatModel
from edgeneuro.export.specs import output_specs
from edgeneuro.manifest import Accuracy, Gate, Graph, Manifest, PrebuiltEngine, Precision
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.backends.trt.records import BuildSettings
from edgeneuro.runtime.bundle import GOLDEN, pack_bundle

PLAN = "ranges.json"
TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "nncf", "numpy", "opencv-python-headless")


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished bundle: its manifest and the bytes of the .edge file."""

    manifest: Manifest
    content: bytes


def make_bundle(
    model: FloatModel,
    forms: Sequence[Form],
    classes: tuple[str, ...],
    *,
    calibrated: Calibrated | None,
    split: Split | None,
    judged: DataSet | None,
    margin: Margin | None = None,
    by: str | None = None,
    prebuilt: BuildSettings | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Built:
    """Lower the plan, run every graph on the golden and the judged frames, and pack.

    forms: of the graphs beside the float one. classes: empty for tensors. calibrated: None where nothing is in INT8.
    judged: frames unseen in training and calibration, None where there are none. margin: judge by it, None does not;
    by: by this column too. prebuilt: how to build TensorRT-RTX engines into the bundle, None builds none.
    """
    plan = calibrated.plan if calibrated else None
    lowered = lowered_graphs(model.graph, forms, plan)
    with _opened(lowered) as backends:
        feeds = golden_feeds(model, calibrated.input_ranges if calibrated else {})
        outputs = {path: golden_outputs(backend, feeds) for path, backend in backends.items()}
        outcomes = _outcomes(model, backends, judged, classes) if judged is not None else None
    accuracy = None
    if outcomes is not None and outcomes.labelled:
        protocol = split.protocol if split else "grouped"
        accuracy = accuracy_of(outcomes, metric=model.primary_metric, protocol=protocol)
    gate = None
    if margin is not None:
        gate = _judged(model, outcomes, margin, by, calibrated)
    entries = tuple(
        graph_entry(path, item, model.graph, plan, tolerance(outputs[path], outputs[FLOAT_GRAPH]))
        for path, item in lowered.items()
    )
    engines = prebuild(lowered, prebuilt, progress=progress) if prebuilt is not None else {}
    manifest = Manifest(
        model=model.name,
        task=model.task,
        precision=_delivered(entries),
        classes=classes,
        primary_metric=model.primary_metric,
        inputs=model.inputs,
        outputs=output_specs(model.graph, model.task, outputs[FLOAT_GRAPH], free_batch=model.batch == -1),
        preprocess=model.preprocess,
        graphs=entries,
        compute=model.compute,
        trained_on=model.trained_on,
        calibration=calibrated.record if calibrated else None,
        split=split,
        accuracy=accuracy,
        gate=gate,
        provenance=model.provenance,
        tools={"edgeneuro": __version__, **{tool: version(tool) for tool in TOOLS}},
        notes=(*_notes(model, calibrated, accuracy), *_products(model, lowered, plan), *_fewer(engines, entries)),
        engines=tuple(engines),
        session=model.session,
    )
    content = {path: item.content for path, item in lowered.items()}
    members = {**content, GOLDEN: pack_golden(feeds, outputs)}
    members |= {engine.path: built for engine, built in engines.items()}
    if calibrated:
        members[PLAN] = calibrated.plan.to_bytes()
    return Built(manifest=manifest, content=pack_bundle(manifest, members))


@contextmanager
def _opened(lowered: Mapping[str, Lowered]) -> Iterator[dict[str, Backend]]:
    with ExitStack() as stack:
        yield {path: stack.enter_context(closing(item.open())) for path, item in lowered.items()}


def _outcomes(
    model: FloatModel, backends: Mapping[str, Backend], judged: DataSet, classes: tuple[str, ...]
) -> Outcomes:
    """What every graph says about the judged frames, the float graph first; no frame is kept."""
    order = (FLOAT_GRAPH, *(path for path in backends if path != FLOAT_GRAPH))
    collected = Collector(model.task, judged, classes, order)
    for sample in judged.samples:
        feed = model.feed(model.read(judged, sample))
        collected.add(sample, {path: answer(backends[path], feed, model.task) for path in order})
    return collected.outcomes()


def _judged(
    model: FloatModel, outcomes: Outcomes | None, margin: Margin, by: str | None, calibrated: Calibrated | None
) -> Gate:
    if outcomes is None:
        raise UsageError(f"--max-drop {margin.asked}: there are no frames to judge on; give labelled ones with --data")
    held = calibrated.held if calibrated else None
    return judge(
        outcomes,
        margin,
        model.primary_metric,
        by=by,
        kept_float=held.kept_float if held else {},
        history=held.history if held else (),
    )


def _delivered(entries: Sequence[Graph]) -> Precision:
    """The precision a bundle is named for; fp32 where no convolution ended in INT8 nor anything in FP16."""
    there = {entry.precision for entry in entries}
    return next(precision for precision in ("mixed", "int8", "fp8", "fp16", "fp32") if precision in there)


def _products(model: FloatModel, graphs: Mapping[str, Lowered], plan: Plan | None) -> Iterator[str]:
    """Of a network without convolutions, which graphs count, what runs in INT8 and what stays in float."""
    if plan is None or convolutions(model.graph.graph):
        return
    layers = [node.name for node in fully_connected(model.graph.graph)]
    for path, lowered in graphs.items():
        if lowered.form is not None and lowered.form.precision != "fp16":
            placed = set(plan.placement.get(lowered.form.target, ()))
            left = [name for name in layers if name not in placed]
            yield (
                f"{path}: {len(layers) - len(left)} of {len(layers)} fully connected layers in INT8"
                + (f", in float: {', '.join(left)}" if left else "")
            )


def _fewer(engines: Iterable[PrebuiltEngine], graphs: Sequence[Graph]) -> Iterator[str]:
    """Engines that read fewer convolutions in INT8 than were placed."""
    placed = {graph.path: graph.int8_convolutions for graph in graphs}
    for engine in engines:
        if engine.int8_convolutions < placed[engine.graph]:
            yield (
                f"{engine.path}: reads {engine.int8_convolutions} of the {placed[engine.graph]} convolutions placed in INT8 as "
                "INT8; the library left the others in float"
            )


def _notes(model: FloatModel, calibrated: Calibrated | None, accuracy: Accuracy | None) -> tuple[str, ...]:
    notes = [*model.notes, *(calibrated.notes if calibrated else ())]
    if accuracy is None:
        notes.append("accuracy was not measured: no labelled frames were given that the model had not seen")
    elif model.split is None:
        notes.append("the file does not say what the model was trained on, so test frames may be among it")
    if accuracy and accuracy.protocol == "leaky":
        notes.append("accuracy was measured under the leaky protocol: frames of one group stand on both sides")
    return tuple(notes)
