"""The large decoder of the visual cortex made smaller: low rank, principal components, distillation, INT8; and small ones of gratings.

    python -m edgeneuro.benchmarks.v1_compress [--data v1-simulated-large] [--epochs 60] [--out runs/v1-compress]
    python -m edgeneuro.benchmarks.v1_compress --gratings [--data mrcuts28_fov4]

Checkpoints and engines are kept below --out; a second start goes on where the first stopped. Writes docs/results/v1_compress.json and
.md, or v1_compress_gratings. At full size the large decoder has 235 M weights: 941 MB in float, about four times that while it is
trained, and its engine, 2 GiB at most as any, holds graphs of ONNX Runtime alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edgeneuro.benchmarks.neurite_engines import built
from edgeneuro.benchmarks.protocol import load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.benchmarks.v1_graphs import LATENCY, SCORED, Found, decoded, pooled, rows_of
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import FOLDS
from edgeneuro.data.recordings.opening import session_names
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.prune.run import PruneSettings, prune
from edgeneuro.metrics import RESAMPLES
from edgeneuro.models.v1 import WIDTHS
from edgeneuro.training.checkpoint import CONFIG
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.settings import TrainSettings

console = Console(stderr=True)

LARGE = "v1-simulated-large"
BACKENDS = ("onnxruntime",)
COLUMNS = {
    "network": "network",
    "precision": "graph",
    "params": "parameters",
    "bytes": "bytes of the graph",
    "macs": "MACs",
    **SCORED,
    **LATENCY,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """data: a session, as --data takes it. widths: of the large decoder. small: of the ones on components. energy: what low rank keeps.
    epochs: of each training. fold: that is judged."""

    data: str
    folder: Path
    widths: tuple[int, ...] = WIDTHS
    small: tuple[int, ...] = (512, 128)
    components: int | None = 256
    energy: float = 0.9
    epochs: int = 60
    max_drop: str = "1"
    threads: int = 1
    fold: int = 0

    @property
    def student(self) -> dict[str, Any]:
        """Options of the small decoder."""
        return {"widths": list(self.small), **({} if self.components is None else {"components": self.components})}

    def trained(self, options: Mapping[str, Any]) -> TrainSettings:
        """A decoder with fresh weights."""
        return TrainSettings.of(
            "v1-mlp", data=self.data, epochs=self.epochs, patience=self.epochs, fold=self.fold, options=dict(options)
        )


def make_whole(job: Job, out: Path) -> None:
    """The large decoder."""
    settings = job.trained({"widths": list(job.widths)})
    train(settings, out, resume=True, threads=job.threads, progress=told(out))


def make_low_rank(job: Job, out: Path) -> None:
    """Its layers in two, trained on."""
    settings = PruneSettings(low_rank=job.energy, epochs=job.epochs)
    prune(job.folder / "whole", out, settings, resume=True, threads=job.threads, progress=told(out))


def make_alone(job: Job, out: Path) -> None:
    """The small decoder, from the trials alone."""
    train(job.trained(job.student), out, resume=True, threads=job.threads, progress=told(out))


def make_taught(job: Job, out: Path) -> None:
    """The same, from the trials and what the large one makes of them."""
    settings = DistilSettings(options=job.student, epochs=job.epochs, patience=job.epochs)
    teacher = str(job.folder / "whole")
    distil(teacher, "v1-mlp", out, settings, resume=True, threads=job.threads, progress=told(out))


NETWORKS: Mapping[str, tuple[str, Callable[[Job, Path], None]]] = {
    "whole": ("large, fully connected", make_whole),
    "low-rank": ("its layers in two, low rank", make_low_rank),
    "alone": ("principal components, alone", make_alone),
    "taught": ("principal components, distilled", make_taught),
}
"""Name, also of the checkpoint's folder -> title and how it is made; the first is what the others are compared with."""


def told(out: Path) -> Callable[[Progress], None]:
    """Prints a line an epoch."""

    def tell(progress: Progress) -> None:
        if progress.row is not None:
            console.print(f"{out.name}: epoch {progress.row.epoch}, macro F1 {progress.row.macro_f1:.3f}")

    return tell


def engine_of(job: Job, name: str, dataset: DataSet) -> tuple[Path, str]:
    """The engine of one of NETWORKS, made where it is missing, and what the gate said."""
    checkpoint = job.folder / name
    if not (checkpoint / CONFIG).exists():
        NETWORKS[name][1](job, checkpoint)
    return built(checkpoint, dataset, job.max_drop, threads=job.threads, backends=BACKENDS)


def write_large(job: Job) -> None:
    """docs/results/v1_compress."""
    dataset = open_data(job.data)
    engines = {name: engine_of(job, name, dataset) for name in NETWORKS}
    found = decoded({NETWORKS[name][0]: path for name, (path, _) in engines.items()}, dataset, threads=job.threads)
    verdicts = {NETWORKS[name][0]: verdict for name, (_, verdict) in engines.items()}
    write_result(
        "v1_compress",
        title="The large decoder of the visual cortex made smaller",
        rows=[{**row, "gate": verdicts[row["network"]]} for row in rows_of(found, dataset)],
        columns={**COLUMNS, "gate": "gate"},
        context={
            "script": f"python -m edgeneuro.benchmarks.v1_compress --data {job.data} --epochs {job.epochs} --threads {job.threads}",
            "networks": f"large: {_sizes(job.widths)}; small: {job.components} components, {_sizes(job.small)}; low rank: {job.energy:g} of "
            f"the energy of each layer; {job.epochs} epochs each, the best kept",
            **_context(dataset, f"{len(found.samples)} trials of images that no network has seen", job),
            "notes": [
                "What is lost is against the float graph of the large decoder; positive is worse.",
                "No graph finds its weights in the caches, as others ran between, which costs the small ones most.",
                "Fully connected layers are pruned by rank alone; in place of fewer channels a narrower network is trained.",
            ],
        },
    )


def write_gratings(job: Job, sessions: Sequence[str]) -> None:
    """docs/results/v1_compress_gratings: small decoders of every session, each of FOLDS parts of its blocks left out in turn."""
    rows = []
    for session in sessions:
        dataset = open_data(session)
        folds = [replace(job, data=session, folder=job.folder / dataset.name, fold=fold) for fold in range(FOLDS)]
        found = pooled([_small(one, dataset) for one in folds])
        rows += [{"session": dataset.name, **row} for row in rows_of(found, dataset)]
    write_result(
        "v1_compress_gratings",
        title="Small decoders of gratings",
        rows=rows,
        columns={"session": "session", **COLUMNS},
        context={
            "script": f"python -m edgeneuro.benchmarks.v1_compress --gratings --epochs {job.epochs} --threads {job.threads}",
            "networks": f"{_sizes(job.small)}, {job.epochs} epochs, the best kept",
            **_context(dataset, f"{FOLDS} parts of whole blocks, each left out in turn by a network of its own", job),
            "notes": [
                "What is lost is against the float graph. Bytes are of the first part's network.",
                "No gate: a part has about 20 trials, which can show no margin.",
            ],
        },
    )


def _small(job: Job, dataset: DataSet) -> Found:
    """A decoder of one fold through its graphs."""
    checkpoint = job.folder / f"fold{job.fold}"
    path = checkpoint.with_suffix(".edge")
    if not (checkpoint / CONFIG).exists():
        make_alone(job, checkpoint)
    if not path.exists():
        build_engine(
            str(checkpoint), path, settings=BuildSettings(backends=BACKENDS, threads=job.threads), data=dataset
        )
    return decoded({"fully connected": path}, dataset, threads=job.threads)


def _context(dataset: DataSet, split: str, job: Job) -> dict[str, Any]:
    return {
        "data": f"{dataset.name}, {dataset.licence}{', simulated: it says nothing about any animal' * dataset.simulated}",
        "split": split,
        "intervals": f"95 %, {RESAMPLES} resamples of images or blocks; what is lost: paired, by jackknife",
        "times": f"one vector from its responses to its class, every trial through every graph in an order drawn anew, {job.threads} threads",
        "load average": load_average(),
    }


def _sizes(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths))


def main(
    data: Annotated[str, typer.Option(help="A session; of the gratings all where none is said.")] = "",
    gratings: Annotated[bool, typer.Option("--gratings", help="Small decoders of gratings instead.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 60,
    out: Annotated[Path, typer.Option(help="Where checkpoints and engines are kept.")] = Path("runs/v1-compress"),
    threads: Annotated[int, typer.Option(min=1, help="To train, to build and to run with.")] = 1,
) -> None:
    """Train and build what is missing, decode, write the table."""
    if gratings:
        job = Job(data="", folder=out, small=(128,), components=None, epochs=epochs, threads=threads)
        write_gratings(job, [data] if data else session_names())
    else:
        write_large(Job(data=data or LARGE, folder=out, epochs=epochs, threads=threads))


if __name__ == "__main__":
    typer.run(main)
