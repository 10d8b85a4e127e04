"""A checkpoint folder as an executable: PyTorch, operator by operator, in FP32, on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeneuro.benchmarks.compare.interface import Interface, Meaning
from edgeneuro.benchmarks.compare.opened import Choice, Open, OpenFile
from edgeneuro.benchmarks.compare.records import PYTORCH, Executable
from edgeneuro.models import model_entry
from edgeneuro.spec import Array, Feed, TensorSpec

INPUT, OUTPUT = "image", "logits"
"""As engines and .onnx files that are made from a checkpoint call them; the network itself has no names."""


def open_checkpoint(folder: Path, label: str, choice: Choice) -> OpenFile:
    """Raises CheckpointError."""
    import torch

    from edgeneuro.training.checkpoint import MODEL, load_model, read_config, read_split

    config, network = read_config(folder), load_model(folder)
    if choice.threads is not None:
        torch.set_num_threads(choice.threads)

    def run(feed: Feed) -> Mapping[str, Array]:
        with torch.inference_mode():
            return {OUTPUT: network(torch.from_numpy(feed[INPUT])).numpy()}

    size = config.preprocess
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
        inputs=(
            _float32(INPUT, "batch", "channel", "height", "width", sizes=(size.channels, size.height, size.width)),
        ),
        outputs=(_float32(OUTPUT, "batch", "class", sizes=(len(config.classes),)),),
        meaning=Meaning(
            task="classification",
            classes=config.classes,
            metric=model_entry(config.model).primary_metric,
            preprocess=size,
            split=read_split(folder),
        ),
    )
    return OpenFile(interface=interface, opened=(Open(record=record, run=run),))


def _float32(name: str, *axes: str, sizes: tuple[int, ...]) -> TensorSpec:
    """Of any batch."""
    return TensorSpec(name=name, shape=(-1, *sizes), axes=axes, dtype="float32", unit="-")
