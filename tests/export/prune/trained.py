"""A checkpoint of the toy network, for tests that go on from one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.fit import train
from edgeneuro.training.settings import TrainSettings
from tests.export.prune.toy import TOY
from tests.noise import write_noise

SIDE = 40


@dataclass(frozen=True)
class Trained:
    """folder: a checkpoint of one epoch on `data`, two kinds of noise."""

    folder: Path
    data: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """The toy is in the model table while a module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[str, ModelEntry], MODELS), "toy", TOY)
        data = tmp_path_factory.mktemp("noise")
        write_noise(data, side=SIDE, groups=4, frames=3)
        folder = tmp_path_factory.mktemp("trained") / "run"
        settings = TrainSettings(model="toy", data=str(data), epochs=1, batch_size=8, image_size=SIDE)
        train(settings, folder, threads=1)
        yield Trained(folder, data)
