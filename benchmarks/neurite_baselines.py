"""Neurites found without learning, every frame with settings chosen on frames of other folds.

    python -m edgeneuro.benchmarks.neurite_baselines neuron_pfc_pn
    python -m edgeneuro.benchmarks.neurite_baselines phantom-volumes --method frangi
    python -m edgeneuro.benchmarks.neurite_baselines neuron_pfc_pn --tables

Counts are kept under docs/results/folds; a second start goes on where the first stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edgeneuro.benchmarks.fewer_operations import FOLDS
from edgeneuro.benchmarks.morphology_tables import folds_of
from edgeneuro.benchmarks.neurite_methods import GRIDS, TITLES, NeuriteMethod, Picture
from edgeneuro.benchmarks.neurite_scoring import as_fold, frame_overlaps
from edgeneuro.benchmarks.neurite_tables import write_table
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.sample import Sample
from edgeneuro.data.split import Split
from edgeneuro.metrics.tubes import voxel_overlap

PER_GROUP = 1
"""Frame of each group on which settings are chosen: neighbours resemble one another."""


class Chooser:
    """The Dice of all settings of one method on frames, each frame worked on once, whatever the folds that ask for it."""

    def __init__(self, dataset: DataSet, settings: tuple[NeuriteMethod, ...]) -> None:
        self.dataset, self.settings = dataset, settings
        self._known: dict[str, list[float]] = {}

    def best(self, samples: list[Sample]) -> NeuriteMethod:
        """Of the highest mean Dice on `samples`."""
        return self.settings[int(np.argmax(np.mean([self._dice(sample) for sample in samples], axis=0)))]

    def _dice(self, sample: Sample) -> list[float]:
        key = frame_id(sample)
        if key not in self._known:
            picture, truth = Picture(self.dataset.read(sample)), self.dataset.mask(sample)
            self._known[key] = [voxel_overlap(truth, found(picture)).f1 for found in self.settings]
        return self._known[key]


def learnt_from(dataset: DataSet, split: Split) -> list[Sample]:
    """The first PER_GROUP frames of each group that is not in the test part."""
    by_group: dict[str, list[Sample]] = {}
    for part in ("training", "validation"):
        for sample in split.part(dataset.samples, part):
            by_group.setdefault(sample.group, []).append(sample)
    return [sample for samples in by_group.values() for sample in samples[:PER_GROUP]]


def run_fold(name: str, chooser: Chooser, dataset: DataSet, split: Split, _: Path) -> Fold:
    """Counts of the test part of `split`."""
    best = chooser.best(learnt_from(dataset, split))
    samples = list(split.part(dataset.samples, "test"))
    overlaps = [frame_overlaps(dataset.mask(sample), best(Picture(dataset.read(sample)))) for sample in samples]
    return as_fold(samples, overlaps, {"title": TITLES[name], "chosen": words(asdict(best))})


def words(settings: Mapping[str, object]) -> str:
    """ "bright, window 15, deviations 1", for tables."""
    return ", ".join(_word(key, value) for key, value in settings.items())


def _word(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return words(value)
    if isinstance(value, bool):
        return key if value else "bright"
    numbers = value if isinstance(value, tuple) else (value,)
    return f"{key.replace('_', ' ')} {'/'.join(f'{number:g}' for number in numbers)}"


def main(
    data: Annotated[
        str,
        typer.Argument(help="neuron_pfc_pn, phantom-neurites, phantom-volumes, or another set with masks and folds."),
    ],
    method: Annotated[list[str] | None, typer.Option(help=f"Run only these of {', '.join(GRIDS)}; repeat.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Run nothing, write the table of what is there.")] = False,
) -> None:
    """Run what is missing, then write the table of everything that is complete."""
    dataset = open_data(data)
    unknown = sorted(set(method or ()) - set(GRIDS))
    if unknown:
        raise typer.BadParameter(f"got {unknown[0]!r}, expected {', '.join(GRIDS)}", param_hint="--method")
    for name in () if tables else (method or GRIDS):
        run = partial(run_fold, name, Chooser(dataset, GRIDS[name]))
        settings = {"grid": len(GRIDS[name]), "frames_of_each_group": PER_GROUP}
        run_method(Method(name=name, run=run, settings=settings), dataset, folds_of(dataset), FOLDS / dataset.name, 0)
    write_table(dataset, FOLDS / dataset.name)


if __name__ == "__main__":
    typer.run(main)
