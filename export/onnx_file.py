"""Somebody's .onnx file, read and brought to opset 20, IR 10, with inputs and outputs that an engine can serve."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper, version_converter

from edgeneuro.errors import BackendError, ModelFileError
from edgeneuro.export.compute import compute_of, parameters
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.lint.strip import make_room
from edgeneuro.export.load import load_onnx
from edgeneuro.export.onnx_inputs import Inputs, settle_inputs
from edgeneuro.export.onnx_task import settle_outputs
from edgeneuro.export.rewrite import use_global_average_pool
from edgeneuro.export.simplify import simplified
from edgeneuro.export.specs import input_specs
from edgeneuro.manifest import Compute, Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array, Feed

OPSET = 20
IR_VERSION = 10
"""The newest pair that onnxruntime 1.23 reads, the last for Python 3.10."""

SAME = 1e-3
"""Largest difference that folding constants may make, as a share of the largest value of an output."""
CONSTANTS = {
    "value": None,
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}
"""Attribute of a Constant node -> element type, None where the attribute says it."""
CONTROL_FLOW = ("If", "Loop", "Scan")
WEIGHTS = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
"""Kinds of floating-point weights that are refused: the truth of a bundle is float32."""


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """A foreign graph, ready to be built from.

    preprocess: None for a network that takes arrays. compute: parameters of the file as it came, operations of the graph.
    notes: what was changed, for the manifest.
    """

    graph: onnx.ModelProto
    compute: Compute
    task: Task
    preprocess: Preprocess | None
    notes: tuple[str, ...] = ()


def read_onnx(path: Path, options: FileOptions = NOTHING_SAID) -> OnnxFile:
    """The float graph in `path` at OPSET and IR_VERSION: weights inside, nodes named, spatial means as pooling, and no
    activation of its own at the end of a classifier or a mask.

    options: what the file does not say of itself. Raises ModelFileError: unreadable, external data missing, already
    quantised, weights that are not float32, control flow, an opset that cannot be converted, inputs of free size, a
    graph that ONNX Runtime cannot run, outputs that do not fit the task.
    """
    model = _load(path)
    _refuse(model, path)
    model = _to_opset(model, path)
    _name_nodes(model)
    _constants_as_weights(model)
    count = parameters(model)
    inputs = settle_inputs(model, options, str(path))
    outputs = _run_once(model, inputs, path)
    _state_output_shapes(model, outputs)
    model = _plain(model, inputs, outputs)
    _refuse_control_flow(model, path)
    task, changed = settle_outputs(model, options.task, outputs, inputs.preprocess, str(path))
    use_global_average_pool(model)
    make_room(model.graph)
    return OnnxFile(
        graph=model,
        compute=compute_of(model, params=count),
        task=task,
        preprocess=inputs.preprocess,
        notes=(*inputs.notes, *changed),
    )


def _load(path: Path) -> onnx.ModelProto:
    model = load_onnx(path)
    return inliner.inline_local_functions(model) if model.functions else model


def _refuse(model: onnx.ModelProto, path: Path) -> None:
    """What no part of the build could handle, by the name of its node or tensor."""
    for node in model.graph.node:
        if "QuantizeLinear" in node.op_type or "QLinear" in node.op_type or "Integer" in node.op_type:
            raise ModelFileError(
                f"{path}: is quantised already (has {node.op_type}), expected a float model; give the original"
            )
    for tensor in model.graph.initializer:
        if tensor.data_type in WEIGHTS:
            kind = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
            raise ModelFileError(f"{path}: weight {tensor.name!r} is {kind}, expected float32; export it in float32")
    for item in (*model.graph.input, *model.graph.output):
        if not item.type.HasField("tensor_type"):
            kind = (item.type.WhichOneof("value") or "something untyped").removesuffix("_type")
            raise ModelFileError(
                f"{path}: {item.name!r} is a {kind.replace('_', ' ')}, expected a tensor; export the tensors inside it"
            )


def _refuse_control_flow(model: onnx.ModelProto, path: Path) -> None:
    """What is left of it once everything that follows from the sizes alone has been folded."""
    for node in model.graph.node:
        if node.op_type in CONTROL_FLOW:
            raise ModelFileError(
                f"{path}: has control flow ({node.op_type} {node.name!r}), expected a graph without branches or loops; "
                "export one branch, with the loop unrolled"
            )


def _to_opset(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    if version != OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:  # the converter's errors share no base class
            first_line = (str(error).splitlines() or [""])[0]
            raise ModelFileError(
                f"{path}: has opset {version}, which cannot be converted to {OPSET} ({first_line}); "
                f"export it again with opset_version={OPSET}"
            ) from error
    model.ir_version = IR_VERSION
    return model


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own; plans refer to nodes by name."""
    taken: set[str] = set()
    for position, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
        taken.add(node.name)


def _constants_as_weights(model: onnx.ModelProto) -> None:
    """Constant nodes become initializers; initializers listed as inputs, as files before IR 4 do, leave that list."""
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name in CONSTANTS]:
        value = helper.get_attribute_value(node.attribute[0])
        array = numpy_helper.to_array(value) if node.attribute[0].name == "value" else np.array(value)
        kind = CONSTANTS[node.attribute[0].name]
        graph.initializer.append(numpy_helper.from_array(array if kind is None else array.astype(kind), node.output[0]))
        graph.node.remove(node)
    constants = {tensor.name for tensor in graph.initializer}
    for item in [item for item in graph.input if item.name in constants]:
        graph.input.remove(item)


def _plain(model: onnx.ModelProto, inputs: Inputs, outputs: Mapping[str, Array]) -> onnx.ModelProto:
    """`model` simplified, if that changes nothing but roundings of its outputs for made-up inputs."""
    plain = simplified(model)
    _name_nodes(plain)
    with closing(open_backend("onnxruntime", plain.SerializeToString(), threads=1)) as backend:
        again = backend.run(made_up(plain, inputs.preprocess))
    return plain if all(_close(again[name], values) for name, values in outputs.items()) else model


def _close(got: Array, expected: Array) -> bool:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    if expected.dtype.kind != "f":
        return bool(np.array_equal(got, expected))
    largest = float(np.abs(expected).max(initial=0.0))
    return float(np.abs(got - expected).max(initial=0.0)) <= SAME * max(largest, 1e-6)


def _run_once(model: onnx.ModelProto, inputs: Inputs, path: Path) -> dict[str, Array]:
    """Every output for made-up inputs, alone as on the device: operators nobody implements and lost weights show."""
    try:
        with closing(open_backend("onnxruntime", model.SerializeToString(), threads=1)) as backend:
            outputs = backend.run(made_up(model, inputs.preprocess))
    except BackendError as error:
        _refuse_control_flow(model, path)
        reason = str(error).partition("; ")[0]  # without the advice, which is for an engine
        what = "one frame" if inputs.preprocess is not None else "made-up arrays (whole numbers 0)"
        raise ModelFileError(
            f"{path}: cannot be run on {what} ({reason}); export it again with a free batch and standard operators"
        ) from error
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelFileError(
                f"{path}: output {name!r} is NaN or infinity for noise, expected finite numbers; "
                "export it again from sound weights"
            )
    return outputs


def _state_output_shapes(model: onnx.ModelProto, outputs: Mapping[str, Array]) -> None:
    """Sizes of the outputs where inference of shapes found none, as `outputs` has them; the checker wants some. The first
    stays free, since it may be a batch."""
    for item in model.graph.output:
        if not item.type.tensor_type.HasField("shape"):
            sizes: list[int | str] = list(outputs[item.name].shape)
            sizes[:1] = ["batch"] if sizes else []
            item.CopyFrom(helper.make_tensor_value_info(item.name, item.type.tensor_type.elem_type, sizes))


def made_up(model: onnx.ModelProto, preprocess: Preprocess | None) -> Feed:
    """Seeded noise for every input: 0..1 for frames, standard normal for other floats, 0 for whole numbers."""
    rng = np.random.default_rng(0)
    feed = {}
    for spec in input_specs(model, preprocess):
        shape = tuple(max(size, 1) for size in spec.shape)
        if np.dtype(spec.dtype).kind != "f":
            feed[spec.name] = np.zeros(shape, spec.dtype)
        elif preprocess is not None:
            feed[spec.name] = rng.random(shape, np.float32)
        else:
            feed[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
    return feed
