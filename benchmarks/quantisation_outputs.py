"""What every graph of the quantisation study answers on the test frames, kept on disk: slow to make, quick to score."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeneuro.benchmarks.quantisation_graphs import Variant, read_variant
from edgeneuro.errors import EdgeNeuroError
from edgeneuro.files import write_bytes
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Array

if TYPE_CHECKING:
    from edgeneuro.benchmarks.quantisation_cases import Case

EMULATED = ("tensorrt", "tensorrt-mixed", "onnxruntime-arm")
"""Runtimes whose device is not here: each node is run to the letter of the file."""
FOLDER = "outputs"
Outputs = dict[Variant, Array]


def all_outputs(
    case: Case, variants: Sequence[Variant], folder: Path, *, threads: int, progress: Callable[[str], None]
) -> Outputs:
    """Variant -> (frame, ...) outputs, read from `folder`/outputs or made and kept there; without those that cannot
    run. Progress is told what is made."""
    found: Outputs = {}
    for variant in variants:
        path = folder / FOLDER / f"{variant.tool}.{variant.runtime}.npy".replace(" ", "-")
        if not path.exists():
            progress(f"{case.name}: running {variant.tool} on {variant.runtime}")
            write_bytes(path, _array_bytes(_outputs(case, variant.runtime, read_variant(folder, variant), threads)))
        values = np.load(path, allow_pickle=False)
        if len(values):
            found[variant] = values
    return found


def output_error(got: Array, expected: Array) -> float:
    """Root mean square of the difference over the standard deviation of `expected`."""
    difference = got.astype(np.float64) - expected
    return float(np.sqrt((difference**2).mean() / expected.astype(np.float64).var()))


def _outputs(case: Case, runtime: str, model: bytes, threads: int) -> Array:
    """(frame, ...) first output of each test frame, run one at a time; no frames where the runtime refuses."""
    try:
        with closing(_open(runtime, model, threads)) as backend:
            name = backend.outputs[0].name
            return np.concatenate([backend.run(feed)[name] for feed in case.test])
    except EdgeNeuroError:
        return np.zeros(0, np.float32)


def _open(runtime: str, model: bytes, threads: int) -> Backend:
    import onnx

    from edgeneuro.export.emulate import open_emulated, saturating_uint8

    if runtime not in EMULATED:
        return open_backend(runtime, model, threads=threads)
    if runtime.startswith("tensorrt"):
        return open_emulated(saturating_uint8(onnx.ModelProto.FromString(model)))
    return open_emulated(model)


def _array_bytes(values: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
