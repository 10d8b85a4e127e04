"""Executables small enough to check by hand, with outputs perturbed on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split
from edgeneuro.manifest import Manifest
from edgeneuro.models.build import build_model
from edgeneuro.spec import Array, Float32, Frame
from edgeneuro.training.checkpoint import write_checkpoint
from tests.benchmarks.frames import flat_data
from tests.checkpoints import checkpoint_config
from tests.runtime.bundles import SIDE, tiny_graph, tiny_manifest, tiny_members, tiny_onnx, write_bundle

INT8 = "graphs/onnxruntime.int8.onnx"
BIAS = np.array([12.0, 0.0, -28.0], np.float32)
"""Of the tiny network's logits."""


def shifted(by: Sequence[float]) -> bytes:
    """The tiny network with `by` added to its logits."""
    biases: Float32 = BIAS + np.array(by, np.float32)
    return tiny_onnx(bias=biases)


def write_int8(path: Path, by: Sequence[float] = (0.0, 0.0, 0.0), *, split: Split | None = None) -> Path:
    """A bundle with a float graph, and one that calls itself INT8 whose logits are shifted."""
    manifest = tiny_manifest(graphs=(tiny_graph(), tiny_graph(INT8, precision="int8")), precision="int8", split=split)
    return write_bundle(path, manifest, tiny_members(manifest) | {INT8: shifted(by)})


def write_float(path: Path, **changes: Any) -> Path:
    """A bundle with a float graph alone."""
    return write_bundle(path, tiny_manifest(**changes))


def write_onnx(path: Path, by: Sequence[float] = (0.0, 0.0, 0.0)) -> Path:
    path.write_bytes(shifted(by))
    return path


def write_network(
    folder: Path, manifest: Manifest, *, split: Split, model: str = "myositis", **options: Any
) -> torch.nn.Module:
    """A checkpoint of random weights that takes and gives what the tiny network does. options: the model's."""
    torch.manual_seed(0)
    network = build_model(model, classes=len(manifest.classes), channels=1, **options)
    preprocess = manifest.frame_preprocess
    config = checkpoint_config(model=model, options=options, classes=manifest.classes, preprocess=preprocess)
    write_checkpoint(folder, network=network, config=config, metrics={}, split=split)
    return network.eval()


def unlabelled() -> DataSet:
    """Six grey frames of different brightness, without classes."""
    samples = tuple(Sample(source=f"{n}.png", index=0, target=None, group=f"{n}") for n in range(6))

    def read(sample: Sample) -> Frame:
        return np.full((SIDE, SIDE), 40 * int(sample.group) + 10, np.uint8)

    return DataSet(name="plain", classes=(), samples=samples, reader=read)


def arrays(items: Sequence[Mapping[str, Array]]) -> DataSet:
    """A data set of these arrays by input name."""
    samples = tuple(Sample(source=f"{n}.npz", index=0, target=None, group=f"{n}") for n in range(len(items)))

    def read(sample: Sample) -> Frame:
        raise AssertionError("pixels were asked for")

    return DataSet(
        name="arrays",
        classes=(),
        samples=samples,
        reader=read,
        array_reader=lambda sample: items[int(sample.group)],
    )


def write_folder(folder: Path, data: DataSet | None = None) -> Path:
    """`data` as files with a table, by default the flat frames."""
    data = flat_data() if data is None else data
    folder.mkdir()
    rows = ["file,label,group_id"]
    for sample in data.samples:
        assert cv2.imwrite(str(folder / sample.source), data.read(sample))
        rows.append(f"{sample.source},{data.classes[sample.target or 0]},{sample.group}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder
