"""From what a user has, a frame or arrays, to the network's inputs: one way for calibration and for the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeneuro.errors import FrameError, ShapeError
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Feed, Item, TensorSpec


def make_feed(inputs: Sequence[TensorSpec], preprocess: Preprocess | None, item: Item) -> Feed:
    """The inputs of one inference. preprocess: None where the network takes arrays.

    Raises FrameError for what is no frame, ShapeError for arrays that do not fit.
    """
    if preprocess is None:
        return array_feed(inputs, item)
    if isinstance(item, Mapping):
        raise FrameError(f"frame: got arrays {', '.join(item)}, expected one image; this network takes frames")
    return {inputs[0].name: preprocess(item)[None]}


def array_feed(inputs: Sequence[TensorSpec], item: Item) -> Feed:
    """One array an input, under the input's name; the leading axis may be left out where it is a batch of 1.

    item: a single array feeds the only input. Element types are converted where no kind of number is lost: float64 to
    float32 and int32 to int64, never float to whole numbers. Raises ShapeError.
    """
    arrays: Mapping[str, Array] = item if isinstance(item, Mapping) else {inputs[0].name: item}
    names = [spec.name for spec in inputs]
    if set(arrays) != set(names):
        raise ShapeError(
            f"arrays: got {', '.join(arrays) or 'none'}, expected {', '.join(names)}; name them so in the .npz"
        )
    return {spec.name: _fitted(arrays[spec.name], spec) for spec in inputs}


def _fitted(array: Array, spec: TensorSpec) -> Array:
    if array.ndim == len(spec.shape) - 1 and spec.shape[0] in (-1, 1):
        array = array[None]
    if array.dtype != spec.dtype and np.can_cast(array.dtype, spec.dtype, "same_kind"):
        array = array.astype(spec.dtype)
    spec.check(array)
    if spec.shape and spec.shape[0] == -1 and len(array) != 1:
        raise ShapeError(f"tensor {spec.name!r}: got {len(array)} samples, expected 1; save one sample a file")
    return array
