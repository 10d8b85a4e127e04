"""Tensors that cross a border are what their specification says."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.errors import ShapeError
from edgeneuro.spec import Array, TensorSpec

IMAGE = TensorSpec(
    name="image",
    shape=(-1, 1, 32, 48),
    axes=("batch", "channel", "height", "width"),
    dtype="float32",
    unit="grey value",
)


@pytest.mark.parametrize("batch", [0, 1, 7])
def test_any_size_fits_where_the_specification_leaves_it_open(batch: int) -> None:
    IMAGE.check(np.zeros((batch, 1, 32, 48), np.float32))


@pytest.mark.parametrize("shape", [(1, 1, 48, 32), (1, 3, 32, 48), (1, 32, 48), (1, 1, 1, 32, 48), ()])
def test_another_shape_is_refused_with_both_shapes_and_the_names_of_the_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as refused:
        IMAGE.check(np.zeros(shape, np.float32))
    assert str(refused.value) == f"tensor 'image': got shape {shape}, expected (batch, channel 1, height 32, width 48)"


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "bool", ">f4"])
def test_other_elements_are_refused_with_the_cast_to_try(dtype: str) -> None:
    value: Array = np.zeros((1, 1, 32, 48), dtype)
    with pytest.raises(
        ShapeError, match=rf"got elements of {value.dtype}, expected float32; use \.astype\('float32'\)"
    ):
        IMAGE.check(value)


def test_a_number_without_axes_can_be_specified() -> None:
    TensorSpec(name="scale", shape=(), axes=(), dtype="float32", unit="1").check(np.array(2.0, np.float32))


def test_an_element_type_that_numpy_does_not_know_fits_nothing() -> None:
    odd = TensorSpec(name="text", shape=(-1,), axes=("word",), dtype="string", unit="none")
    with pytest.raises(ShapeError, match="got elements of float32, expected string"):
        odd.check(np.zeros(3, np.float32))


def test_as_many_axes_as_sizes_are_demanded() -> None:
    with pytest.raises(ShapeError, match="tensor 'x': has 1 axes for 2 sizes, expected as many"):
        TensorSpec(name="x", shape=(-1, 2), axes=("batch",), dtype="float32", unit="none")
