"""A checkpoint folder as an executable: PyTorch, operator by operator, in FP32, on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compare.interface import Interface, Meaning
from edgeneuro.benchmarks.compare.opened import Choice, Open, OpenFile
from edgeneuro.benchmarks.compare.records import PYTORCH, Executable
from edgeneuro.models import model_entry
from edgeneuro.spec import Array, Feed, TensorSpec


def open_checkpoint(folder: Path, label: str, choice: Choice) -> OpenFile:
    """Raises CheckpointError."""
    import torch

    from edgeneuro.export.onnx_export import input_name, named_outputs
    from edgeneuro.training.checkpoint import MODEL, load_model, read_config, read_split

    config, network = read_config(folder), load_model(folder)
    sizes = config.input_shape
    name = input_name(sizes)
    entry = model_entry(config.model)
    if choice.threads is not None:
        torch.set_num_threads(choice.threads)

    def run(feed: Feed) -> Mapping[str, Array]:
        with torch.inference_mode():
            made = named_outputs(network, torch.from_numpy(feed[name]))
        return {output: values.numpy() for output, values in made.items()}

    outputs = run({name: np.zeros((1, *sizes), np.float32)})
    record = Executable(
        name=f"{label}: fp32 {PYTORCH}",
        kind="checkpoint",
        file=label,
        graph=None,
        backend=PYTORCH,
        version=str(torch.__version__),
        precision="fp32",
        sha256=config.files[MODEL],
    )
    interface = Interface(
        label=label,
        inputs=(_float32(name, sizes),),
        outputs=tuple(_float32(output, values.shape[1:]) for output, values in outputs.items()),
        meaning=Meaning(
            task="segmentation" if entry.masks else "classification",
            classes=config.classes,
            metric=entry.primary_metric,
            preprocess=config.preprocess,
            split=read_split(folder),
            session=config.session,
        ),
    )
    return OpenFile(interface=interface, opened=(Open(record=record, run=run),))


def _float32(name: str, sizes: tuple[int, ...]) -> TensorSpec:
    """Of any batch."""
    axes = ("batch", *(f"axis {number}" for number in range(1, len(sizes) + 1)))
    return TensorSpec(name=name, shape=(-1, *sizes), axes=axes, dtype="float32", unit="-")
