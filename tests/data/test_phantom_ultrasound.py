"""The phantom's physics, against what theory says of speckle, beams, attenuation and display."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.data.phantom_anatomy import FAT_ATTENUATION, Anatomy, draw_anatomy
from edgeneuro.data.phantom_subject import PROBES, draw_subject
from edgeneuro.data.phantom_ultrasound import NOMINAL_ATTENUATION, beam_sigma_mm, pulse_sigma_mm, scan
from edgeneuro.spec import Frame

PIXEL_MM = 0.15
PLAIN = replace(
    draw_subject(0, 0),
    probe=PROBES[1],
    gain_db=0.0,
    tgc_error_db=0.0,
    dynamic_range_db=60.0,
    gamma=1.0,
    smoothing_px=0.0,
    focus_mm=15.0,
)


def _block(level_db: float = 0.0, attenuation: float = NOMINAL_ATTENUATION) -> Anatomy:
    shape = (192, 216)
    return Anatomy(
        level_db=np.full(shape, level_db, np.float32),
        mirror_db=np.full(shape, -80.0, np.float32),
        attenuation=np.full(shape, attenuation, np.float32),
    )


def _scan(anatomy: Anatomy, **changes: float) -> Frame:
    return scan(anatomy, replace(PLAIN, **changes), np.random.default_rng(0), pixel_mm=PIXEL_MM, margin=12)  # type: ignore[arg-type]


def test_the_margin_is_cut_off() -> None:
    assert _scan(_block()).shape == (192, 192)


def test_one_more_decibel_of_tissue_is_as_much_grey_as_one_of_gain() -> None:
    brighter, gained = _scan(_block(6.0)), _scan(_block(), gain_db=6.0)
    assert np.abs(brighter.astype(int) - gained).max() <= 2  # electronic noise is amplified by the gain alone
    assert brighter.mean() - _scan(_block()).mean() == pytest.approx(6.0 * 255 / 60.0, rel=0.1)


def test_a_wider_dynamic_range_flattens_speckle() -> None:
    assert _scan(_block(), dynamic_range_db=80.0).std() < 0.8 * _scan(_block(), dynamic_range_db=50.0).std()


def test_log_compressed_speckle_spreads_as_rayleigh_statistics_say() -> None:
    """The level of fully developed speckle has a standard deviation of 5.57 dB (Goodman 2007, section 3.2.3)."""
    grey = np.concatenate([_scan(_block()).astype(float)[40:150]])
    spread_db = grey.std() / 255 * 60.0
    assert 4.0 < spread_db < 6.3  # two samples a pixel are averaged (less), time-gain sliders are uneven (more)


def test_tissue_that_attenuates_more_than_assumed_darkens_with_depth() -> None:
    rows = _scan(_block(attenuation=NOMINAL_ATTENUATION + 0.3)).mean(axis=1) - _scan(_block()).mean(axis=1)
    centimetres = 100 * PIXEL_MM / 10
    expected_db = 2 * 10.0 * 0.3 * centimetres
    assert rows[20:30].mean() - rows[120:130].mean() == pytest.approx(expected_db * 255 / 60, rel=0.1)


def test_speckle_is_widest_far_from_the_focus() -> None:
    depth = np.array([5.0, 15.0, 35.0], np.float32)
    near, focus, far = beam_sigma_mm(PROBES[1], depth, focus_mm=15.0)
    assert focus < near and focus < far
    wavelength_mm = 0.154
    assert focus * 2.355 == pytest.approx(wavelength_mm * 2.8 * (1 + 15 / 80), rel=1e-4)

    grey = _scan(_block(), focus_mm=8.0).astype(float)

    def along(rows: slice) -> float:
        part = grey[rows] - grey[rows].mean(axis=1, keepdims=True)
        return float((part[:, 2:] * part[:, :-2]).mean() / part.var())

    assert along(slice(150, 190)) > along(slice(40, 66)) + 0.1


def test_a_higher_frequency_makes_a_shorter_pulse() -> None:
    sigmas = [pulse_sigma_mm(probe) for probe in PROBES]
    assert sigmas == sorted(sigmas, reverse=True)
    # 10 MHz, 60 %: spectrum sigma 6 / 2.355 = 2.548 MHz, in time 62.5 ns, in depth 1.54 mm/us * 0.0625 us / 2
    assert sigmas[1] == pytest.approx(0.0481, abs=1e-4)


def test_layers_lie_in_order_and_fat_covers_muscle() -> None:
    anatomy = draw_anatomy(PLAIN, np.random.default_rng(1), rows=256, columns=280, pixel_mm=PIXEL_MM)
    assert anatomy.level_db.shape == anatomy.mirror_db.shape == anatomy.attenuation.shape == (256, 280)
    middle = anatomy.attenuation[:, 140]
    met = middle[np.r_[True, np.diff(middle) != 0]].tolist()
    tissues = [FAT_ATTENUATION, PLAIN.upper.attenuation, PLAIN.lower.attenuation, 1.0]
    assert len(met) >= 3 and met == pytest.approx(tissues[: len(met)])
    fat_row, muscle_row = int(2.5 / PIXEL_MM), int((1.8 + PLAIN.fat_mm * 1.15 + 3) / PIXEL_MM)
    assert anatomy.level_db[muscle_row].mean() < anatomy.level_db[fat_row].mean()
