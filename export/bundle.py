"""Writing a bundle: graphs, golden outputs, accuracy and manifest, put together and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from edgeneuro import __version__
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.export.accuracy import measure_accuracy, preprocessed
from edgeneuro.export.calibrate import Calibrated
from edgeneuro.export.forms import Form
from edgeneuro.export.golden import golden_feeds, golden_outputs, pack_golden, tolerance
from edgeneuro.export.lowered import FLOAT_GRAPH, Lowered, graph_entry, lowered_graphs
from edgeneuro.export.source import FloatModel, with_classes
from edgeneuro.export.specs import output_specs
from edgeneuro.manifest import Accuracy, Graph, Manifest, Precision
from edgeneuro.runtime.backends import Backend
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
    *,
    calibrated: Calibrated | None,
    split: Split | None,
    test: DataSet | None,
    data: DataSet | None,
) -> Built:
    """Lower the plan, run every graph on the golden and the test frames, and pack.

    forms: of the graphs beside the float one. calibrated: None where none of them is in INT8. test: labelled frames unseen in training and calibration, None where accuracy
    cannot be measured. data: names the classes of a model that does not.
    """
    plan = calibrated.plan if calibrated else None
    lowered = lowered_graphs(model.graph, forms, plan)
    with _opened(lowered) as backends:
        feeds = golden_feeds(model, calibrated.input_ranges if calibrated else {})
        outputs = {path: golden_outputs(backend, feeds) for path, backend in backends.items()}
        classes = with_classes(model, outputs[FLOAT_GRAPH][model.output_name].shape[1:], data)
        accuracy = _accuracy(model, backends, test, split)
    entries = tuple(
        graph_entry(path, item, model.graph, plan, tolerance(outputs[path], outputs[FLOAT_GRAPH]))
        for path, item in lowered.items()
    )
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
        provenance=model.provenance,
        tools={"edgeneuro": __version__, **{tool: version(tool) for tool in TOOLS}},
        notes=_notes(model, calibrated, accuracy),
    )
    content = {path: item.content for path, item in lowered.items()}
    members = {**content, GOLDEN: pack_golden(feeds, outputs)}
    if calibrated:
        members[PLAN] = calibrated.plan.to_bytes()
    return Built(manifest=manifest, content=pack_bundle(manifest, members))


@contextmanager
def _opened(lowered: Mapping[str, Lowered]) -> Iterator[dict[str, Backend]]:
    with ExitStack() as stack:
        yield {path: stack.enter_context(closing(item.open())) for path, item in lowered.items()}


def _accuracy(
    model: FloatModel, backends: Mapping[str, Backend], test: DataSet | None, split: Split | None
) -> Accuracy | None:
    if test is None or model.preprocess is None or model.task != "classification":
        return None
    return measure_accuracy(
        backends,
        FLOAT_GRAPH,
        test,
        preprocessed(test, model.preprocess),
        metric=model.primary_metric,
        protocol=split.protocol if split else "grouped",
    )


def _delivered(entries: Sequence[Graph]) -> Precision:
    """The precision a bundle is named for; fp32 where no convolution ended in INT8 nor anything in FP16."""
    there = {entry.precision for entry in entries}
    return next(precision for precision in ("mixed", "int8", "fp16", "fp32") if precision in there)


def _notes(model: FloatModel, calibrated: Calibrated | None, accuracy: Accuracy | None) -> tuple[str, ...]:
    notes = [*model.notes, *(calibrated.notes if calibrated else ())]
    if accuracy is None:
        notes.append("accuracy was not measured: no labelled frames were given that the model had not seen")
    elif model.split is None:
        notes.append("the file does not say what the model was trained on, so test frames may be among it")
    if accuracy and accuracy.protocol == "leaky":
        notes.append("accuracy was measured under the leaky protocol: frames of one group stand on both sides")
    return tuple(notes)
