"""Who is scanned, and with what: the four classes of the muscle-ultrasound phantom as distributions.

Levels are in dB of backscatter; 0 dB is subcutaneous fat. Directions of change follow the literature named
in docs/phantom.md; every number here that is not marked with a source is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

CLASSES = ("normal", "ibm", "pm", "dm")

Diagnosis = Literal["normal", "ibm", "pm", "dm"]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A linear array. frequency_mhz: centre. bandwidth: fractional, at -6 dB. f_number: focus / aperture."""

    name: str
    frequency_mhz: float
    bandwidth: float
    f_number: float


PROBES = (
    Probe(name="linear-7", frequency_mhz=7.5, bandwidth=0.55, f_number=2.6),
    Probe(name="linear-10", frequency_mhz=10.0, bandwidth=0.60, f_number=2.8),
    Probe(name="linear-13", frequency_mhz=13.0, bandwidth=0.65, f_number=3.0),
)


@dataclass(frozen=True, kw_only=True)
class Muscle:
    """One muscle of a subject.

    thickness_mm: at rest, atrophy included. level_db: mean backscatter. patch_db: standard deviation of
    slow variation inside the muscle; patch_mm: its scale. rim_db: extra level right under the upper fascia,
    fading over rim_mm. striation_db: how far perimysium rises above the fibres. fascicle_mm: distance between
    perimysial septa. pennation_deg: of the fascicles against the upper fascia. attenuation: dB / cm / MHz.
    """

    thickness_mm: float
    level_db: float
    patch_db: float
    patch_mm: float
    rim_db: float
    rim_mm: float
    striation_db: float
    fascicle_mm: float
    pennation_deg: float
    attenuation: float


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What all frames of one simulated person share.

    fascia_mm, fascia_db: thickness and level of the fasciae. septa_db: level of the septa in the fat above the fat
    itself. side_mm: edge of the square field of view. gain_db, tgc_error_db, dynamic_range_db, gamma: how the
    scanner is set (gamma: of the grey map). smoothing_px: speckle reduction of the scanner.
    """

    diagnosis: Diagnosis
    probe: Probe
    fat_mm: float
    septa_db: float
    fascia_mm: float
    fascia_db: float
    upper: Muscle
    lower: Muscle
    side_mm: float
    focus_mm: float
    gain_db: float
    tgc_error_db: float
    dynamic_range_db: float
    gamma: float
    smoothing_px: float


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What disease does to one muscle, relative to a healthy one."""

    level_db: float = 0.0
    patch_db: float = 0.0
    rim_db: float = 0.0
    thickness: float = 1.0
    striation: float = 1.0
    fascicle: float = 1.0
    attenuation: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Disease:
    """What disease does to a subject: both muscles, the fasciae and the fat."""

    upper: _Change = _Change()
    lower: _Change = _Change()
    fascia_thickness: float = 1.0
    fascia_db: float = 0.0
    septa_db: float = 0.0


def draw_subject(seed: int, number: int) -> Subject:
    """Subject `number` of the phantom with this seed; class `CLASSES[number % 4]`, all else independent of it."""
    rng = np.random.default_rng([seed, number, 0])
    diagnosis: Diagnosis = ("normal", "ibm", "pm", "dm")[number % 4]
    disease = _draw_disease(diagnosis, rng)
    age_db = float(rng.normal(0.0, 1.2))  # muscle grows brighter with age: Arts et al. 2010
    side_mm = float(rng.uniform(30.0, 46.0))
    return Subject(
        diagnosis=diagnosis,
        probe=PROBES[int(rng.integers(len(PROBES)))],
        fat_mm=float(np.clip(rng.lognormal(np.log(5.0), 0.4), 2.0, 11.0)),
        septa_db=float(rng.uniform(6.0, 11.0)) + disease.septa_db,
        fascia_mm=float(rng.uniform(0.4, 0.75)) * disease.fascia_thickness,
        fascia_db=float(rng.uniform(13.0, 19.0)) + disease.fascia_db,
        upper=_draw_muscle(rng, disease.upper, age_db, thickness_mm=side_mm * rng.uniform(0.28, 0.46), sign=1.0),
        lower=_draw_muscle(rng, disease.lower, age_db, thickness_mm=side_mm * rng.uniform(0.28, 0.50), sign=-1.0),
        side_mm=side_mm,
        focus_mm=side_mm * float(rng.uniform(0.3, 0.6)),
        gain_db=float(rng.normal(0.0, 5.0)),
        tgc_error_db=float(rng.normal(0.0, 3.0)),
        dynamic_range_db=float(rng.uniform(50.0, 76.0)),
        gamma=float(rng.uniform(0.85, 1.25)),
        smoothing_px=float(rng.uniform(0.0, 0.8)),
    )


def _draw_muscle(
    rng: np.random.Generator, change: _Change, age_db: float, *, thickness_mm: float, sign: float
) -> Muscle:
    return Muscle(
        thickness_mm=float(thickness_mm) * change.thickness,
        level_db=-11.0 + age_db + float(rng.normal(0.0, 1.0)) + change.level_db,
        patch_db=float(rng.uniform(0.5, 1.5)) + change.patch_db,
        patch_mm=float(rng.uniform(3.5, 6.5)),
        rim_db=change.rim_db,
        rim_mm=float(rng.uniform(3.0, 5.5)),
        striation_db=float(rng.uniform(9.0, 13.0)) * change.striation,
        fascicle_mm=float(rng.uniform(1.2, 2.2)) * change.fascicle,
        pennation_deg=sign * float(rng.uniform(4.0, 24.0)),  # medial gastrocnemius at rest, about 10 to 25 degrees
        attenuation=0.62 + float(rng.normal(0.0, 0.03)) + change.attenuation,
    )


def _draw_disease(diagnosis: Diagnosis, rng: np.random.Generator) -> _Disease:
    """Changes of one subject, scaled by a severity between mild (0.45) and severe (1.3)."""
    severity = float(np.clip(rng.normal(0.95, 0.2), 0.45, 1.3))
    lower_first = bool(rng.random() < 0.5)
    if diagnosis == "ibm":
        hit = _Change(
            level_db=12.0 * severity,
            patch_db=4.5 * severity,
            thickness=1.0 - 0.4 * severity,
            striation=1.0 - 0.75 * severity,
            attenuation=0.12 * severity,
        )
        spared = _Change(level_db=1.0 * severity, striation=1.0 - 0.15 * severity)
        upper, lower = (spared, hit) if lower_first else (hit, spared)
        return _Disease(upper=upper, lower=lower, fascia_db=-3.0 * severity)
    if diagnosis == "pm":
        both = _Change(
            level_db=9.0 * severity,
            patch_db=0.3 * severity,
            thickness=1.0 - 0.28 * severity,
            striation=1.0 - 0.6 * severity,
            attenuation=0.06 * severity,
        )
        return _Disease(upper=both, lower=both, fascia_db=-1.5 * severity)
    if diagnosis == "dm":
        upper = _Change(level_db=2.0 * severity, rim_db=13.0 * severity, patch_db=1.0 * severity, fascicle=1.25)
        lower = _Change(level_db=1.0 * severity, rim_db=9.0 * severity, fascicle=1.25)
        return _Disease(upper=upper, lower=lower, fascia_thickness=1.0 + 1.1 * severity, septa_db=3.0 * severity)
    return _Disease()
