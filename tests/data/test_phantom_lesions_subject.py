"""The phantom's lesions: what tells the classes apart, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import numpy as np
import pytest

from edgeneuro.data.phantom_lesions_subject import CLASSES, Findings, draw_lesion

LESIONS = [draw_lesion(0, number) for number in range(700)]
"""A hundred a class: a share of 0.5 has a standard error of 0.05."""


def _share(diagnosis: str, has: Callable[[Findings], float]) -> float:
    """Of the lesions of a class that have a finding."""
    return float(np.mean([has(lesion.findings) > 0 for lesion in LESIONS if lesion.diagnosis == diagnosis]))


def _mean(diagnosis: str, name: str) -> float:
    quantity = attrgetter(name)
    return float(np.mean([quantity(lesion) for lesion in LESIONS if lesion.diagnosis == diagnosis]))


def test_classes_take_turns() -> None:
    assert [lesion.diagnosis for lesion in LESIONS[:8]] == [*CLASSES, CLASSES[0]]


@pytest.mark.parametrize("name", ["skin_melanin", "skin_blood", "sun_damage", "hairs", "side_mm", "camera.noise"])
def test_skin_hair_and_camera_do_not_know_the_class(name: str) -> None:
    means = [_mean(diagnosis, name) for diagnosis in CLASSES]
    spread = np.std([attrgetter(name)(lesion) for lesion in LESIONS])
    assert np.ptp(means) < 6.0 * spread / np.sqrt(100)  # six standard errors of a class mean


@pytest.mark.parametrize(
    ("finding", "classes"),
    [
        ("network", {"bkl", "df", "mel", "nv"}),
        ("trees", {"bcc"}),
        ("lacunae", {"vasc"}),
        ("follicles", {"akiec"}),
        ("streaks", {"mel"}),
        ("veil", {"mel", "vasc"}),
        ("scar", {"bcc", "df", "mel", "vasc"}),
        ("globules", {"bcc", "mel", "nv"}),
        ("cysts", {"bkl", "nv"}),
        ("scale", {"akiec", "bkl", "vasc"}),
        ("dotted", {"akiec", "df", "mel"}),
        ("ulcer", {"bcc"}),
    ],
)
def test_a_finding_occurs_in_these_classes_and_in_none_of_them_always(finding: str, classes: set[str]) -> None:
    shares = {diagnosis: _share(diagnosis, attrgetter(finding)) for diagnosis in CLASSES}
    assert {diagnosis for diagnosis, share in shares.items() if share > 0} == classes
    assert max(shares.values()) < 0.95


@pytest.mark.parametrize(
    ("diagnosis", "finding", "published"),
    [
        ("df", "network", 0.718),  # Zaballos 2008
        ("df", "scar", 0.570),
        ("df", "dotted", 0.306),
        ("akiec", "follicles", 0.6 * 0.95),  # Zalaudek 2006, of the 60 % drawn as of the face
        ("akiec", "dotted", 0.4 * 0.90),  # Zalaudek 2004, of the others
        ("bkl", "cysts", 0.65 * 135 / 203),  # Braun 2002, of the 65 % drawn as seborrhoeic keratosis
        ("bkl", "openings", 0.65 * 144 / 203),
        ("bkl", "network", 0.46),
    ],
)
def test_findings_are_as_frequent_as_published(diagnosis: str, finding: str, published: float) -> None:
    assert abs(_share(diagnosis, attrgetter(finding)) - published) < 0.15  # three standard errors of a hundred lesions


@pytest.mark.parametrize("name", ["irregularity", "notches", "mottle", "lopsided", "diameter_mm"])
def test_melanomas_exceed_naevi_in_what_the_abcd_rule_counts_but_overlap_with_them(name: str) -> None:
    melanoma, naevus = (
        np.array([getattr(lesion.findings, name) for lesion in LESIONS if lesion.diagnosis == diagnosis])
        for diagnosis in ("mel", "nv")
    )
    assert melanoma.mean() > 1.2 * naevus.mean()
    assert melanoma.min() < naevus.max()
