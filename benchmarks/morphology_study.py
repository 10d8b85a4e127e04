"""Study on neuron morphology: networks on pictures beside classifiers on measures of shape, every neuron predicted out of fold.

    python -m edgeneuro.benchmarks.morphology_study ../shared/data/rat_neuron_swc --method forest-placed --method svm-placed
    python -m edgeneuro.benchmarks.morphology_study ../shared/data/rat_neuron_swc --method xyalign-type-both --fold 0
    python -m edgeneuro.benchmarks.morphology_study ../shared/data/rat_neuron_swc --part noise --method xyalign-type-cure
    python -m edgeneuro.benchmarks.morphology_study ../shared/data/rat_neuron_swc --part methods --tables

Checkpoints are kept under --out, predictions under docs/results/folds; a second start goes on where the first stopped, and the
tables are written from the predictions alone, of whatever is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from edgeneuro.benchmarks.fewer_operations import FOLDS
from edgeneuro.benchmarks.morphology_padding import write_padding
from edgeneuro.benchmarks.morphology_tables import NOISE, SEEDS, Planned, folds_of, write_methods, write_noise
from edgeneuro.benchmarks.morphology_variants import METHODS, NOISY, Job, method_named
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.data import DataSet, open_data
from edgeneuro.training.settings import Precision

TABLES = {"methods": write_methods, "noise": write_noise, "padding": write_padding}
"""Part -> what writes its table; padding reads the predictions of the methods and has no runs of its own."""


def planned(part: str, dataset: DataSet) -> Iterator[Planned]:
    """Every run of a part of the study, in the order of its table."""
    if part == "methods":
        for name in METHODS:
            for seed in SEEDS:
                for fold in folds_of(dataset):
                    yield Planned(method=name, fold=fold, seed=seed)
    elif part == "noise":
        for noise in NOISE:
            for method in NOISY:
                for fold in folds_of(dataset):
                    yield Planned(method=method.name, fold=fold, label_noise=noise)


def method_of(run: Planned, job: Job) -> Method:
    """`run` as the study on real data runs methods."""
    method = method_named(run.method)
    settings = {**method.settings, "seed": job.seed}
    if method.drawing is not None:
        settings |= {
            "image_size": job.image_size,
            "epochs": job.epochs,
            "label_noise": job.label_noise,
            "initial": None if job.initial is None else Path(job.initial).name,
            "precision": job.precision,
        }
    return Method(name=run.graph, run=lambda dataset, _, __: method.run(run.graph, job, dataset), settings=settings)


def main(
    data: Annotated[str, typer.Argument(help="rat_neuron_swc, or another set of neurons whose table has folds.")],
    part: Annotated[str, typer.Option(help="methods, noise or padding.")] = "methods",
    method: Annotated[list[str] | None, typer.Option(help="Run only these; repeat.")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="Run only these folds.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Run only these seeds.")] = None,
    noise: Annotated[list[float] | None, typer.Option(help="Run only with these shares of wrong labels.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Run nothing, write the table of what is there.")] = False,
    out: Annotated[Path, typer.Option(help="Where checkpoints and measures are kept.")] = Path("runs/morphology"),
    image_size: Annotated[int, typer.Option(help="Side of every network's pictures, px.")] = 224,
    epochs: Annotated[int, typer.Option(help="Of every network.")] = 60,
    initial: Annotated[str | None, typer.Option(help="Weights that networks start from.")] = None,
    precision: Annotated[str, typer.Option(help="Of networks while they learn: float32 or bfloat16.")] = "bfloat16",
    threads: Annotated[int, typer.Option(help="To learn with.")] = 1,
) -> None:
    """Run what is missing, then write the table of everything that is complete."""
    if part not in TABLES:
        raise typer.BadParameter(f"got {part!r}, expected {', '.join(TABLES)}", param_hint="--part")
    if precision not in get_args(Precision):
        raise typer.BadParameter(f"got {precision!r}, expected float32 or bfloat16", param_hint="--precision")
    for name in method or ():
        method_named(name)
    dataset = open_data(data)
    for run in () if tables else planned(part, dataset):
        if (
            run.method in (method or (run.method,))
            and run.fold in (fold or (run.fold,))
            and run.seed in (seed or (run.seed,))
            and run.label_noise in (noise or (run.label_noise,))
        ):
            job = Job(
                data=data,
                folder=out / dataset.name,
                fold=run.fold,
                seed=run.seed,
                label_noise=run.label_noise,
                image_size=image_size,
                epochs=epochs,
                initial=initial,
                threads=threads,
                precision=cast(Precision, precision),
            )
            run_method(method_of(run, job), dataset, [run.fold], FOLDS / dataset.name, run.seed)
    TABLES[part](dataset, FOLDS / dataset.name)


if __name__ == "__main__":
    typer.run(main)
