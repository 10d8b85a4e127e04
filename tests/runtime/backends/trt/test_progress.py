"""The library's progress as lines, and the end of a build that nobody waits for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edgeneuro.runtime.backends.trt import progress
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.progress import Monitor, make_monitor
from tests.fakes.use import TensorRt, fake_gpu


def test_a_phase_is_told_with_the_one_it_belongs_to_and_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL_S", 0.0)
    told: list[str] = []
    monitor = Monitor(told.append)
    monitor.phase_start("Building engine", None, 2)
    monitor.phase_start("Timing tactics", "Building engine", 3)
    assert monitor.step_complete("Timing tactics", 0)
    monitor.phase_finish("Timing tactics")
    assert monitor.step_complete("Building engine", 1)
    assert told == [
        "Building engine",
        "Building engine: Timing tactics",
        "Timing tactics: 1 of 3",
        "Building engine: 2 of 2",
    ]


def test_thousands_of_steps_are_not_thousands_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(now) / 1000)
    told: list[str] = []
    monitor = Monitor(told.append)
    monitor.phase_start("Timing tactics", None, 4000)
    for step in range(4000):
        monitor.step_complete("Timing tactics", step)
    assert 3 <= len(told) <= 5


def test_the_build_is_given_up_once_its_reader_is_gone() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    monitor = Monitor(gone)
    assert monitor.step_complete("Building engine", 0) is False
    monitor.phase_start("Timing tactics", None, 1)
    assert monitor.step_complete("Timing tactics", 0) is False


@pytest.mark.parametrize("version", ["10.3.0", "10.16.1", "11.4.0"])
def test_every_version_takes_the_monitor_as_its_own(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    library = open_library("tensorrt")
    config: Any = library.module.Builder(library.log).create_builder_config()
    config.progress_monitor = make_monitor(library, lambda line: None)
    assert isinstance(config.progress_monitor, library.module.IProgressMonitor)
