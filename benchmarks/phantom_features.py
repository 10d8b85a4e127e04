"""Single numbers one could measure on a muscle-ultrasound frame without knowing its anatomy."""

from __future__ import annotations

import numpy as np

from edgeneuro.spec import Float32, Frame

GLCM_DISTANCES_PX = (1, 3, 8)
GLCM_LEVELS = 32


def frame_features(frame: Frame) -> dict[str, float]:
    """Named single numbers of one (height, width) uint8 frame: grey levels, co-occurrence, edges, texture, layout."""
    grey = frame.astype(np.float32)
    return {**_grey_levels(frame), **_co_occurrence(frame), **_edges(grey), **_texture(frame), **_layout(grey)}


def _grey_levels(frame: Frame) -> dict[str, float]:
    values = frame.astype(np.float64).ravel()
    mean, std = float(values.mean()), float(values.std())
    z = (values - mean) / max(std, 1e-6)
    share = np.bincount(frame.ravel(), minlength=256) / frame.size
    entropy = -float(np.sum(share[share > 0] * np.log2(share[share > 0])))
    percentiles = {f"percentile {p}": float(np.percentile(values, p)) for p in (5, 25, 50, 75, 95)}
    return {
        "mean": mean,
        "standard deviation": std,
        "coefficient of variation": std / max(mean, 1.0),
        "skewness": float(np.mean(z**3)),
        "kurtosis": float(np.mean(z**4)),
        "entropy": entropy,
        "share above 200": float(share[200:].sum()),
        **percentiles,
    }


def _co_occurrence(frame: Frame) -> dict[str, float]:
    """Haralick features, horizontally and vertically, on GLCM_LEVELS grey levels."""
    from skimage.feature import graycomatrix, graycoprops

    coarse = (frame // (256 // GLCM_LEVELS)).astype(np.uint8)
    angles = (0.0, np.pi / 2)
    matrix = graycomatrix(  # type: ignore[no-untyped-call]
        coarse, GLCM_DISTANCES_PX, angles, levels=GLCM_LEVELS, symmetric=True, normed=True
    )
    features = {}
    for name in ("contrast", "correlation", "energy", "homogeneity"):
        values = graycoprops(matrix, name)  # type: ignore[no-untyped-call]
        for i, distance in enumerate(GLCM_DISTANCES_PX):
            features[f"GLCM {name} {distance} px horizontal"] = float(values[i, 0])
            features[f"GLCM {name} {distance} px vertical"] = float(values[i, 1])
    return features


def _edges(grey: Float32) -> dict[str, float]:
    down, along = np.diff(grey, axis=0), np.diff(grey, axis=1)
    energy_down, energy_along = float(np.mean(down**2)), float(np.mean(along**2))
    return {
        "gradient energy": energy_down + energy_along,
        "gradient energy vertical / horizontal": energy_down / max(energy_along, 1e-6),
    }


def _texture(frame: Frame) -> dict[str, float]:
    from skimage.feature import local_binary_pattern

    features: dict[str, float] = {}
    for radius in (1, 3):
        codes = local_binary_pattern(frame, 8, radius, "uniform")  # type: ignore[no-untyped-call]
        share = np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size
        features[f"LBP uniformity radius {radius}"] = float(1.0 - share[9])
        features[f"LBP entropy radius {radius}"] = -float(np.sum(share * np.log2(np.maximum(share, 1e-12))))
    grey = frame.astype(np.float32) - np.float32(frame.mean())
    features["autocorrelation length vertical"] = _correlation_length(grey)
    features["autocorrelation length horizontal"] = _correlation_length(grey.T)
    return features


def _correlation_length(grey: Float32) -> float:
    """Pixels along axis 0 until the autocorrelation falls to one half, linear between pixels."""
    power = np.abs(np.fft.rfft(grey, n=2 * grey.shape[0], axis=0)) ** 2
    correlation = np.fft.irfft(power.mean(axis=1))[: grey.shape[0]]
    below = np.flatnonzero(correlation < 0.5 * correlation[0])
    if below.size == 0:  # a constant frame
        return float(grey.shape[0])
    i = int(below[0])
    return float(i - (0.5 * correlation[0] - correlation[i]) / (correlation[i - 1] - correlation[i]))


def _layout(grey: Float32) -> dict[str, float]:
    """Where the brightness is, without knowing the anatomy."""
    rows = grey.mean(axis=1)
    half, third = rows.size // 2, rows.size // 3
    depth = np.arange(rows.size) / rows.size
    return {
        "lower / upper half intensity": float(rows[half:].mean() / max(rows[:half].mean(), 1.0)),
        "middle / upper third intensity": float(rows[third : 2 * third].mean() / max(rows[:third].mean(), 1.0)),
        "lower / middle third intensity": float(rows[2 * third :].mean() / max(rows[third : 2 * third].mean(), 1.0)),
        "mean of the middle": float(grey[64:192, 64:192].mean()),
        "depth of the brightest row": float(rows.argmax() / rows.size),
        "centre of brightness in depth": float(np.sum(rows * depth) / max(rows.sum(), 1.0)),
        "slope of brightness with depth": float(np.polyfit(depth, rows, 1)[0]),
    }
