"""A trained toy network whose smaller versions are searched for, on two kinds of noise."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from edgeneuro.data import DataSet, Sample, open_data
from edgeneuro.data.split import Part
from edgeneuro.export.compress import latency, steps
from edgeneuro.export.compress.records import BaseFacts, Goal, SearchSettings
from edgeneuro.export.compress.space import base_facts
from edgeneuro.export.compress.steps import open_parts
from edgeneuro.export.compress.trial import BASE_BUNDLE, base_bundle
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.runtime import race
from edgeneuro.training.checkpoint import read_split
from edgeneuro.training.fit import train
from edgeneuro.training.settings import TrainSettings

SIDE = 48
GROUPS = 6
TOY = ModelEntry(name="toy", title="for tests", builder="tests.export.prune.toy:build")


@dataclass(frozen=True)
class Searched:
    """settings: of a search for half the operations. study: a folder that holds the base's bundle."""

    settings: SearchSettings
    facts: BaseFacts
    study: Path

    @property
    def base(self) -> Path:
        return Path(self.settings.base)

    def part(self, part: Part) -> DataSet:
        """Of the base's split."""
        data = open_data(str(self.settings.data))
        return data.subset(read_split(self.base).part(data.samples, part))

    def fresh_study(self, folder: Path) -> Path:
        """A study's folder of its own, with a copy of the base's bundle, which takes longer to build than all else."""
        folder.mkdir(parents=True)
        shutil.copy(self.study / BASE_BUNDLE, folder)
        return folder

    def test_files(self) -> list[Path]:
        return [self.path(sample) for sample in self.part("test").samples]

    def path(self, sample: Sample) -> Path:
        return Path(str(self.settings.data)) / sample.source


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """The toy is in the model table while a module's tests run, and nothing is timed for long."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((latency, "BUDGET_S"), (race, "BUDGET_S"), (steps, "SEARCH_S")):
            patch.setattr(module, name, 0.1)
        patch.setitem(cast(dict[str, ModelEntry], MODELS), "toy", TOY)
        data = tmp_path_factory.mktemp("noise")
        write_noise(data)
        folder = tmp_path_factory.mktemp("base") / "run"
        train(
            TrainSettings(model="toy", data=str(data), epochs=3, batch_size=8, image_size=SIDE, learning_rate=3e-3),
            folder,
            threads=1,
        )
        settings = SearchSettings(
            base=str(folder),
            goal=Goal(macs=0.5, max_drop="100"),
            epochs=2,
            final_epochs=2,
            backends=("onnxruntime",),
            data=str(data),
        )
        facts, study = base_facts(settings), tmp_path_factory.mktemp("study")
        base_bundle(settings, facts, open_parts(settings), study)
        yield Searched(settings, facts, study)


def write_noise(folder: Path) -> None:
    """Dark and bright frames, GROUPS groups each, 3 frames a group; some of each are as bright as the other."""
    rng = np.random.default_rng(0)
    rows = ["file,label,group_id"]
    for label, level in (("dark", 80), ("bright", 110)):
        for group in range(GROUPS):
            for frame in range(3):
                name = f"{label}-{group}-{frame}.png"
                pixels = rng.normal(level + rng.normal(0, 15), 40, (SIDE, SIDE))
                cv2.imwrite(str(folder / name), np.clip(pixels, 0, 255).astype(np.uint8))
                rows.append(f"{name},{label},{label}-{group}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
