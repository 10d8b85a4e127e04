"""Which whole frames of a segmentation a report shows, and their pictures: the worst, the median and the best by Dice.

Made after the measurement, by the engine's own call: large frames are covered with tiles and blended, as on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.document import OURS, Pictured, PicturedFrame, Rank, Report, Row
from edgeneuro.benchmarks.measure.mistakes import Mistakes, pictures_of
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.benchmarks.report.pictures import Pictures
from edgeneuro.data.leakage import unseen
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import EdgeNeuroError
from edgeneuro.export.outcomes import resized
from edgeneuro.metrics import mask_scores, mean_of_classes
from edgeneuro.runtime import Engine, Segmentation, open_engine
from edgeneuro.spec import Array, Frame

SCORED = 24
"""Frames of the judged part, drawn anew for every seed, that the three are chosen from."""


def take_pictures(
    report: Report,
    paths: Sequence[Path],
    dataset: DataSet | None,
    *,
    settings: Settings,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[Report, Pictures]:
    """The report with the names and Dice of the frames of each segmentation in it, and their pictures.

    report: of `paths`, judged on `dataset`, None where there was none. An engine whose row has no Dice has no pictures; where one cannot be opened or cannot read a frame
    again, `not_measured` says so.
    """
    pictured: list[Pictured] = []
    pictures: dict[tuple[str, Rank], tuple[bytes, bytes]] = {}
    missing: dict[str, str] = {}
    for path, engine in zip(paths, report.engines, strict=True):
        row = _row(report, engine.name)
        if dataset is None or engine.task != "segmentation" or row is None:
            continue
        progress(f"{engine.name}: pictures of up to {SCORED} frames of {dataset.name}")
        try:
            with open_engine(
                path,
                precision=row.precision,  # type: ignore[arg-type]  # as the engine said it
                backend=row.backend,
                threads=settings.threads,
                self_test=False,
                allow_unsigned=settings.allow_unsigned,
            ) as opened:
                found, files = _of_engine(opened, row.name, dataset, settings.seed)
        except EdgeNeuroError as error:
            missing[f"{engine.name}: pictures"] = str(error)
            continue
        pictured.append(found)
        pictures |= {(row.name, rank): pair for rank, pair in files.items()}
    not_measured = {**report.not_measured, **missing}
    return replace(report, pictured=tuple(pictured), not_measured=not_measured), pictures


def _row(report: Report, engine: str) -> Row | None:
    """The first INT8 graph whose masks were scored, the float one where there is none."""
    scored = [
        row
        for row in report.rows
        if row.engine == engine and row.tool == OURS and row.accuracy is not None and row.accuracy.value is not None
    ]
    return next((row for row in scored if row.precision == "int8"), next(iter(scored), None))


def _of_engine(
    engine: Engine, row: str, dataset: DataSet, seed: int
) -> tuple[Pictured, dict[Rank, tuple[bytes, bytes]]]:
    split = engine.manifest.split
    judged = (dataset if split is None else unseen(dataset, split).dataset).samples
    count = min(SCORED, len(judged))
    drawn = sorted(np.random.default_rng(seed).choice(len(judged), count, replace=False).tolist())
    dice = {number: _answer(engine, dataset, judged[number])[0] for number in drawn}
    frames: list[PicturedFrame] = []
    files: dict[Rank, tuple[bytes, bytes]] = {}
    for rank, number in ranked(dice).items():
        sample = judged[number]
        _, frame, mistakes = _answer(engine, dataset, sample)
        files[rank] = pictures_of(frame, mistakes)
        frames.append(
            PicturedFrame(
                rank=rank,
                source=sample.source,
                index=sample.index,
                group=sample.group,
                dice=dice[number],
                missed=mistakes.missed_share,
                false=mistakes.false_share,
            )
        )
    volumes = dataset.has_volumes
    return Pictured(row=row, volumes=volumes, scored=count, judged=len(judged), frames=tuple(frames)), files


def ranked(dice: dict[int, float]) -> dict[Rank, int]:
    """dice: frame -> 0..1, at least one. Returns which frame is which, none twice: of two there is no median, of one the best alone. Of the same
    Dice, the lower number is the worse."""
    ordered = sorted(dice, key=lambda number: (dice[number], number))
    chosen: dict[Rank, int] = {"best": ordered[-1]}
    if len(ordered) > 2:
        chosen = {"median": ordered[(len(ordered) - 1) // 2], **chosen}
    if len(ordered) > 1:
        chosen = {"worst": ordered[0], **chosen}
    return chosen


def _answer(engine: Engine, dataset: DataSet, sample: Sample) -> tuple[float, Frame, Mistakes]:
    """Dice of the whole frame, its pixels, and the mistakes at its size."""
    frame, truth = dataset.read(sample), dataset.mask(sample)
    found = _mask(engine, frame)
    scores = mask_scores(truth, resized(found, truth.shape), len(engine.manifest.classes))
    return float(mean_of_classes(scores.dice)), frame, Mistakes.of(resized(truth, found.shape), found)


def _mask(engine: Engine, frame: Frame) -> Array:
    result = engine(frame)
    assert isinstance(result, Segmentation)  # the task of its record
    return result.mask
