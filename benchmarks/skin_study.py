"""Study on skin lesions: what the siamese form, its parts, and fewer training lesions do, by lesion.

    python -m edgeneuro.benchmarks.skin_study ../shared/data/skin_ham10000 --part folds
    python -m edgeneuro.benchmarks.skin_study ../shared/data/skin_ham10000 --part curve
    python -m edgeneuro.benchmarks.skin_study ../shared/data/skin_ham10000 --part ablations

Checkpoints are kept under --out, predictions under docs/results/folds; a second start goes on where the first stopped, and the
tables are written from the predictions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.benchmarks.fewer_operations import FOLDS
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.benchmarks.skin_tables import Planned, write_folds, write_runs
from edgeneuro.benchmarks.skin_variants import ABLATIONS, CURVE, EPOCHS, Job, Variant, variant_named
from edgeneuro.data import DataSet, open_data

CURVE_SEEDS, ABLATION_SEEDS = (0, 1, 2), (0, 1, 2)
TITLES = {"curve": "accuracy by number of training lesions", "ablations": "what each part of the siamese form does"}
ABLATION_SHARE = 0.1
"""Small data is what the form is claimed for."""


def planned(part: str) -> Iterator[Planned]:
    """Every run of a part of the study, in the order of its table."""
    if part == "folds":
        for fold in range(5):
            yield Planned(variant="siamese", fold=fold, share=1.0, seed=0)
        return
    names = CURVE if part == "curve" else ABLATIONS
    for share in sorted(EPOCHS) if part == "curve" else (ABLATION_SHARE,):
        for name in names:
            for seed in _seeds(part, name, share):
                yield Planned(variant=name, fold=0, share=share, seed=seed)


def _seeds(part: str, name: str, share: float) -> Sequence[int]:
    """One seed where a run takes hours; which training lesions are drawn changes with it as well."""
    once = share == 1.0 or name == "resnet18"
    return (0,) if once else CURVE_SEEDS if part == "curve" else ABLATION_SEEDS


def method_of(run: Planned, variant: Variant, job: Job) -> Method:
    """`run` as the study on real data runs methods."""
    settings = {
        **variant.settings,
        "image_size": job.image_size,
        "epochs": job.epochs,
        "share": job.share,
        "seed": job.seed,
    }
    return Method(
        name=run.graph,
        run=lambda dataset, split, _: variant.run(run.graph, replace(job, fold=split.fold), dataset),
        settings=settings,
    )


def main(
    data: Annotated[str, typer.Argument(help="skin_ham10000, or another set of lesions whose table has folds.")],
    part: Annotated[str, typer.Option(help="folds, curve or ablations.")] = "folds",
    variant: Annotated[list[str] | None, typer.Option(help="Train only these; repeat.")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="Train only these folds.")] = None,
    share: Annotated[list[float] | None, typer.Option(help="Train only with these shares of the lesions.")] = None,
    out: Annotated[Path, typer.Option(help="Where checkpoints and features are kept.")] = Path("runs/skin"),
    image_size: Annotated[int, typer.Option(help="Side of every network's input, px.")] = 112,
    threads: Annotated[int, typer.Option(help="Of training.")] = 1,
) -> None:
    """Train and predict what is missing; with no choice of runs, write the table as well."""
    if part not in ("folds", "curve", "ablations"):
        raise typer.BadParameter(f"got {part!r}, expected folds, curve or ablations", param_hint="--part")
    dataset = open_data(data)
    runs = list(planned(part))
    for run in runs:
        if (
            run.variant in (variant or (run.variant,))
            and run.fold in (fold or (run.fold,))
            and run.share in (share or (run.share,))
        ):
            job = Job(
                data=data,
                folder=out,
                fold=run.fold,
                share=run.share,
                seed=run.seed,
                image_size=image_size,
                threads=threads,
            )
            run_method(method_of(run, variant_named(run.variant), job), dataset, [run.fold], _folds(dataset), run.seed)
    if variant or fold or share:
        return
    if part == "folds":
        write_folds(runs, dataset, _folds(dataset))
    else:
        write_runs(f"skin_{part}", TITLES[part], runs, dataset, _folds(dataset))


def _folds(dataset: DataSet) -> Path:
    return FOLDS / dataset.name


if __name__ == "__main__":
    typer.run(main)
