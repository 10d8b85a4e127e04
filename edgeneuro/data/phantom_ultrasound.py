"""From tissue to a B-mode picture: pulse, beam, attenuation, time-gain compensation, envelope, log compression.

The radio-frequency line of a linear array is modelled in baseband. Its analytic signal is the scatterers, each
with its phase exp(-2ikz), convolved with a Gaussian axially (the pulse) and laterally (the beam, whose width
depends on depth); the envelope is its magnitude. That is what demodulating a Gaussian-modulated cosine gives, at
a fraction of the samples (Ng et al. 2006, IEEE T-UFFC 53(3); Jensen 1991, JASA 89(1) for the linear model).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.phantom_anatomy import Anatomy, smooth_noise
from edgeneuro.data.phantom_subject import Probe, Subject
from edgeneuro.spec import Float32, Frame

SPEED_MM_PER_US = 1.54  # soft tissue, as every scanner assumes
AXIAL_OVERSAMPLING = 2
FAT_GREY = 0.5  # where fat lies between black and white at 0 dB gain
NOISE_DB = -80.0  # electronic noise at the skin; time-gain compensation lifts it with depth
NOMINAL_ATTENUATION = 0.58  # dB / cm / MHz, what time-gain compensation assumes


def pulse_sigma_mm(probe: Probe) -> float:
    """Standard deviation of the pulse's envelope in depth: a Gaussian spectrum of width bandwidth * frequency at -6 dB."""
    spectrum_mhz = probe.bandwidth * probe.frequency_mhz / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    return float(SPEED_MM_PER_US / (4.0 * np.pi * spectrum_mhz))


def beam_sigma_mm(probe: Probe, depth_mm: Float32, focus_mm: float) -> Float32:
    """Lateral standard deviation of the pulse-echo beam at each depth: diffraction-limited at the focus.

    Full width at half maximum wavelength * f_number at the focus, growing as a hyperbola away from it, and slowly
    with depth as the receive aperture runs out.
    """
    wavelength_mm = SPEED_MM_PER_US / probe.frequency_mhz
    waist_mm = wavelength_mm * probe.f_number
    rayleigh_mm = 8.0 * waist_mm * probe.f_number
    width = waist_mm * np.sqrt(1.0 + np.square((depth_mm - focus_mm) / rayleigh_mm)) * (1.0 + depth_mm / 80.0)
    return np.asarray(width / 2.355, np.float32)


def scan(anatomy: Anatomy, subject: Subject, rng: np.random.Generator, *, pixel_mm: float, margin: int) -> Frame:
    """The B-mode picture of `anatomy` as `subject`'s scanner shows it.

    margin: columns on either side that are simulated (the beam reaches into them) and cut off.
    Returns (row, column - 2 margin) uint8.
    """
    gain_db = subject.gain_db + float(rng.normal(0.0, 3.0))
    loss_db = _depth_gain_db(anatomy, subject, rng, pixel_mm)
    echoes = _scatter(anatomy, loss_db, subject.probe, rng, pixel_mm)
    signal = _blur(echoes, subject, pixel_mm)[:, margin:-margin]
    signal = signal + _electronic_noise(signal.shape, subject.probe, rng, pixel_mm)
    level_db = 20.0 * np.log10(np.abs(signal) + np.float32(1e-6)) + np.float32(gain_db)
    return _display(level_db.astype(np.float32), subject)


def _depth_gain_db(anatomy: Anatomy, subject: Subject, rng: np.random.Generator, pixel_mm: float) -> Float32:
    """What attenuation takes and time-gain compensation gives back, with an operator's error; (row, column) dB."""
    rows = anatomy.attenuation.shape[0]
    round_trip = 2.0 * subject.probe.frequency_mhz * pixel_mm / 10.0
    uncompensated = np.cumsum(anatomy.attenuation - np.float32(NOMINAL_ATTENUATION), axis=0) * np.float32(round_trip)
    slope = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None] * np.float32(subject.tgc_error_db)
    sliders = smooth_noise(rng, rows, 1, rows / 5.0, 1.0) * np.float32(1.2)
    result: Float32 = slope + sliders - uncompensated
    return result


def _scatter(
    anatomy: Anatomy, loss_db: Float32, probe: Probe, rng: np.random.Generator, pixel_mm: float
) -> NDArray[np.complex64]:
    """Complex echo strength on a grid finer in depth: many random scatterers a cell; interfaces are half in phase."""
    rows, columns = anatomy.level_db.shape
    size = (columns, rows * AXIAL_OVERSAMPLING)
    diffuse = cv2.resize(_amplitude(anatomy.level_db + loss_db), size, interpolation=cv2.INTER_LINEAR)
    mirror = cv2.resize(_amplitude(anatomy.mirror_db + loss_db), size, interpolation=cv2.INTER_LINEAR)
    noise = rng.standard_normal((size[1], columns, 2), dtype=np.float32).view(np.complex64)[:, :, 0]
    echoes: NDArray[np.complex64] = noise * (diffuse + np.float32(0.35) * mirror) + np.float32(0.35) * mirror
    return echoes


def _amplitude(level_db: Float32) -> Float32:
    return np.asarray(np.exp(level_db * np.float32(np.log(10.0) / 20.0)), np.float32)


def _blur(echoes: NDArray[np.complex64], subject: Subject, pixel_mm: float) -> NDArray[np.complex64]:
    """Convolve with pulse and beam; unit mean power for unit diffuse scatterers at every depth."""
    step_mm = pixel_mm / AXIAL_OVERSAMPLING
    depth = (np.arange(echoes.shape[0], dtype=np.float32) + 0.5) * np.float32(step_mm)
    pulse = _unit_power(np.asarray(cv2.getGaussianKernel(9, pulse_sigma_mm(subject.probe) / step_mm)[:, 0], np.float64))
    axial = cv2.sepFilter2D(echoes.view(np.float32).reshape(*echoes.shape, 2), -1, np.ones(1), pulse)
    sigma = beam_sigma_mm(subject.probe, depth, subject.focus_mm) / np.float32(pixel_mm)
    frequency = np.fft.fftfreq(echoes.shape[1]).astype(np.float32)
    beam = np.exp(np.float32(-2.0 * np.pi**2) * np.square(sigma[:, None] * frequency[None, :]))
    beam /= np.sqrt(np.mean(np.square(beam), axis=1, keepdims=True))
    spectrum = np.fft.fft(axial.view(np.complex64)[:, :, 0], axis=1)
    return np.fft.ifft(spectrum * beam, axis=1).astype(np.complex64)


def _unit_power(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(kernel / np.sqrt(np.square(kernel).sum()), np.float64)


def _electronic_noise(
    shape: tuple[int, ...], probe: Probe, rng: np.random.Generator, pixel_mm: float
) -> NDArray[np.complex64]:
    rows, columns = shape[0] // AXIAL_OVERSAMPLING, shape[1]
    depth_cm = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(pixel_mm / 10.0)
    level = _amplitude(np.float32(NOISE_DB) + np.float32(2.0 * probe.frequency_mhz * NOMINAL_ATTENUATION) * depth_cm)
    noise = rng.standard_normal((rows, columns, 2), dtype=np.float32).view(np.complex64)[:, :, 0]
    noise *= level[:, None]
    return np.repeat(noise, AXIAL_OVERSAMPLING, axis=0)


def _display(level_db: Float32, subject: Subject) -> Frame:
    """Log-compressed level to grey: dynamic range, grey map, speckle reduction, one row a pixel."""
    grey = np.clip(level_db / np.float32(subject.dynamic_range_db) + np.float32(FAT_GREY), 0.0, 1.0)
    grey = cv2.resize(grey, (grey.shape[1], grey.shape[0] // AXIAL_OVERSAMPLING), interpolation=cv2.INTER_AREA)
    if subject.smoothing_px > 0.3:
        grey = cv2.GaussianBlur(grey, (5, 5), subject.smoothing_px)
    return np.asarray(np.rint(255.0 * np.power(grey, np.float32(subject.gamma))), np.uint8)
