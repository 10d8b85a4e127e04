"""What an engine can be built from: a reference model's name, a checkpoint folder, or somebody's .onnx file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import InputError, ModelFileError, UsageError
from edgeneuro.export.compute import multiply_accumulates, parameters
from edgeneuro.files import sha256
from edgeneuro.manifest import Compute, DataIdentity
from edgeneuro.models import MODELS, model_entry
from edgeneuro.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class FloatModel:
    """The float network with all that is known of it.

    data: what edgeneuro.data.open_data takes to find the training data on this machine, None where unknown; it stays
    out of the bundle. classes: empty where the source does not name them. provenance: for the manifest.
    """

    name: str
    graph: onnx.ModelProto
    compute: Compute
    classes: tuple[str, ...]
    primary_metric: str
    preprocess: Preprocess
    provenance: Mapping[str, str]
    trained_on: DataIdentity | None = None
    split: Split | None = None
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None

    @property
    def input_name(self) -> str:
        """The graph's only input, (batch, channel, height, width) float32."""
        name: str = self.graph.graph.input[0].name
        return name

    @property
    def batch(self) -> int:
        """Frames the graph takes at once: -1 for any number, else the number a foreign file is fixed to."""
        dim = self.graph.graph.input[0].type.tensor_type.shape.dim[0]
        return int(dim.dim_value) if dim.HasField("dim_value") else -1

    @property
    def output_name(self) -> str:
        """The graph's first output, (batch, class) logits."""
        name: str = self.graph.graph.output[0].name
        return name


def load_source(source: str) -> FloatModel:
    """source: name in the model table (its packaged weights), checkpoint folder, or path ending in .onnx.

    Raises InputError saying what was looked for, CheckpointError, ModelFileError.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        return _from_onnx(path)
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
    from edgeneuro.export.onnx_export import export_onnx, largest_difference
    from edgeneuro.training.checkpoint import load_model, read_config, read_split

    config = read_config(folder)
    network = load_model(folder)
    size = config.preprocess
    graph, compute = export_onnx(network, channels=size.channels, height=size.height, width=size.width)
    noise = np.random.default_rng(0).standard_normal((4, size.channels, size.height, size.width), np.float32)
    largest_difference(network, graph, noise)
    return FloatModel(
        name=config.model,
        graph=graph,
        compute=compute,
        classes=config.classes,
        primary_metric=model_entry(config.model).primary_metric,
        preprocess=size,
        provenance={"checkpoint": sha256((folder / "model.safetensors").read_bytes())},
        trained_on=config.trained_on,
        split=read_split(folder),
        data=config.data,
        label_column=config.label_column,
        group_column=config.group_column,
    )


def _from_onnx(path: Path) -> FloatModel:
    from edgeneuro.export.onnx_file import read_onnx

    graph = read_onnx(path)
    sizes = [dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim]
    channels: Literal[1, 3] = 1 if sizes[1] == 1 else 3
    return FloatModel(
        name=path.stem,
        graph=graph,
        compute=Compute(params=parameters(graph), macs=multiply_accumulates(graph)),
        classes=(),
        primary_metric="balanced_accuracy",
        preprocess=Preprocess(
            height=sizes[2], width=sizes[3], channels=channels, mean=(0.0,) * channels, std=(1.0,) * channels
        ),
        provenance={"onnx": sha256(path.read_bytes())},
    )


def with_classes(model: FloatModel, shape: tuple[int, ...], data: DataSet | None) -> tuple[str, ...]:
    """The class names: the model's own, else those of labelled `data`, else class_0, class_1, ...

    shape: of the output for some frames. Raises ModelFileError when it is not (batch, class), or its classes are not
    those of the model; UsageError when they are not those of `data`.
    """
    if len(shape) != 2:
        raise ModelFileError(
            f"{model.name}: output {model.output_name!r} has shape {shape}, expected (batch, class) logits; "
            "only classifiers can be built"
        )
    if model.classes:
        if len(model.classes) != shape[1]:
            raise ModelFileError(
                f"{model.name}: gives {shape[1]} logits for {len(model.classes)} classes; train it again"
            )
        return model.classes
    if data is None or not data.classes:
        return tuple(f"class_{number}" for number in range(shape[1]))
    if len(data.classes) != shape[1]:
        raise UsageError(
            f"--data {data.name}: has {len(data.classes)} classes, {model.name} gives {shape[1]} logits; "
            "give the data set the model was trained for"
        )
    return data.classes
