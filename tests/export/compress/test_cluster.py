"""Trials in other processes: a worker that is killed, a search that is interrupted, a cluster that runs already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeneuro.errors import InputError, UsageError
from edgeneuro.export.compress.cluster import open_cluster
from edgeneuro.export.compress.progress import read_progress
from edgeneuro.export.compress.records import Goal, SearchSettings
from edgeneuro.export.compress.study import Found, prepare_folder, search
from tests.export.compress.fake_trials import facts, here, instant, slow, suggest

ONE = SearchSettings(base="base", goal=Goal(macs=0.9), trials=1, epochs=10)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def pids(folder: Path) -> dict[int, int]:
    """Epoch -> process that did it, from the notes of `slow`; an epoch done twice has the later one."""
    path = folder / "trials" / "0" / "pids"
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(epoch): int(pid) for epoch, pid in (line.split() for line in lines)}


def gone(pid: int) -> bool:
    """Whether no such process runs; one that ended and was not waited for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_workers_trial_is_finished_by_another_process_from_where_it_was(tmp_path: Path) -> None:
    prepare_folder(tmp_path, resume=False, force=False)
    found: list[Found] = []

    def whole() -> None:
        found.append(
            search(ONE, tmp_path, cluster=lambda: open_cluster(tmp_path), run=slow, facts=facts, suggest=suggest)
        )

    running = threading.Thread(target=whole)
    running.start()
    until(lambda: 6 in pids(tmp_path))  # in the middle of its seventh epoch
    first = pids(tmp_path)[6]
    assert first != os.getpid()
    os.kill(first, signal.SIGKILL)
    until(lambda: pids(tmp_path)[6] != first)
    (tmp_path / "go").touch()
    running.join(30.0)
    assert found[0].outcomes[0].state == "complete"
    done = pids(tmp_path)
    assert {done[epoch] for epoch in range(6)} == {first}  # and were not done again
    assert {done[epoch] for epoch in range(6, 10)} == {done[6]}
    assert list(read_progress(tmp_path / "trials" / "0")) == list(range(10))
    until(lambda: gone(done[6]))  # the cluster ended with the search


PROGRAM = """
import sys
from pathlib import Path
from edgeneuro.export.compress.cluster import open_cluster
from edgeneuro.export.compress.study import prepare_folder, search
from tests.export.compress.fake_trials import facts, slow, suggest
from tests.export.compress.test_cluster import ONE

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    prepare_folder(folder, resume=True, force=False)
    try:
        search(ONE, folder, cluster=lambda: open_cluster(folder), run=slow, facts=facts, suggest=suggest)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_ctrl_c_ends_the_workers_and_the_search_goes_on_later(tmp_path: Path) -> None:
    folder, program = tmp_path / "search", tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    driver = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    until(lambda: 6 in pids(folder))
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: the driver and its workers
    _, said = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert said == ""
    until(lambda: gone(pids(folder)[6]))
    (folder / "go").touch()
    before = pids(folder)
    found = search(ONE, folder, cluster=here, run=slow, facts=facts, suggest=suggest)
    assert found.outcomes[0].state == "complete"
    assert {epoch: pid for epoch, pid in pids(folder).items() if epoch < 6} == {
        epoch: pid for epoch, pid in before.items() if epoch < 6
    }
    assert pids(folder)[6] == os.getpid()


def test_a_cluster_that_runs_already_is_used_and_left_running(tmp_path: Path) -> None:
    from distributed import LocalCluster

    prepare_folder(tmp_path / "search", resume=False, force=False)
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, local_directory=str(tmp_path)
    ) as there:
        address = there.scheduler_address

        def whole(trials: int) -> Found:
            settings = SearchSettings(base="base", goal=Goal(macs=0.9), trials=trials, epochs=2)
            return search(
                settings,
                tmp_path / "search",
                cluster=lambda: open_cluster(tmp_path / "search", scheduler=address),
                run=instant,
                facts=facts,
                suggest=suggest,
            )

        assert len(whole(2).outcomes) == 2
        assert len(whole(3).outcomes) == 3


def test_workers_of_several_threads_are_refused(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, local_directory=str(tmp_path)
        ) as there,
        pytest.raises(InputError, match=r"has 2 threads, expected 1.*--nthreads 1"),
        open_cluster(tmp_path, scheduler=there.scheduler_address),
    ):
        pass


def test_a_scheduler_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeneuro.runtime.cluster.ANSWER_S", 0.5)
    with (
        pytest.raises(InputError, match=r"tcp://127.0.0.1:9: does not answer"),
        open_cluster(tmp_path, scheduler="tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(UsageError, match="is no address"), open_cluster(tmp_path, scheduler="smoke://signals:1"):
        pass
