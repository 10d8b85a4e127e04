"""Does feature reconstruction help where a neuron reaches the border of its picture? From the study's predictions alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.morphology_tables import Whole, against, finished, scores, write_table
from edgeneuro.benchmarks.morphology_variants import ABLATION, METHODS, PICTURES
from edgeneuro.benchmarks.results import RESULTS
from edgeneuro.data.sample import DataSet
from edgeneuro.drawing import Drawing
from edgeneuro.spec import Frame

PLACES = 7
"""Of the last feature map a side, in a picture of 224 px: the rim of one place is what feature reconstruction leaves out."""
BINS = 3


def border_share(frame: Frame) -> float:
    """Of the brightness of a picture, what lies in its outer ring, one place of the feature map wide; 0 of a black one."""
    bright = frame.astype(np.float64).sum(axis=2) if frame.ndim == 3 else frame.astype(np.float64)
    rows, columns = (round(side / PLACES) for side in bright.shape)
    total = float(bright.sum())
    return 1.0 - float(bright[rows:-rows, columns:-columns].sum()) / total if total else 0.0


def write_padding(dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """docs/results/morphology_padding_DATA: accuracy of every arm of the ablation by how much of a neuron lies at the border."""
    rows: list[dict[str, Any]] = []
    every = []
    for pictures in PICTURES:
        names = {arm: f"{pictures}-type-{arm}" for arm in ABLATION}
        wholes = {arm: found for arm, name in names.items() if (found := finished(name, dataset, folder))}
        if "plain" not in wholes:
            continue
        every += [fold for found in wholes.values() for whole in found.values() for fold in whole.folds]
        drawing = METHODS[names["plain"]].drawing
        assert drawing is not None
        side = every[-1].facts["settings"]["image_size"]
        rows += _rows(pictures, names, wholes, shares(dataset, replace(drawing, side_px=side)), dataset)
    columns = {
        "pictures": "pictures",
        "bin": "neurons by share at the border",
        "share": "their mean share, %",
        "neurons": "number",
        "title": "network",
        "seeds": "seeds",
        "accuracy": "accuracy",
        "against": "accuracy minus plain ResNet-18's, points",
    }
    title = "accuracy by how much of a neuron lies at the border of its picture"
    write_table("morphology_padding", "padding", title, rows, columns, every, dataset, results)


def shares(dataset: DataSet, drawing: Drawing) -> NDArray[np.float64]:
    """(neuron,) border_share of every picture."""
    drawn = dataset.drawn_as(drawing)
    return np.array([border_share(drawn.read(sample)) for sample in drawn.samples])


def _rows(
    pictures: str,
    names: Mapping[str, str],
    wholes: Mapping[str, Mapping[int, Whole]],
    border: NDArray[np.float64],
    dataset: DataSet,
) -> Iterator[dict[str, Any]]:
    """Thirds of the neurons, from those with the least at the border; of equals the earlier ones first."""
    ordered = np.argsort(border, kind="stable")
    for number, third in enumerate(np.array_split(ordered, BINS)):
        chosen = np.sort(third)
        samples = [dataset.samples[row] for row in chosen]
        predicted: dict[str, Sequence[NDArray[np.int64]]] = {
            arm: [whole.tables[names[arm]][chosen].argmax(1) for whole in found.values()]
            for arm, found in wholes.items()
        }
        for arm, mine in predicted.items():
            yield {
                "pictures": pictures,
                "bin": ("least", "between", "most")[number],
                "share": round(100 * float(border[chosen].mean()), 1),
                "neurons": len(chosen),
                "title": METHODS[names[arm]].title,
                "method": names[arm],
                "seeds": len(mine),
                "accuracy": scores(dataset, samples, mine)["accuracy"],
                "against": None
                if arm == "plain"
                else against(dataset, samples, mine, predicted["plain"], metric="accuracy"),
            }
