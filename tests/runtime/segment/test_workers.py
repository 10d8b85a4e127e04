"""Chunks made by other processes: one is killed, all are interrupted, a cluster that runs already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import InputError, UsageError
from edgeneuro.runtime.segment.records import Summary
from edgeneuro.runtime.segment.workers import open_workers
from tests.runtime.segment.volumes import Case, write_case

ROOT = Path(__file__).parents[3]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether no such process runs; one that ended and was not waited for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_worker_costs_the_chunk_it_was_at_and_the_mask_is_the_same(case: Case) -> None:
    done: list[Summary] = []

    def whole() -> None:
        with open_workers(workers=2, threads=1) as crew:
            done.append(case.run(workers=crew, chunk=12))

    running = threading.Thread(target=whole)
    running.start()
    until(lambda: len(case.notes()) >= 5)
    before = case.notes()
    killed = next(iter(before.values()))["pid"]
    assert killed != os.getpid()
    os.kill(killed, signal.SIGKILL)
    running.join(120.0)
    after = case.notes()
    assert done[0].chunks == len(after) == 2 * 4 * 5
    assert done[0].resumed == 0
    assert len(before) < len(after)
    assert all(after[chunk] == note for chunk, note in before.items())  # what the dead one had made was not made again
    assert {note["pid"] for note in after.values()} - {killed}
    np.testing.assert_array_equal(case.mask(), case.expected())
    assert done[0].foreground_fraction == case.expected().mean()


def test_ctrl_c_ends_the_workers_with_130_and_the_rest_is_made_later(case: Case) -> None:
    command = [sys.executable, "-m", "edgeneuro", "segment", str(case.volume), "--engine", str(case.engine)]
    command += ["--out", str(case.out), "--chunk", "12", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    until(lambda: len(case.notes()) >= 5)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: the driver and its workers
    _, said = driver.communicate(timeout=60)
    assert (driver.returncode, said) == (130, "interrupted\n")
    before = case.notes()
    assert 5 <= len(before) < 40
    until(lambda: all(gone(note["pid"]) for note in before.values()))
    assert case.run(resume=True, chunk=None).resumed == len(before)
    assert all(case.notes()[chunk] == note for chunk, note in before.items())
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_a_cluster_that_runs_already_is_used_and_left_running(case: Case) -> None:
    from distributed import LocalCluster

    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://", dashboard_address=None
    ) as cluster:
        with open_workers(scheduler=cluster.scheduler_address) as crew:
            assert crew.threads == 1
            case.run(workers=crew)
        assert len(cluster.workers) == 1
        np.testing.assert_array_equal(case.mask(), case.expected())
        case.volume.rename(case.folder / "moved")
        with pytest.raises(InputError, match="no such file"), open_workers(scheduler=cluster.scheduler_address) as crew:
            list(crew.each(os_error_in_words, [(str(case.volume),)]))


def os_error_in_words(path: str) -> None:
    from edgeneuro.runtime.segment.work import count_part

    count_part(path, None, None, ((0, 0, 0), (1, 1, 1)), 0, (0,))


def test_a_cluster_without_workers_is_waited_for_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        open_workers(scheduler=cluster.scheduler_address),
    ):
        assert "has no workers yet; waits for some: dask worker tcp://" in caplog.text


def test_a_scheduler_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeneuro.runtime.cluster.ANSWER_S", 0.5)
    with pytest.raises(InputError, match="does not answer"), open_workers(scheduler="tcp://127.0.0.1:9"):
        pass
    with pytest.raises(UsageError, match="is no address"), open_workers(scheduler="smoke://signals:1"):
        pass


def test_this_machines_processors_are_shared_out() -> None:
    with open_workers() as alone:
        assert alone.threads is None
    with open_workers(threads=3) as alone:
        assert alone.threads == 3
