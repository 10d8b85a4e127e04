"""Which way of teaching STANet is worth all folds: ways compared on validation frames alone, the test part is not looked at.

    python -m edgeneuro.benchmarks.fewer_search ../shared/data/us_breast_busi --way first --way pretrained --fold 0 --fold 1

What is compared is the mean macro-F1 of the last 8 epochs, when the learning rate is nearly 0: the best of 60 epochs on some 85
frames is partly a matter of chance. The teacher is the fold's EfficientNet-Lite0, as `fewer_operations --method lite0` leaves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from edgeneuro.benchmarks.fewer_recipes import FIRST, LESSON, MORE, TEACHER, ULTRASOUND
from edgeneuro.benchmarks.results import write_result
from edgeneuro.errors import UsageError
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.training.checkpoint import read_config, read_metrics

LAST_EPOCHS = 8
LABELS: Mapping[str, Any] = {"soft_weight": 0.7, "temperature": 4.0, **FIRST}
LONG: Mapping[str, Any] = {"hint_weight": 2.0, "epochs": 150, "patience": 150, "learning_rate": 2e-3, "keep": "last"}

WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "first": ("first recipe: cut-outs of mixed frames, 60 epochs", {**LESSON, **FIRST}),
    "labels": ("labels beside the teacher, whole frames", LABELS),
    "labels-crops": ("labels beside the teacher, cut-outs", {**LABELS, "crop": LESSON["crop"]}),
    "long": ("first recipe with hints, 150 epochs", {**LESSON, **LONG}),
    "unlabelled": (
        "first recipe, frames of two other ultrasound sets beside, 26 epochs",
        {**LESSON, **MORE, "keep": "best", "unlabelled": ULTRASOUND},
    ),
    "pretrained": ("first recipe from weights of fewer_pretrain", {**LESSON, **FIRST, "initial": "fewer_pretrain"}),
    "pretrained-unlabelled": (
        "both: from weights of fewer_pretrain, frames of two other ultrasound sets beside, 26 epochs",
        {**LESSON, **MORE, "initial": "fewer_pretrain", "unlabelled": ULTRASOUND},
    ),
}
"""Name -> title, settings of the lesson."""


def main(
    data: Annotated[str, typer.Argument(help="us_lung_pocus or us_breast_busi.")],
    way: Annotated[list[str] | None, typer.Option(help="Only these ways of teaching; repeat.")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="Only these folds; repeat.")] = None,
    runs: Annotated[Path, typer.Option(help="Where fewer_operations keeps its checkpoints.")] = Path("runs/fewer"),
    pretrained: Annotated[Path, typer.Option(help="Checkpoint of fewer_pretrain.")] = Path("runs/fewer/pretrained"),
    threads: Annotated[int, typer.Option(help="Of training.")] = 1,
) -> None:
    """Train what is missing, then write the table of everything there is."""
    name = Path(data).name
    for chosen in way or WAYS:
        if chosen not in WAYS:
            raise UsageError(f"--way {chosen}: is not known, expected one of {', '.join(WAYS)}")
        for number in fold or range(5):
            settings = dict(WAYS[chosen][1])
            if "initial" in settings:
                settings["initial"] = str(pretrained)
            if "unlabelled" in settings:
                settings["unlabelled"] = tuple(other for other in ULTRASOUND if other != name)
            distil(
                str(runs / name / TEACHER / f"fold{number}"),
                "myositis",
                runs / "search" / name / chosen / f"fold{number}",
                DistilSettings(**settings, data=data, fold=number, seed=0, image_size=128),
                resume=True,
                threads=threads,
            )
    write_search(name, runs / "search" / name)


def write_search(name: str, folder: Path) -> None:
    """docs/results/fewer_search_NAME from the finished runs in `folder`/WAY/foldK."""
    found = {way: _scores(sorted(folder.glob(f"{way}/fold*/config.json"))) for way in WAYS}
    first = found["first"]
    write_result(
        f"fewer_search_{name}",
        title=f"Ways of teaching STANet, {name}: validation frames",
        rows=[_row(way, scores, first) for way, scores in found.items() if scores],
        columns={
            "way": "way",
            "folds": "folds",
            "by_fold": "macro-F1 by fold",
            "against_first": "against the first way, mean over the same folds",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.fewer_search {name}",
            "data": f"{name}, validation part of each fold, 128 px; the test part was not looked at",
            "protocol": f"mean of the last {LAST_EPOCHS} epochs' macro-F1; one run a fold",
        },
    )


def _scores(configs: Sequence[Path]) -> dict[int, float]:
    """Fold -> score of each finished run."""
    folders = [path.parent for path in configs]
    return {read_config(folder).fold: last_epochs(read_metrics(folder)["history"]) for folder in folders}


def _row(way: str, scores: Mapping[int, float], first: Mapping[int, float]) -> dict[str, Any]:
    gains = [score - first[fold] for fold, score in scores.items() if fold in first]
    return {
        "way": WAYS[way][0],
        "name": way,
        "folds": ", ".join(map(str, scores)),
        "by_fold": ", ".join(f"{score:.3f}" for score in scores.values()),
        "against_first": f"{fmean(gains):+.3f}" if gains and way != "first" else None,
    }


def last_epochs(history: Sequence[Mapping[str, float]]) -> float:
    """Mean macro-F1 of the last epochs."""
    return fmean(row["macro_f1"] for row in history[-LAST_EPOCHS:])


if __name__ == "__main__":
    typer.run(main)
