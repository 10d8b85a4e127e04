"""Pretraining for the study on fewer operations: STANet learns images that are in neither study from ImageNet's features.

    python -m edgeneuro.benchmarks.fewer_pretrain --out runs/fewer/pretrained

Labels and images of skin_ham10000, images of us_muscle_timtrack and of the phantom without labels; the teacher is
EfficientNet-Lite0 as ImageNet left it, so only its features can be compared. No frame of us_lung_pocus or us_breast_busi is
seen. The checkpoint is for non-commercial use, as skin_ham10000 is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.benchmarks.lite0 import lite0_network
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.file_options import FileOptions
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.files import write_bytes
from edgeneuro.preprocess import IMAGENET_MEAN, IMAGENET_STD
from edgeneuro.training.keeper import Progress

UNLABELLED = ("us_muscle_timtrack", "phantom")


def imagenet_teacher(path: Path, image_size: int) -> Path:
    """EfficientNet-Lite0 with ImageNet's weights as an .onnx file for frames of `image_size` px."""
    if not path.exists():
        graph, _ = export_onnx(lite0_network(image_size), channels=3, height=image_size, width=image_size)
        write_bytes(path, graph.SerializeToString())
    return path


def main(
    out: Annotated[Path, typer.Option(help="Checkpoint folder.")] = Path("runs/fewer/pretrained"),
    data: Annotated[str, typer.Option(help="Labelled images that are in neither study.")] = "skin_ham10000",
    image_size: Annotated[int, typer.Option(help="Side of the input, px.")] = 128,
    epochs: Annotated[int, typer.Option()] = 12,
    seed: Annotated[int, typer.Option()] = 0,
    threads: Annotated[int, typer.Option()] = 1,
) -> None:
    """Train, or go on."""
    printed = -1

    def show(progress: Progress) -> None:
        nonlocal printed
        row = progress.row
        if row is not None and row.epoch > printed:
            printed = row.epoch
            print(
                f"epoch {row.epoch}: loss {row.training_loss:.3f}, validation macro-F1 {row.macro_f1:.3f}", flush=True
            )

    distil(
        str(imagenet_teacher(out.with_name("imagenet-lite0.onnx"), image_size)),
        "myositis",
        out,
        DistilSettings(
            soft_weight=0.0,
            hint_weight=1.0,
            attention_weight=1.0,
            teacher_options=FileOptions(mean=IMAGENET_MEAN, std=IMAGENET_STD),
            unlabelled=UNLABELLED,
            data=data,
            fold=0,
            seed=seed,
            epochs=epochs,
            patience=epochs,
            image_size=image_size,
        ),
        resume=True,
        threads=threads,
        progress=show,
    )


if __name__ == "__main__":
    typer.run(main)
