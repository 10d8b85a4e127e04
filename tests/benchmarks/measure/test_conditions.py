"""What is recorded of the machine during a run, from made-up counters and from this machine's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeneuro.benchmarks.measure import conditions
from edgeneuro.benchmarks.measure.conditions import Watch
from edgeneuro.benchmarks.power import sensors

HERTZ = os.sysconf("SC_CLK_TCK")
TOTAL = "cpu  9 9 9 9 9 9 9 9 9 9\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of three processors of which this process may use the first two, and no sensors."""
    monkeypatch.setattr(conditions, "PROC", tmp_path)
    monkeypatch.setattr(conditions, "_affinity", lambda: (0, 1))
    for name in ("governor", "power_mode", "temperature_c", "frequency_mhz"):
        monkeypatch.setattr(sensors, name, lambda: None)
    count(tmp_path)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu sse2 avx2\n")
    return tmp_path


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that this process and its children say they have spent; the last of the list."""
    spent = [100.0]
    monkeypatch.setattr(os, "times", lambda: os.times_result((spent[-1] - 3, 1.0, 1.0, 1.0, 0.0)))
    yield spent


def count(proc: Path, *, user: float = 0, idle: float = 0, stolen: float = 0, third: float = 0) -> None:
    """Counters of the first processor in seconds since the start; the second does nothing else than idle as long."""
    ticks = [int(1000 + HERTZ * seconds) for seconds in (user, idle, stolen, third)]
    rows = (
        f"cpu0 {ticks[0]} 7 7 {ticks[1]} 7 7 7 {ticks[2]} 0 0",
        f"cpu1 7 7 7 {int(1000 + HERTZ * (user + idle + stolen))} 7 7 7 7 0 0",
        f"cpu2 {ticks[3]} 7 7 7 7 7 7 7 0 0",
    )
    (proc / "stat").write_text(TOTAL + "\n".join(rows) + "\nintr 1 2 3\n")


def test_background_is_what_others_used_of_the_processors_we_may_use(proc: Path, own: list[float]) -> None:
    with Watch(1) as watch:
        own.append(104.0)
        count(proc, user=6.0, idle=3.0, stolen=1.0, third=10.0)
    found = watch.conditions()
    assert found.background_share == pytest.approx((6.0 - 4.0) / 20.0)
    assert found.steal_share == pytest.approx(1.0 / 20.0)
    assert (found.threads, found.affinity, found.virtual) == (1, (0, 1), False)


def test_alone_on_the_machine_there_is_no_background_though_ticks_are_coarse(proc: Path, own: list[float]) -> None:
    with Watch(None) as watch:
        own.append(104.02)
        count(proc, user=4.0, idle=1.0)
    assert watch.conditions().background_share == 0.0


def test_a_run_may_be_stopped_before_the_context_ends(proc: Path, own: list[float]) -> None:
    with Watch(1) as watch:
        count(proc, user=1.0, idle=1.0)
        watch.stop()
        before = watch.conditions()
        count(proc, user=50.0, idle=1.0)
    assert watch.conditions() == before
    assert before.background_share == pytest.approx(1.0 / 4.0)


def test_counters_that_stand_still_or_are_missing_are_unknown(proc: Path, own: list[float]) -> None:
    with Watch(1) as watch:
        pass
    assert (watch.conditions().background_share, watch.conditions().steal_share) == (None, None)
    (proc / "stat").unlink()
    (proc / "cpuinfo").unlink()
    with Watch(1) as watch:
        pass
    assert (watch.conditions().background_share, watch.conditions().virtual) == (None, None)


def test_a_hypervisor_is_named_and_without_flags_unknown(proc: Path, own: list[float]) -> None:
    for cpuinfo, virtual in (("flags\t\t: fpu hypervisor avx2\n", True), ("Features\t: asimd\n", None)):
        (proc / "cpuinfo").write_text(cpuinfo)
        with Watch(1) as watch:
            pass
        assert watch.conditions().virtual is virtual


def test_sensors_are_read_before_and_after(proc: Path, own: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    degrees = iter((40.0, 71.5))
    monkeypatch.setattr(sensors, "temperature_c", lambda: next(degrees))
    monkeypatch.setattr(sensors, "governor", lambda: "performance")
    with Watch(1) as watch:
        pass
    found = watch.conditions()
    assert (found.before.temperature_c, found.after.temperature_c, found.governor) == (40.0, 71.5, "performance")


def test_this_machine_counts_our_own_work_as_ours() -> None:
    with Watch(1) as watch:
        started = time.process_time()
        while time.process_time() - started < 0.2:
            pass
    found = watch.conditions()
    if found.background_share is None:
        pytest.skip("this machine's /proc/stat counts nothing")
    assert found.affinity and 0.0 <= found.background_share <= 1.0
    assert found.steal_share is not None and 0.0 <= found.steal_share <= 1.0
