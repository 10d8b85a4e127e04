"""The phantom's subjects: what disease changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import numpy as np

from edgeneuro.data.phantom_subject import CLASSES, Subject, draw_subject

SUBJECTS = [draw_subject(0, number) for number in range(400)]


def _mean(diagnosis: str, quantity: Callable[[Subject], float]) -> float:
    return float(np.mean([quantity(subject) for subject in SUBJECTS if subject.diagnosis == diagnosis]))


def test_classes_take_turns() -> None:
    assert [subject.diagnosis for subject in SUBJECTS[:5]] == ["normal", "ibm", "pm", "dm", "normal"]


def test_scanner_settings_do_not_know_the_class() -> None:
    for name in ("gain_db", "side_mm", "dynamic_range_db", "fat_mm"):
        means = np.array([_mean(diagnosis, attrgetter(name)) for diagnosis in CLASSES])
        values = [getattr(subject, name) for subject in SUBJECTS]
        assert np.ptp(means) < 5.0 * np.std(values) / np.sqrt(100)  # five standard errors of a class mean


def test_ibm_hits_one_muscle_and_pm_both() -> None:
    def contrast(subject: Subject) -> float:
        return abs(subject.upper.level_db - subject.lower.level_db)

    assert _mean("ibm", contrast) > 6.0
    assert _mean("pm", contrast) < 3.0
    assert _mean("pm", lambda s: min(s.upper.level_db, s.lower.level_db)) > _mean(
        "normal", lambda s: max(s.upper.level_db, s.lower.level_db)
    )


def test_ibm_strikes_upper_and_lower_muscle_alike_often() -> None:
    upper_first = [s.upper.level_db > s.lower.level_db for s in SUBJECTS if s.diagnosis == "ibm"]
    assert 0.35 < np.mean(upper_first) < 0.65


def test_dm_doubles_the_fascia_and_spares_the_bulk() -> None:
    assert 1.7 < _mean("dm", lambda s: s.fascia_mm) / _mean("normal", lambda s: s.fascia_mm) < 2.4
    thickness = [_mean(diagnosis, lambda s: s.upper.thickness_mm / s.side_mm) for diagnosis in ("dm", "normal", "pm")]
    assert abs(thickness[0] - thickness[1]) < 0.02
    assert thickness[2] < 0.85 * thickness[1]


def test_only_dm_has_a_rim_under_the_fascia() -> None:
    for diagnosis in ("normal", "ibm", "pm"):
        assert _mean(diagnosis, lambda s: s.upper.rim_db) == 0.0
    assert _mean("dm", lambda s: s.upper.rim_db) > 5.0
