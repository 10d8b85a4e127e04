"""Scales and zero points, on numbers checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.calibration.ranges import Range, quantize_weights, unsigned_parameters, weight_scales


def test_unsigned_parameters_put_zero_on_a_step() -> None:
    scale, zero_point = unsigned_parameters(Range(-1.0, 1.55))
    assert float(scale) == pytest.approx(0.01)
    assert int(zero_point) == 100


def test_a_positive_range_starts_at_zero() -> None:
    scale, zero_point = unsigned_parameters(Range(3.0, 5.1))
    assert float(scale) == pytest.approx(0.02)
    assert int(zero_point) == 0


def test_a_tensor_that_was_always_zero_gets_a_usable_scale() -> None:
    assert [float(value) for value in unsigned_parameters(Range(0.0, 0.0))] == [1.0, 0.0]


def test_weights_are_scaled_by_output_channel() -> None:
    weights = np.array([[1.27, -0.635], [0.0, 0.0]], np.float32)
    scales = weight_scales(weights, 127)
    assert scales.tolist() == pytest.approx([0.01, 1.0])
    assert quantize_weights(weights, scales, 127).tolist() in ([[127, -64], [0, 0]], [[127, -63], [0, 0]])


def test_weights_never_reach_minus_128() -> None:
    weights = np.array([[-1.0, 0.5]], np.float32)
    assert quantize_weights(weights, weight_scales(weights, 127), 127).min() == -127
