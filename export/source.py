"""What an engine can be built from: a reference model's name, a checkpoint folder, or somebody's .onnx file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgeneuro.data.recordings.session import Session
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.seen import seen_by
from edgeneuro.data.split import Split
from edgeneuro.errors import InputError, ModelFileError, UsageError
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.export.plan import Plan
from edgeneuro.export.specs import input_specs
from edgeneuro.feeds import make_feed
from edgeneuro.files import sha256
from edgeneuro.manifest import PRIMARY_METRICS, Compute, DataIdentity, Task
from edgeneuro.models import MODELS, model_entry
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Feed, Item, TensorSpec


@dataclass(frozen=True, kw_only=True)
class FloatModel:
    """The float network with all that is known of it.

    data: what edgeneuro.data.open_data takes to find the training data on this machine, None where unknown; it stays
    out of the bundle. classes: empty where the source does not name them. preprocess: None for a network that takes
    arrays. session: whose neurons it takes the responses of; None for one that takes anything else. provenance: for the manifest. notes: what was changed in a foreign file. plan: the ranges that a checkpoint
    was trained with, to be used in place of calibration; None where it was trained in float.
    """

    name: str
    graph: onnx.ModelProto
    compute: Compute
    classes: tuple[str, ...]
    primary_metric: str
    preprocess: Preprocess | None
    provenance: Mapping[str, str]
    task: Task = "classification"
    notes: tuple[str, ...] = ()
    plan: Plan | None = None
    session: Session | None = None
    trained_on: DataIdentity | None = None
    split: Split | None = None
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What one inference takes; -1 for a free batch."""
        return input_specs(self.graph, self.preprocess)

    @property
    def input_name(self) -> str:
        """The graph's first input; (batch, channel, [depth,] height, width) float32 of a network that takes frames."""
        name: str = self.graph.graph.input[0].name
        return name

    def read(self, data: DataSet, sample: Sample) -> Item:
        """What `feed` takes, from a data set. Raises FrameError, DataError."""
        return data.item(sample) if self.preprocess is None else self.seen(data).read(sample)

    def seen(self, data: DataSet) -> DataSet:
        """`data` as edgeneuro.data.seen shows it to the network: neurons drawn, large frames in tiles. Raises DataError, FrameError."""
        return seen_by(data, self.preprocess, session=self.session, what=self.name)

    def feed(self, item: Item) -> Feed:
        """The network's inputs for one frame, or for one set of arrays. Raises FrameError, ShapeError."""
        return make_feed(self.inputs, self.preprocess, item)

    @property
    def batch(self) -> int:
        """Frames the graph takes at once: -1 for any number, else the number a foreign file is fixed to."""
        dim = self.graph.graph.input[0].type.tensor_type.shape.dim[0]
        return int(dim.dim_value) if dim.HasField("dim_value") else -1

    @property
    def output_name(self) -> str:
        """The graph's first output; of a classifier (batch, class) logits."""
        name: str = self.graph.graph.output[0].name
        return name


def load_source(source: str, options: FileOptions = NOTHING_SAID) -> FloatModel:
    """source: name in the model table (its packaged weights), checkpoint folder, or path ending in .onnx. options: what
    an .onnx file does not say of itself; the others do.

    Raises InputError saying what was looked for, CheckpointError, ModelFileError, UsageError.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        return _from_onnx(path, options)
    if options != NOTHING_SAID:
        raise UsageError(f"{source}: says itself how its input is made; leave out the options of .onnx files")
    if path.is_dir():
        return _from_checkpoint(path)
    if source in MODELS:
        from edgeneuro.training.checkpoint import packaged

        return _from_checkpoint(packaged(source))
    if path.suffix == ".edge":
        raise InputError(f"{source}: is an engine already; give the checkpoint folder or .onnx file it was built from")
    raise InputError(
        f"{source!r}: is no folder, no .onnx file and no model; expected a checkpoint folder as `edgeneuro train` "
        f"writes, FILE.onnx, or one of {', '.join(MODELS)}"
    )


def _from_checkpoint(folder: Path) -> FloatModel:
    from edgeneuro.export.onnx_export import export_graph, largest_difference
    from edgeneuro.training.checkpoint import load_model, read_config, read_ranges, read_split
    from edgeneuro.training.history import history

    config, ranges = read_config(folder), read_ranges(folder)
    steps = history(config)
    network = load_model(folder)
    entry = model_entry(config.model)
    graph, compute = export_graph(network, config.input_shape)
    noise = np.random.default_rng(0).standard_normal((4, *config.input_shape), np.float32)
    largest_difference(network, graph, noise)
    return FloatModel(
        name=config.model,
        graph=graph,
        compute=compute,
        classes=config.classes,
        primary_metric=entry.primary_metric,
        task="segmentation" if entry.masks else "classification",
        preprocess=config.preprocess,
        session=config.session,
        provenance={
            "checkpoint": sha256((folder / "model.safetensors").read_bytes()),
            **({} if ranges is None else {"ranges": sha256(ranges)}),
            **({f"step {number}": step for number, step in enumerate(steps, 1)} if len(steps) > 1 else {}),
        },
        trained_on=config.trained_on,
        split=read_split(folder),
        data=config.data,
        label_column=config.label_column,
        group_column=config.group_column,
        plan=None if ranges is None else Plan.from_bytes(ranges),
    )


def _from_onnx(path: Path, options: FileOptions) -> FloatModel:
    from edgeneuro.export.onnx_file import read_onnx

    file = read_onnx(path, options)
    return FloatModel(
        name=path.stem,
        graph=file.graph,
        compute=file.compute,
        classes=(),
        primary_metric=PRIMARY_METRICS[file.task],
        preprocess=file.preprocess,
        provenance={"onnx": sha256(path.read_bytes())},
        task=file.task,
        notes=file.notes,
    )


def with_classes(model: FloatModel, shape: tuple[int, ...], data: DataSet | None) -> tuple[str, ...]:
    """The class names: the model's own, else those of labelled `data`, else class_0, class_1, ...; of a segmentation
    the first is the background; none for tensors.

    shape: of the first output for one item. Raises ModelFileError when it does not fit the task, or its classes are not
    those of the model; UsageError when they are not those of `data`.
    """
    if model.task == "tensors":
        return ()
    number = class_count(model, shape)
    if model.classes:
        if len(model.classes) != number:
            raise ModelFileError(
                f"{model.name}: gives {number} logits for {len(model.classes)} classes; train it again"
            )
        return model.classes
    if data is None or not data.classes:
        if model.task == "segmentation":
            return ("background", "foreground") if number == 2 else ("background", *_numbered(number)[1:])
        return _numbered(number)
    if len(data.classes) != number:
        raise UsageError(
            f"--data {data.name}: has {len(data.classes)} classes, {model.name} gives {number} logits; "
            "give the data set the model was trained for"
        )
    return data.classes


def class_count(model: FloatModel, shape: tuple[int, ...]) -> int:
    """How many classes the first output of this shape tells apart; a mask of one channel, two.

    Raises ModelFileError when it does not fit the task.
    """
    if model.task == "classification" and len(shape) == 2 and shape[1] > 1:
        return shape[1]
    if model.task == "segmentation" and len(shape) in (4, 5):
        return max(shape[1], 2)
    expected = "(batch, class)" if model.task == "classification" else "(batch, class, [depth,] height, width)"
    raise ModelFileError(
        f"{model.name}: output {model.output_name!r} has shape {shape}, expected {expected} logits of a {model.task}; "
        "give --task tensors to have outputs as they are"
    )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class_{number}" for number in range(count))
