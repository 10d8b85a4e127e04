from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from edgeneuro.training.settings import TrainSettings
from tests.noise import write_noise


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise, dark and bright, 5 groups each, 4 frames a group, 40 px."""
    folder = tmp_path_factory.mktemp("tiny")
    write_noise(folder, side=40, groups=5, frames=4)
    return folder


@pytest.fixture
def tiny(tiny_folder: Path) -> TrainSettings:
    """Five epochs of three batches at 32 px."""
    return TrainSettings(model="myositis", data=str(tiny_folder), epochs=5, batch_size=8, image_size=32)
