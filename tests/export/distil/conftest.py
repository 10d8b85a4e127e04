"""What the tests of distillation share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeneuro.export.source import FloatModel, load_source
from tests.export.distil.toys import in_the_table, train_toy, write_noise, write_onnx


@pytest.fixture(scope="session", autouse=True)
def toys() -> Iterator[None]:
    with in_the_table():
        yield


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    write_noise(folder)
    return folder


@pytest.fixture(scope="session")
def teacher(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of `large`."""
    return train_toy("large", noise, tmp_path_factory.mktemp("teacher") / "run")


@pytest.fixture(scope="session")
def loaded(teacher: Path) -> FloatModel:
    """Its graph, exported once."""
    return load_source(str(teacher))


@pytest.fixture(scope="session")
def foreign(loaded: FloatModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as a bare .onnx file."""
    return write_onnx(loaded.graph, tmp_path_factory.mktemp("foreign") / "somebodys.onnx")
