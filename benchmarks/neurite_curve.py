"""F1 against round, between the networks of few and of all labels: docs/results/neurites_DATA_curve.json, .md and .png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.neurite_scoring import VOXELS, pooled_f1
from edgeneuro.benchmarks.neurite_tables import Whole, finished, round_table
from edgeneuro.benchmarks.neurite_variants import ROUNDS, VARIANTS
from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.data.sample import DataSet
from edgeneuro.files import write_bytes
from edgeneuro.manifest import Interval

REFERENCES = ("few", "all")
"""Variants drawn as lines across."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1200, 720, 110, 40, 110, 90
"""Of the picture and its margins, px."""
TEXT, FAINT = (55, 41, 31), (222, 216, 208)
COLOURS = ((12, 65, 194), (168, 112, 40), (60, 130, 60), (140, 60, 130))
"""BGR, of the curves, then of the lines."""

Curve = Mapping[int, Interval]
"""Round, counted from 1 -> voxel F1."""


def write_curve(dataset: DataSet, folder: Path, results: Path = RESULTS) -> None:
    """Of the trainings in rounds whose folds are all there; nothing where there is none."""
    wholes = finished(dataset, folder)
    curves = {name: curve(dataset, whole) for name, whole in wholes.items() if _by_round(name)}
    if not curves:
        return
    groups = [sample.group for sample in dataset.samples]
    lines = {name: pooled_f1(wholes[name].counts(dataset, VOXELS), groups) for name in REFERENCES if name in wholes}
    name = f"neurites_{dataset.name}_curve"
    write_result(
        name,
        title=f"{dataset.name}: voxel F1 of frames out of fold, by round",
        rows=[
            *({"title": wholes[key].title, "round": "-", "f1": percent(value)} for key, value in lines.items()),
            *(
                {"title": wholes[key].title, "round": number, "f1": percent(value)} | _learnt(wholes[key], number)
                for key, by_round in curves.items()
                for number, value in by_round.items()
            ),
        ],
        columns={
            "title": "method",
            "round": "round",
            "f1": "voxel F1",
            "runs": "runs that came so far",
            "learnt_from": "pseudo-labelled frames learnt from, mean of runs",
            "validation_f1": "voxel F1 of validation frames, mean of runs",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.neurite_study {dataset.name} --tables",
            "protocol": "the network of each round, not the best so far; runs that ended earlier stay at their last",
            "picture": f"{name}.png",
        },
        folder=results,
    )
    titles = {key: wholes[key].title for key in (*curves, *lines)}
    write_bytes(results / f"{name}.png", picture(dataset.name, curves, lines, titles))


def curve(dataset: DataSet, whole: Whole) -> Curve:
    """From the tables by round."""
    groups = [sample.group for sample in dataset.samples]
    return {number: pooled_f1(whole.counts(dataset, round_table(number)), groups) for number in range(1, ROUNDS + 1)}


def picture(name: str, curves: Mapping[str, Curve], lines: Mapping[str, Interval], titles: Mapping[str, str]) -> bytes:
    """PNG: curves with whiskers, lines across, 95 % intervals. titles: of both."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    every = [*lines.values(), *(value for one in curves.values() for value in one.values())]
    low, high = _range(every)

    def y(share: float) -> int:
        return round(HEIGHT - BOTTOM - (100 * share - low) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def x(number: int, place: int) -> int:
        step = (WIDTH - LEFT - RIGHT) / (ROUNDS + 0.5)
        return round(LEFT + (number - 0.25) * step + 14 * place)

    step = _step(high - low)
    for level in np.arange(np.ceil(low / step) * step, high + 1e-6, step):
        cv2.line(canvas, (LEFT, y(level / 100)), (WIDTH - RIGHT, y(level / 100)), FAINT, 1)
        _write(canvas, f"{level:g}", (LEFT - 60, y(level / 100) + 7))
    for place, (key, value) in enumerate(lines.items()):
        colour = COLOURS[len(curves) + place]
        for start in range(LEFT, WIDTH - RIGHT, 24):
            cv2.line(canvas, (start, y(value.value)), (start + 12, y(value.value)), colour, 2, cv2.LINE_AA)
        _legend(canvas, len(curves) + place, titles[key], colour)
    for place, (key, by_round) in enumerate(curves.items()):
        dots = [(x(number, place), y(value.value)) for number, value in by_round.items()]
        cv2.polylines(canvas, [np.array(dots, np.int32)], False, COLOURS[place], 3, cv2.LINE_AA)
        for (across, down), value in zip(dots, by_round.values(), strict=True):
            cv2.line(canvas, (across, y(value.low)), (across, y(value.high)), COLOURS[place], 2, cv2.LINE_AA)
            cv2.circle(canvas, (across, down), 6, COLOURS[place], -1, cv2.LINE_AA)
        _legend(canvas, place, titles[key], COLOURS[place])
    for number in range(1, ROUNDS + 1):
        _write(canvas, str(number), (x(number, 0) - 6, HEIGHT - BOTTOM + 34))
    _write(canvas, "round", (WIDTH // 2, HEIGHT - 16))
    _write(canvas, f"{name}: voxel F1 out of fold, percent, 95 % intervals", (16, 34))
    return bytes(cv2.imencode(".png", canvas)[1])


def _learnt(whole: Whole, number: int) -> dict[str, Any]:
    """What the runs of a training in rounds, that came so far, say of a round."""
    facts = [fold.facts for fold in whole.folds if len(fold.facts["by_round"]) >= number]
    if not facts:
        return {"runs": 0}
    return {
        "runs": len(facts),
        "learnt_from": round(float(np.mean([fact["learnt_from"][number - 1] for fact in facts])), 1),
        "validation_f1": round(float(np.mean([fact["by_round"][number - 1]["validation_f1"] for fact in facts])), 3),
    }


def _by_round(name: str) -> bool:
    rounds = VARIANTS[name].rounds if name in VARIANTS else None
    return rounds is not None and rounds.after == ROUNDS


def _range(values: Sequence[Interval]) -> tuple[float, float]:
    """Percent, round numbers below and above all."""
    low, high = 100 * min(value.low for value in values), 100 * max(value.high for value in values)
    step = _step(high - low)
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step + step * (high == low))


def _step(span: float) -> float:
    return next((step for step in (1.0, 2.0, 5.0, 10.0) if span / step <= 10), 20.0)


def _legend(canvas: NDArray[np.uint8], place: int, title: str, colour: tuple[int, int, int]) -> None:
    across, down = LEFT + 540 * (place % 2), 62 + 28 * (place // 2)
    cv2.line(canvas, (across, down - 6), (across + 34, down - 6), colour, 4, cv2.LINE_AA)
    _write(canvas, title, (across + 44, down))


def _write(canvas: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.62, TEXT, 1, cv2.LINE_AA)
