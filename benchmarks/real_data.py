"""Study on real ultrasound frames: STANet in FP32 and INT8 beside two baselines, all frames predicted out of fold.

    python -m edgeneuro.benchmarks.real_data ../shared/data/us_lung_pocus --out runs/us_lung_pocus

Every method and fold is one file under --out; a second start goes on where the first stopped. When every fold is
there, the table is written to docs/results/ and into README.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edgeneuro.benchmarks.baselines import hog_lbp_svm, lite0_probe
from edgeneuro.benchmarks.out_of_fold import Fold, pool, read_fold, write_fold
from edgeneuro.benchmarks.real_tables import Study, write_tables
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.benchmarks.stanet_fold import StanetSettings, stanet_fold
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError, UsageError
from edgeneuro.models import model_entry

console = Console(stderr=True)

OWN_SIZE = model_entry("myositis").image_size
"""Side of the input STANet was designed for, px."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """settings: JSON values that decide the numbers; kept in every fold and compared on restart."""

    name: str
    run: Callable[[DataSet, Split, Path], Fold]
    settings: Mapping[str, Any]


def methods(settings: StanetSettings, seed: int) -> dict[str, Method]:
    """By name, the reference of all paired differences first."""
    every = (
        Method(
            name="stanet",
            run=lambda dataset, split, folder: stanet_fold(dataset, split, folder, settings),
            settings=settings.document(),
        ),
        Method(
            name="lite0-probe",
            run=lambda dataset, split, folder: lite0_probe(dataset, split, folder, seed),
            settings={"seed": seed},
        ),
        Method(
            name="hog-lbp-svm",
            run=lambda dataset, split, folder: hog_lbp_svm(dataset, split, folder, seed),
            settings={"seed": seed},
        ),
    )
    return {method.name: method for method in every}


def run_method(method: Method, dataset: DataSet, folds: Sequence[int], out: Path, seed: int) -> list[Fold]:
    """Every fold of one method, computed where its file is not there yet. Raises UsageError for other settings."""
    done = []
    for number in folds:
        path = out / method.name / f"fold{number}.npz"
        if path.exists():
            fold = read_fold(path)
            if fold.facts["settings"] != dict(method.settings):
                raise UsageError(
                    f"{path}: was made with {fold.facts['settings']}, asked for {dict(method.settings)}; "
                    "give another --out, or the same settings"
                )
        else:
            started = time.perf_counter()
            split = make_split(dataset, protocol="grouped", fold=number, seed=seed)
            fold = method.run(dataset, split, out / method.name)
            facts = {
                **fold.facts,
                "settings": dict(method.settings),
                "seconds": round(time.perf_counter() - started, 1),
                "date": datetime.now(timezone.utc).date().isoformat(),
            }
            fold = replace(fold, facts=facts)
            write_fold(path, fold)
            console.print(f"{method.name} fold {number}: {facts['seconds']:.0f} s")
        done.append(fold)
    return done


def result_name(dataset: str, image_size: int) -> str:
    """Of the result files: the data set's, with the size where it is not STANet's own."""
    return dataset if image_size == OWN_SIZE else f"{dataset}_{image_size}px"


def main(
    data: Annotated[str, typer.Argument(help="Folder of us_lung_pocus, or another set whose table has folds.")],
    out: Annotated[Path, typer.Option(help="Where folds, features and checkpoints are kept.")] = Path("runs/study"),
    method: Annotated[list[str] | None, typer.Option(help="Only these methods; repeat.")] = None,
    by: Annotated[str, typer.Option(help="Column that makes the exam units.")] = "video_id",
    image_size: Annotated[int, typer.Option(help="Side of STANet's input, px.")] = OWN_SIZE,
    epochs: Annotated[int, typer.Option(help="Of STANet's training, at most.")] = 60,
    seed: Annotated[int, typer.Option(help="Of splits, training and resamples.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Of STANet's training; torch's own choice if not given.")] = None,
    readme: Annotated[Path | None, typer.Option(help="README.md to put the table into.")] = None,
) -> None:
    """Run what is missing, then write the tables of all methods that were asked for."""
    dataset = open_data(data)
    folds = sorted({sample.fold for sample in dataset.samples if sample.fold is not None})
    if not folds:
        raise DataError(f"{dataset.name}: has no fold column, expected one; add the column `fold` to its table")
    known = methods(StanetSettings(data=data, image_size=image_size, epochs=epochs, seed=seed, threads=threads), seed)
    unknown = sorted(set(method or ()) - set(known))
    if unknown:
        raise UsageError(f"--method {unknown[0]}: is not known; expected {', '.join(known)}")
    chosen = [known[name] for name in known if not method or name in method]
    finished = {entry.name: run_method(entry, dataset, folds, out, seed) for entry in chosen}
    tables: dict[str, Probabilities] = {}
    for name, parts in finished.items():
        tables |= pool(parts, dataset.samples, len(dataset.classes), str(out / name))
    study = Study(
        name=result_name(dataset.name, image_size),
        dataset=dataset,
        tables=tables,
        facts={name: [fold.facts for fold in parts] for name, parts in finished.items()},
        by=by,
        seed=seed,
        script=f"python -m edgeneuro.benchmarks.real_data {dataset.name} --image-size {image_size} --epochs {epochs}",
    )
    write_tables(study, readme=readme)


if __name__ == "__main__":
    typer.run(main)
