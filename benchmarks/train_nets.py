"""Trains the networks of the quantisation study: python -m edgeneuro.benchmarks.train_nets NAME... [--threads N]

Names: resnet18, lite0 (from ImageNet weights), mobilenet-v2 on skin_ham10000, unet on neuron_pfc_pn; the sets are
looked for in $EDGENEURO_DATA. Fold 0 is the test part, groups are lesions or blocks of frames. Each is written to
runs/nets/NAME; a run that was stopped goes on, a finished one is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from edgeneuro.benchmarks.lite0 import IMAGENET
from edgeneuro.benchmarks.trained_nets import FOLDER, RECORD, NetRecord, build_net, write_net
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import UsageError
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.frames import TrainingData, normalised_for, read_frames
from edgeneuro.training.keeper import Keeper, Progress
from edgeneuro.training.learner import Learner, class_weights
from edgeneuro.training.run import STATE, part_of
from edgeneuro.training.score import score
from edgeneuro.training.trainer import fit, torch_threads

SKIN = "skin_ham10000"
FOLD = SEED = 0
METRIC = "balanced_accuracy"
COMMON, KEPT_OF_COMMON = "nv", 3
"""Two thirds of the images are of this class; every third of its lesions is trained on."""


@dataclass(frozen=True, kw_only=True)
class NetSettings:
    """side_px: of the square input. learning_rate: highest of the schedule (AdamW)."""

    side_px: int
    epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int = 32


SETTINGS: Mapping[str, NetSettings] = {
    "resnet18": NetSettings(side_px=112, epochs=16, learning_rate=1e-3, weight_decay=0.05),
    "lite0": NetSettings(side_px=128, epochs=6, learning_rate=5e-4, weight_decay=0.05),
    "mobilenet-v2": NetSettings(side_px=112, epochs=16, learning_rate=1e-3, weight_decay=0.05),
}
"""Of the classifiers."""


def train_classifier(name: str, out: Path) -> NetRecord:
    """Train on skin_ham10000, or go on; the weights of the epoch with the best validation macro-F1 are written."""
    settings = SETTINGS[name]
    dataset = open_data(SKIN)
    split = make_split(dataset, fold=FOLD, seed=SEED)
    parts = {part: part_of(dataset, split, part) for part in _PARTS}
    parts["training"] = thinned(parts["training"])
    size = Preprocess(height=settings.side_px, width=settings.side_px, channels=3)
    frames = {part: read_frames(data, size) for part, data in parts.items()}
    preprocess = _imagenet(size) if name == "lite0" else normalised_for(size, frames["training"])
    torch.manual_seed(SEED)
    network = build_net(name, classes=len(dataset.classes), channels=3)
    learner = Learner(
        network,
        weights=class_weights(frames["training"].targets, dataset.classes),
        optimiser="adamw",
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        epochs=settings.epochs,
    )
    keeper = Keeper(
        out / STATE, run=asdict(settings), epochs=settings.epochs, patience=settings.epochs, progress=_Lines(name)
    )
    data = TrainingData(
        training=frames["training"],
        validation=frames["validation"],
        preprocess=preprocess,
        batch_size=settings.batch_size,
        seed=SEED,
    )
    fit(learner, data, keeper, devices=1)
    assert keeper.best is not None
    network.load_state_dict(dict(keeper.weights))
    scores: dict[str, Any] = {"history": to_json(keeper.history), "best_epoch": keeper.best.epoch}
    for part in ("validation", "test"):
        scores[part] = to_json(score(network, frames[part], preprocess, dataset.classes, METRIC))
    record = NetRecord(
        name=name,
        classes=dataset.classes,
        metric=METRIC,
        preprocess=preprocess,
        trained_on=DataIdentity.of(parts["training"]),
        fold=FOLD,
        seed=SEED,
        settings=asdict(settings),
        scores=scores,
        weights="",
    )
    write_net(out, network, record)
    keeper.forget()
    return record


def thinned(dataset: DataSet) -> DataSet:
    """Without two of three lesions of the commonest class; by order of their names, so always the same ones."""
    common = dataset.classes.index(COMMON)
    lesions = sorted({sample.group for sample in dataset.samples if sample.target == common})
    kept = set(lesions[::KEPT_OF_COMMON])
    return dataset.subset([s for s in dataset.samples if s.target != common or s.group in kept])


_PARTS: tuple[Literal["training", "validation", "test"], ...] = ("training", "validation", "test")


def _imagenet(size: Preprocess) -> Preprocess:
    return Preprocess(height=size.height, width=size.width, channels=3, mean=IMAGENET.mean, std=IMAGENET.std)


class _Lines:
    """Prints one line an epoch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epochs = 0

    def __call__(self, progress: Progress) -> None:
        row = progress.row
        if row is not None and row.epoch >= self.epochs:
            self.epochs = row.epoch + 1
            print(
                f"{self.name} epoch {row.epoch}: loss {row.training_loss:.3f}, validation {row.validation_loss:.3f}, "
                f"balanced accuracy {row.balanced_accuracy:.3f}, macro-F1 {row.macro_f1:.3f}, {row.seconds:.0f} s",
                flush=True,
            )


def main(
    names: Annotated[list[str], typer.Argument(help="resnet18, lite0, mobilenet-v2, unet.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder with one subfolder a network.")] = FOLDER,
) -> None:
    """Train what is not trained yet, one network after another."""
    from edgeneuro.benchmarks.train_unet import train_unet

    unknown = sorted(set(names) - {*SETTINGS, "unet"})
    if unknown:
        raise UsageError(f"network {unknown[0]!r}: is not known, expected unet or one of {', '.join(SETTINGS)}")
    for name in names:
        folder = out / name
        if (folder / RECORD).exists():
            print(f"{name}: finished already")
            continue
        started = time.perf_counter()
        with torch_threads(threads):
            record = train_unet(folder) if name == "unet" else train_classifier(name, folder)
        print(f"{name}: {record.scores['test']}, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    typer.run(main)
