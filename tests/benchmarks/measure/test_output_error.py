"""The output error, added up frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.benchmarks.measure.output_error import OutputErrors, check_outputs
from edgeneuro.benchmarks.quantisation_outputs import output_error
from edgeneuro.errors import ShapeError


def test_it_is_the_error_over_all_frames_at_once() -> None:
    rng = np.random.default_rng(0)
    expected = rng.normal(1e3, 0.5, (7, 2, 3)).astype(np.float32)  # a mean far from zero, where sums of squares cancel
    found = expected + rng.normal(0.0, 0.1, expected.shape).astype(np.float32)
    errors = OutputErrors(["y"])
    for one, other in zip(expected, found, strict=True):
        errors.add({"y": one}, {"int8": {"y": other}, "same": {"y": one}})
    assert errors.of("int8") == pytest.approx(output_error(found, expected), rel=1e-9)
    assert errors.of("same") == 0.0


def test_of_several_outputs_it_is_the_worst_each_by_its_own_spread() -> None:
    small, large = np.array([0.0, 2.0]), np.array([0.0, 2000.0])
    errors = OutputErrors(["small", "large"])
    errors.add({"small": small, "large": large}, {"row": {"small": small + 0.5, "large": large + 1.0}})
    assert errors.of("row") == pytest.approx(0.5)


def test_it_is_unknown_where_the_reference_never_changes_or_is_not_finite() -> None:
    constant = OutputErrors(["y"])
    constant.add({"y": np.ones(3)}, {"row": {"y": np.zeros(3)}})
    assert constant.of("row") is None
    broken = OutputErrors(["x", "y"])
    broken.add({"x": np.arange(3.0), "y": np.arange(3.0)}, {"row": {"x": np.zeros(3), "y": np.full(3, np.nan)}})
    assert broken.of("row") is None


def test_an_output_of_another_shape_is_refused_before_it_is_broadcast() -> None:
    expected = {"y": np.zeros((1, 3))}
    check_outputs("rival", {"y": np.zeros((1, 3))}, expected, ["y"])
    with pytest.raises(
        ShapeError, match=r"rival: gives 'y' of shape \(1, 1\), expected \(1, 3\) as the float row does"
    ):
        check_outputs("rival", {"y": np.zeros((1, 1))}, expected, ["y"])
    with pytest.raises(ShapeError, match="rival: gives z, expected y"):
        check_outputs("rival", {"z": np.zeros((1, 3))}, expected, ["y"])
