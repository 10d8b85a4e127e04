"""A batch larger than the engine was built for, in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.trt.tensors import Interface
from edgeneuro.spec import Array

Values = Mapping[str, Array | DeviceArray]


def pieces(feeds: Values, interface: Interface, library: str) -> list[Values]:
    """`feeds` cut along the free leading axis so that every piece fits the engine; uncut where they fit.

    Raises BackendError: batches of different sizes or of none, or outputs that cannot be joined again.
    """
    sizes = {name: value.shape[0] for name, value in feeds.items() if name in interface.batched}
    if interface.max_batch is None or not sizes:
        return [feeds]
    count = next(iter(sizes.values()))
    if count < 1 or any(size != count for size in sizes.values()):
        given = ", ".join(f"{size} of {name!r}" for name, size in sizes.items())
        raise BackendError(f"{library}: got batches of {given}, expected the same number of each, at least 1")
    if count <= interface.max_batch:
        return [feeds]
    whole = [spec.name for spec in interface.outputs if spec.name not in interface.batched]
    if whole:
        raise BackendError(
            f"{library}: got a batch of {count}, expected at most {interface.max_batch}: output {whole[0]!r} has no batch "
            "axis, so that pieces cannot be joined; prepare the engine for larger batches"
        )
    starts = range(0, count, interface.max_batch)
    return [
        {name: _cut(value, start, interface.max_batch) if name in sizes else value for name, value in feeds.items()}
        for start in starts
    ]


def joined(results: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Outputs of all pieces, one after the other."""
    if len(results) == 1:
        return results[0]
    return {name: np.concatenate([result[name] for result in results]) for name in results[0]}


def _cut(value: Array | DeviceArray, start: int, count: int) -> Array | DeviceArray:
    if not isinstance(value, DeviceArray):
        return value[start : start + count]
    row = value.nbytes // value.shape[0]
    shape = (min(count, value.shape[0] - start), *value.shape[1:])
    return DeviceArray(value.address + start * row, shape, value.dtype, value.owner)
