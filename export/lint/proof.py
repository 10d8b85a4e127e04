"""Output error of a Q/DQ graph against the float graph underneath, with one target's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import onnx

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BackendError, ModelFileError
from edgeneuro.export.emulate import open_emulated, saturating_uint8
from edgeneuro.export.forms import Form
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.targets import open_checked, runs_here
from edgeneuro.spec import Array, Feed

FRAMES = 8
FREE_SIZE = 64
"""What an axis of free size gets, behind the batch."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """error: root mean square of the outputs' difference from float, relative to the float outputs' standard deviation;
    None where the target does not run the graph. note: how it was run, or why it was not."""

    error: float | None
    note: str


def prove(
    before: onnx.ModelProto, after: onnx.ModelProto, exact: onnx.ModelProto, ranges: Mapping[str, Range], form: Form
) -> tuple[Measured, Measured]:
    """How far two Q/DQ graphs are from `exact`, the float graph under both, on the same seeded inputs.

    ranges: those of the inputs, by name, as far as they are quantised.
    """
    feeds = seeded_feeds(exact, ranges)
    try:
        with closing(open_emulated(exact)) as backend:
            expected = stacked_outputs(backend, feeds)
    except BackendError as error:
        unknown = Measured(error=None, note=f"not run: the float graph itself fails ({error})")
        return unknown, unknown
    return measure(before, expected, feeds, form), measure(after, expected, feeds, form)


def seeded_feeds(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> list[Feed]:
    """Made-up inputs for a float graph: noise over the range each input was quantised with, whole numbers 0."""
    rng = np.random.default_rng(20240901)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    return [{item.name: _noise(item, ranges.get(item.name), rng) for item in inputs} for _ in range(FRAMES)]


def _noise(item: onnx.ValueInfoProto, limits: Range | None, rng: np.random.Generator) -> Array:
    kind = item.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    sizes = [dim.dim_value or (FREE_SIZE if axis else 1) for axis, dim in enumerate(kind.shape.dim)]
    if dtype.kind != "f":
        return np.zeros(sizes, dtype)
    values = rng.standard_normal(sizes)
    if limits is not None:  # three standard deviations fill the range, a few values fall outside and are cut off
        values = (limits.low + limits.high) / 2 + values * (limits.high - limits.low) / 6
    return values.astype(dtype)


def measure(model: onnx.ModelProto, expected: Mapping[str, Array], feeds: Sequence[Feed], form: Form) -> Measured:
    """How far `model` is from `expected`, the float graph's outputs for `feeds`.

    On the target's own runtime where this machine has it, else emulated to the letter of its Q/DQ; for TensorRT, UINT8
    is read as INT8 as TensorRT does.
    """
    here = runs_here(form)
    note = f"run on {form.backend}" if here else "emulated"
    try:
        if form.backend == "tensorrt" and not here:
            model, note = saturating_uint8(model), "emulated, UINT8 read as INT8"
        with closing(open_checked(form, model.SerializeToString())) as backend:
            return Measured(error=relative_error(stacked_outputs(backend, feeds), expected), note=note)
    except (BackendError, ModelFileError, onnx.checker.ValidationError) as error:
        return Measured(error=None, note=f"not run: {error}")
