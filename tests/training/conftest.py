from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeneuro.training.settings import TrainSettings


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
    rng = np.random.default_rng(0)
    rows = ["file,label,group_id"]
    for label, level in (("dark", 60), ("bright", 110)):
        for group in range(5):
            for frame in range(4):
                name = f"{label}-{group}-{frame}.png"
                pixels = np.clip(rng.normal(level, 40, (40, 40)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / name), pixels)
                rows.append(f"{name},{label},{label}-{group}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def tiny(tiny_folder: Path) -> TrainSettings:
    """Five epochs of three batches at 32 px."""
    return TrainSettings(model="myositis", data=str(tiny_folder), epochs=5, batch_size=8, image_size=32)
