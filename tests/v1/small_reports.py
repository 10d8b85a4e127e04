"""A small session, settings that take a second or two, and the report of both, made once a process."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.v1.report.records import Settings
from edgeneuro.v1.report.run import Made, run_steps
from edgeneuro.v1.report.session import Session
from edgeneuro.v1.report.settings import quick


def small_settings() -> Settings:
    """One decoder, one setting of everything."""
    return dataclasses.replace(
        quick(0),
        field_order=19,
        labels=0,
        decoders=("lda",),
        clusters=(2, 4),
        draws=1,
        neighbours=(4, 5),
        bins=(20, 30),
        dimension_trials=60,
        embedded=60,
    )


@cache
def small_session() -> Recording:
    """45 images twice: more groups than are left out one by one."""
    simulated = simulate_session(0, neurons=60, images=45, classes=3, shape=(9, 12), spontaneous=80)
    return simulated.recording


@cache
def small_report() -> Made:
    """Of both."""
    with TemporaryDirectory() as folder:
        return run_steps(Session(small_session(), small_settings()), Path(folder), resume=False)
