"""Inputs and outputs of a loaded engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.spec import TensorSpec

_NUMPY_NAMES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}
"""DataType's names; BF16, FP8, INT4 and FP4 have no numpy type."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """max_batch: frames at once, None where no input's leading axis is free. batched: names of the inputs and outputs
    whose leading axis is."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: frozenset[str]
    max_batch: int | None


def read_interface(engine: Any, module: Any, library: str) -> Interface:
    """Of an ICudaEngine, by the first optimisation profile.

    module: tensorrt or tensorrt_rtx. library: its name and version, for messages.
    Raises BackendError: elements without a numpy type, or a tensor that must lie in host memory.
    """
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
        if engine.get_tensor_location(name) != module.TensorLocation.DEVICE:
            raise BackendError(
                f"{library}: tensor {name!r} holds a shape and must lie in host memory, expected plain data; "
                "export the graph with its sizes as constants"
            )
        (inputs if is_input else outputs).append(_spec(engine, name, library))
    batched = frozenset(spec.name for spec in (*inputs, *outputs) if spec.shape[:1] == (-1,))
    limits = [_largest_batch(engine, spec.name) for spec in inputs if spec.name in batched]
    return Interface(
        inputs=tuple(inputs), outputs=tuple(outputs), batched=batched, max_batch=min(limits) if limits else None
    )


def _largest_batch(engine: Any, name: str) -> int:
    _, _, largest = engine.get_tensor_profile_shape(name, 0)
    return int(largest[0])


def _spec(engine: Any, name: str, library: str) -> TensorSpec:
    kind = engine.get_tensor_dtype(name).name
    if kind not in _NUMPY_NAMES:
        raise BackendError(
            f"{library}: tensor {name!r} holds {kind} elements, which numpy does not know, "
            f"expected one of {', '.join(_NUMPY_NAMES)}; end the graph with a Cast"
        )
    shape = tuple(int(size) for size in engine.get_tensor_shape(name))
    return TensorSpec(
        name=name,
        shape=shape,
        axes=tuple("batch" if axis == 0 and size == -1 else f"axis {axis}" for axis, size in enumerate(shape)),
        dtype=np.dtype(_NUMPY_NAMES[kind]).name,
        unit="unknown",
    )
