"""Study on fewer operations: networks of all sizes on the same folds of real ultrasound, every frame predicted out of fold.

    python -m edgeneuro.benchmarks.fewer_operations ../shared/data/us_lung_pocus --method stanet --method lite0

Checkpoints are kept under --out, the predictions of every fold under docs/results/folds; a second start trains what is missing
there, and the tables are written from the predictions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeneuro.benchmarks.fewer_recipes import RECIPES, Common, Recipe, recipe_named
from edgeneuro.benchmarks.fewer_tables import FewerStudy, write_study
from edgeneuro.benchmarks.out_of_fold import Fold, pool, read_fold
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.benchmarks.results import RESULTS
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.benchmarks.trained_fold import trained_fold
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError

FOLDS = RESULTS / "folds"
EXAMS = {"us_lung_pocus": "video_id"}
"""Data set -> the column that makes exam units; where none is named, frames are scored alone."""


def method_of(recipe: Recipe, common: Common) -> Method:
    """`recipe` as the study on real data runs methods."""

    def run(dataset: DataSet, split: Split, _: Path) -> Fold:
        trained = recipe.make(common, recipe.name, split.fold)
        return trained_fold(
            trained, recipe.name, dataset, split, engine=recipe.engine, threads=common.threads, seed=common.seed
        )

    return Method(name=recipe.name, run=run, settings={**common.document(), **recipe.settings})


def main(
    data: Annotated[str, typer.Argument(help="us_lung_pocus, us_breast_busi, or another set whose table has folds.")],
    method: Annotated[list[str] | None, typer.Option(help="Only these recipes; repeat.")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="Train only these folds and write no table.")] = None,
    out: Annotated[Path, typer.Option(help="Where checkpoints are kept.")] = Path("runs/fewer"),
    image_size: Annotated[int, typer.Option(help="Side of every network's input, px.")] = 128,
    epochs: Annotated[int, typer.Option(help="Of networks from scratch, at most.")] = 30,
    patience: Annotated[int, typer.Option(help="Epochs without a better validation macro-F1.")] = 12,
    pretrained: Annotated[Path | None, typer.Option(help="Checkpoint of STANet that saw other images.")] = None,
    seed: Annotated[int, typer.Option(help="Of splits, training and resamples.")] = 0,
    threads: Annotated[int, typer.Option(help="Of training.")] = 1,
    readme: Annotated[Path | None, typer.Option(help="README.md to put the short table into.")] = None,
) -> None:
    """Train and predict what is missing, then write the tables of everything there is."""
    dataset = open_data(data)
    folds = sorted({sample.fold for sample in dataset.samples if sample.fold is not None})
    if not folds:
        raise DataError(f"{dataset.name}: has no fold column, expected one; add the column `fold` to its table")
    common = Common(
        data=data,
        folder=out / dataset.name,
        image_size=image_size,
        epochs=epochs,
        patience=patience,
        seed=seed,
        pretrained=pretrained,
        threads=threads,
    )
    for recipe in map(recipe_named, method or RECIPES):
        run_method(method_of(recipe, common), dataset, fold or folds, FOLDS / dataset.name, seed)
    if not fold:
        write_study(finished(dataset, folds, seed), readme=readme)


def finished(dataset: DataSet, folds: Sequence[int], seed: int) -> FewerStudy:
    """Every recipe whose folds are all there."""
    tables: dict[str, Probabilities] = {}
    facts: dict[str, Sequence[dict[str, Any]]] = {}
    for name in RECIPES:
        paths = [FOLDS / dataset.name / name / f"fold{number}.npz" for number in folds]
        if all(path.exists() for path in paths):
            parts = [read_fold(path) for path in paths]
            tables |= pool(parts, dataset.samples, len(dataset.classes), str(paths[0].parent))
            facts[name] = [dict(part.facts) for part in parts]
    return FewerStudy(dataset=dataset, tables=tables, facts=facts, by=EXAMS.get(dataset.name), seed=seed)


if __name__ == "__main__":
    typer.run(main)
