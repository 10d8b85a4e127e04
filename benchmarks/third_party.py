"""What becomes of networks other people trained: built as `edgeneuro build-engine --int8` does, or refused, and why.

python -m edgeneuro.benchmarks.third_party FOLDER [--tensorrt]

FOLDER holds the .onnx files named in third_party_models.py; those that are missing are left out. Layers are placed by rule
on every target, so that nothing here depends on how busy the machine is; the command line decides by timing instead.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeneuro.benchmarks.results import write_result
from edgeneuro.benchmarks.third_party_models import LITES, MODELS, Foreign, export_lites
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.arrays import encode_npz
from edgeneuro.errors import BackendError, EdgeNeuroError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.forms import FORMS
from edgeneuro.export.lowered import FLOAT_GRAPH, Lowered
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.outcomes import Baseline
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.export.targets import bundle_forms
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import Bundle, open_engine, read_bundle
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.spec import Item

CALIBRATION, TEST = 32, 16
"""Inputs of each kind, from different seeds."""
COLUMNS = {
    "file": "network",
    "what": "trained for",
    "task": "task",
    "convolutions": "convolutions",
    "int8": "of them in INT8",
    "error": "output error",
    "agreement": "agreement with float, lowest target",
    "tensorrt_rtx": "TensorRT-RTX",
    "outcome": "outcome",
}

NOTES = (
    """Inputs are seeded: random crops of photographs that scikit-image and scikit-learn carry, drawn words, synthetic tones
and voices, Python files of numpy (benchmarks/third_party_inputs.py).
""",
    """Output error: root mean square of INT8 minus float, relative to the standard deviation of the float output. Agreement:
same class; Dice of the two masks; for tensors 1 - |difference| / |float|.
""",
    """Layers are placed by rule on every target, not timed: what can run in INT8, not what is fastest. The ARM and TensorRT
graphs were emulated operator by operator, not run on a device. No accuracy is measured: no labels come with these networks.
""",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tensorrt", action="store_true", help="build the TensorRT graphs with TensorRT-RTX as well")
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose name holds TEXT; writes no result")
    arguments = parser.parse_args()
    if not all((arguments.folder / f"efficientnet_lite{number}.onnx").exists() for number in LITES):
        export_lites(arguments.folder)
    there = [item for item in MODELS if (arguments.folder / item.file).exists() and arguments.only in item.file]
    rows = []
    for item in there:
        rows.append(study(item, arguments.folder / item.file, tensorrt=arguments.tensorrt))
        print(rows[-1], flush=True)
    rows.extend(structure(path) for path in _light_models() if arguments.only in path.name)
    if not arguments.only:
        _write(rows, missing=[item.file for item in MODELS if item not in there])


def study(item: Foreign, path: Path, *, tensorrt: bool) -> dict[str, Any]:
    """One row: what was built and how far its INT8 graphs are from float, or the refusal."""
    import onnx

    row: dict[str, Any] = {
        "file": item.file,
        "what": item.what,
        "package": item.package,
        "licence": item.licence,
        "file_operators": _operators(onnx.load(str(path))),
    }
    try:
        with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
            row |= _built(item, path, Path(folder), tensorrt=tensorrt)
    except EdgeNeuroError as error:
        row |= {"outcome": f"refused: {str(error).removeprefix(f'{path}: ')}"}
    return row


def _built(item: Foreign, path: Path, folder: Path, *, tensorrt: bool) -> dict[str, Any]:
    model = load_source(str(path), item.options)
    calibration = _written(item, folder / "calibration", CALIBRATION, seed=1)
    test = _written(item, folder / "test", TEST, seed=2)
    plan = _plan(model, calibration)
    edge = folder / "built.edge"
    settings = BuildSettings(precision="int8", plan=plan, calibration_frames=CALIBRATION)
    manifest = build_engine(str(path), edge, settings=settings, options=item.options, calibration=calibration)
    with open_engine(edge) as engine:
        engine(model.read(test, test.samples[0]))
    bundle = read_bundle(edge)
    row = {
        "task": manifest.task,
        "operators": _operators(model.graph),
        "parameters": manifest.compute.params,
        "macs": manifest.compute.macs,
        "convolutions": manifest.graphs[0].convolutions,
        "int8": {_short(graph.path): graph.int8_convolutions for graph in manifest.graphs[1:]},
        "checked": {_short(graph.path): graph.checked for graph in manifest.graphs[1:]},
        "notes": list(manifest.notes),
        "outcome": "built" if len(manifest.graphs) > 1 else "built in float: no layer can run in INT8",
        **_compared(model, manifest, bundle, test),
    }
    graph = bundle.members.get("graphs/tensorrt.int8.onnx")
    return row | ({"tensorrt_rtx": _accepted(graph)} if tensorrt and graph is not None else {})


def structure(path: Path) -> dict[str, Any]:
    """One row for a graph with made-up weights: whether it is read, and what could run in INT8."""
    row: dict[str, Any] = {"file": path.name, "what": "structure alone, constant weights"}
    try:
        model = load_source(str(path))
    except EdgeNeuroError as error:
        return row | {"outcome": f"refused: {str(error).removeprefix(f'{path}: ')}"}
    convolutions = {node.name for node in model.graph.graph.node if node.op_type == "Conv"}
    forms = [form for form in FORMS.values() if form.operators]
    placed = {form.target: len(convolutions.intersection(placement_by_rule(model.graph, form)[0])) for form in forms}
    return row | {
        "package": f"onnx {version('onnx')}",
        "licence": "Apache-2.0",
        "task": model.task,
        "operators": _operators(model.graph),
        "convolutions": len(convolutions),
        "int8": placed,
        "outcome": "read, and layers placed; not calibrated",
    }


def _light_models() -> list[Path]:
    """The zoo's architectures as the onnx package tests with them, weights made by ConstantOfShape."""
    import onnx

    return sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("*.onnx"))


def _written(item: Foreign, folder: Path, count: int, *, seed: int) -> DataSet:
    """`count` inputs as files, opened the way the command line does."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(count):
        _write_one(folder / f"{number:02d}", item.make(rng))
    return open_data(str(folder))


def _write_one(path: Path, made: Item) -> None:
    if isinstance(made, Mapping):
        path.with_suffix(".npz").write_bytes(encode_npz(made))
        return
    pixels = made if made.ndim == 2 else cv2.cvtColor(made, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path.with_suffix(".png")), pixels)


def _plan(model: FloatModel, calibration: DataSet) -> Plan:
    """Ranges, and every target's placement by rule."""
    feeds = [model.feed(model.read(calibration, sample)) for sample in calibration.samples]
    plan = calibrated_plan(model.graph, feeds)
    for form in bundle_forms("int8", ()):
        nodes, _ = placement_by_rule(model.graph, form)
        plan = with_placement(plan, form.target, nodes)
    return plan


def _compared(model: FloatModel, manifest: Manifest, bundle: Bundle, test: DataSet) -> dict[str, Any]:
    """Error of the outputs relative to their standard deviation, by graph; agreement with float, the lowest graph's."""
    feeds = [model.feed(model.read(test, sample)) for sample in test.samples]
    forms = {form.path: form for form in FORMS.values()}
    with ExitStack() as stack:
        opened = {
            graph.path: stack.enter_context(
                closing(Lowered(form=forms.get(graph.path), content=bundle.members[graph.path]).open())
            )
            for graph in manifest.graphs
        }
        reference = opened.pop(FLOAT_GRAPH)
        expected = stacked_outputs(reference, feeds)
        errors = {
            _short(path): relative_error(stacked_outputs(backend, feeds), expected) for path, backend in opened.items()
        }
        baseline = Baseline.of(
            reference, test, feeds, task=manifest.task, classes=manifest.classes, reference=FLOAT_GRAPH
        )
        agreement = baseline.beside(opened).agreement if opened else {}
    shares = {_short(path): float(values.mean()) for path, values in agreement.items() if path != FLOAT_GRAPH}
    return {"error": errors, "agreements": shares, "agreement": min(shares.values(), default=None)}


def _accepted(graph: bytes) -> str:
    try:
        layers = evidence(graph).layers
    except BackendError as error:
        return f"refused: {error}"
    assert layers is not None  # it was built
    return f"built, {layers.int8_convolutions} of {layers.convolutions} convolutions in INT8"


def _operators(model: Any) -> dict[str, int]:
    return dict(Counter(node.op_type for node in model.graph.node).most_common())


def _short(path: str) -> str:
    """graphs/onnxruntime.int8.onnx -> onnxruntime"""
    return Path(path).name.removesuffix(".onnx").replace(".int8", "")


def _write(rows: Sequence[Mapping[str, Any]], *, missing: Sequence[str]) -> None:
    write_result(
        "third_party",
        title="Networks other people trained",
        rows=[_rounded(row) for row in rows],
        columns=COLUMNS,
        context={
            "script": "python -m edgeneuro.benchmarks.third_party FOLDER --tensorrt",
            "packages": dict(sorted({row["package"]: row["licence"] for row in rows if "package" in row}.items())),
            "calibration": f"{CALIBRATION} inputs of each network's own domain, error and agreement on {TEST} others",
            "missing": list(missing) or "none",
            "notes": NOTES,
        },
    )


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Errors and agreements to four digits, so that the table can be read."""
    errors = {path: float(f"{value:.3g}") for path, value in row.get("error", {}).items()}
    return {**row, **({"error": errors} if errors else {})}


if __name__ == "__main__":
    main()
