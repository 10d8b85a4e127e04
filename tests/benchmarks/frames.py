"""A tiny labelled data set of flat frames: brightness tells the class, so that `tests.runtime.bundles` gets it right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split, salted_hash
from edgeneuro.spec import Frame

LEVELS = {"dark": 20, "grey": 128, "bright": 235}
GROUPS = 4
FRAMES = 3


def flat_data(classes: Sequence[str] = ("dark", "grey", "bright"), side: int = 40) -> DataSet:
    """Four groups a class with three frames each; column `visit` is "1" for the first two frames of a group."""
    samples = tuple(
        Sample(
            source=f"{name}-{group}-{frame}.png",
            index=0,
            target=target,
            group=f"{name}-{group}",
            fold=group % 2,
            tags={"visit": "1" if frame < 2 else "2", "probe": "linear"},
        )
        for target, name in enumerate(classes)
        for group in range(GROUPS)
        for frame in range(FRAMES)
    )

    def read(sample: Sample) -> Frame:
        return np.full((side, side), LEVELS[sample.source.partition("-")[0]], np.uint8)

    return DataSet(name="flat", classes=tuple(classes), samples=samples, reader=read, licence="Apache-2.0")


def split_of(
    dataset: DataSet, *, training: Sequence[str], calibration: Sequence[str] = (), leaky: bool = False
) -> Split:
    """A split with these groups (leaky: frames) in training, the rest in the test part."""
    units = sorted({f"{s.source}#{s.index}" if leaky else s.group for s in dataset.samples})

    def hashes(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(salted_hash("salt", name) for name in names))

    return Split(
        protocol="leaky" if leaky else "grouped",
        fold=0,
        seed=0,
        salt="salt",
        training=hashes(training),
        validation=(),
        test=hashes([unit for unit in units if unit not in training]),
        calibration=hashes(calibration),
    )
