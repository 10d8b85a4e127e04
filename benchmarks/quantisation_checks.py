"""What a quantised graph does on each runtime: layers in INT8, distance from float, accuracy, accepted or not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.quantisation_graphs import FLOAT, Variant, read_variant
from edgeneuro.errors import EdgeNeuroError
from edgeneuro.manifest import Interval
from edgeneuro.metrics import agreement_interval, drop_interval, mask_scores, mean_of_classes, metric_named, score_drop
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Array

if TYPE_CHECKING:
    from edgeneuro.benchmarks.quantisation_cases import Case

TENSORRT = ("tensorrt", "tensorrt-mixed")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One variant. how: "run" on the runtime itself; "emulated" operator by operator, with UINT8 read as INT8 where
    TensorRT would; "refused" by the runtime, with the reason in `refused`.

    int8_convolutions: read from the runtime's own graph, None where it refuses. error: root mean square of the outputs'
    difference from float ONNX Runtime, relative to their standard deviation. score: of the metric, 0 to 1.
    drop: points lost against float, positive is worse. agreement: share of frames (masks: pixels) with the same class.
    """

    tool: str
    runtime: str
    how: Literal["run", "emulated", "refused"]
    accepted: bool
    refused: str | None = None
    int8_convolutions: int | None = None
    error: float | None = None
    score: float | None = None
    drop: Interval | None = None
    agreement: Interval | None = None


def float_outputs(case: Case, folder: Path, threads: int) -> Array:
    """(frame, ...) outputs of the float graph on ONNX Runtime over the test frames."""
    with closing(open_backend("onnxruntime", (folder / "float.onnx").read_bytes(), threads=threads)) as backend:
        return outputs(backend, case)


def outputs(backend: Backend, case: Case) -> Array:
    """(frame, ...) first output of each test frame, run one at a time."""
    name = backend.outputs[0].name
    return np.concatenate([backend.run(feed)[name] for feed in case.test])


def check(case: Case, variant: Variant, folder: Path, reference: Array, threads: int) -> Check:
    """reference: as `float_outputs` gives them. A runtime's refusal is a result, not an error."""
    model = read_variant(folder, variant)
    accepted, refused, int8 = _accepted(variant.runtime, model)
    how: Literal["run", "emulated"] = "run" if variant.runtime in ("onnxruntime", "openvino") else "emulated"
    got, failed = (None, refused) if how == "run" and not accepted else _outputs(case, variant.runtime, model, threads)
    if got is None:
        return Check(
            tool=variant.tool, runtime=variant.runtime, how="refused", accepted=False, refused=refused or failed
        )
    return Check(
        tool=variant.tool,
        runtime=variant.runtime,
        how=how,
        accepted=accepted,
        refused=refused,
        int8_convolutions=int8,
        error=output_error(got, reference),
        score=score(case, got),
        drop=None if variant.tool == FLOAT else drop(case, reference, got),
        agreement=agreement(case, reference, got),
    )


def output_error(got: Array, expected: Array) -> float:
    """Root mean square of the difference over the standard deviation of `expected`."""
    difference = got.astype(np.float64) - expected
    return float(np.sqrt((difference**2).mean() / expected.astype(np.float64).var()))


def answers(case: Case, values: Array) -> NDArray[np.int64]:
    """Class number of each frame from logits (frame, class), or of each pixel from (frame, 1, height, width)."""
    found: NDArray[np.int64] = (values[:, 0] > 0).astype(np.int64) if case.metric == "dice" else values.argmax(1)
    return found


def score(case: Case, values: Array) -> float:
    """Balanced accuracy, or the mean of the frames' Dice."""
    found = answers(case, values)
    if case.metric == "dice":
        return float(_dice(case, found).mean())
    return metric_named(case.metric)(case.truth, found, case.classes)


def drop(case: Case, reference: Array, values: Array) -> Interval:
    """Points that `values` lose against `reference`, paired frame by frame, with the interval over groups."""
    before, after = answers(case, reference), answers(case, values)
    if case.metric == "dice":
        return score_drop(_dice(case, before), _dice(case, after), case.groups).interval()
    return drop_interval(case.metric, case.truth, before, after, case.groups, case.classes)


def agreement(case: Case, reference: Array, values: Array) -> Interval:
    """Share of frames, or mean over frames of the share of pixels, with the same class."""
    before, after = answers(case, reference), answers(case, values)
    if case.metric != "dice":
        return agreement_interval(before, after, case.groups, case.classes)
    same = (before == after).mean((1, 2))
    lost = score_drop(np.ones(len(same)), same, case.groups).interval()
    return Interval(value=1 - lost.value / 100, low=1 - lost.high / 100, high=min(1.0, 1 - lost.low / 100))


def _dice(case: Case, found: NDArray[np.int64]) -> NDArray[np.float64]:
    scores = [mask_scores(mask, guess, 2).dice for mask, guess in zip(case.truth, found, strict=True)]
    return mean_of_classes(np.stack(scores))


def _accepted(runtime: str, model: bytes) -> tuple[bool, str | None, int | None]:
    """Whether the runtime takes the graph, why not, and how many of its convolutions run in INT8."""
    from edgeneuro.export.census import int8_convolutions, openvino_int8_convolutions
    from edgeneuro.runtime.backends.tensorrt_rtx import build_evidence

    try:
        if runtime in TENSORRT:
            return True, None, build_evidence(model).int8_convolutions
        if runtime == "openvino":
            return True, None, openvino_int8_convolutions(model)
        return True, None, int8_convolutions(model) if runtime == "onnxruntime" else None
    except EdgeNeuroError as error:
        return False, str(error), None


def _outputs(case: Case, runtime: str, model: bytes, threads: int) -> tuple[Array | None, str | None]:
    """Outputs over the test frames, and why there are none."""
    try:
        with closing(_open(runtime, model, threads)) as backend:
            return outputs(backend, case), None
    except EdgeNeuroError as error:
        return None, str(error)


def _open(runtime: str, model: bytes, threads: int) -> Backend:
    import onnx

    from edgeneuro.export.emulate import open_emulated, saturating_uint8

    if runtime in ("onnxruntime", "openvino"):
        return open_backend(runtime, model, threads=threads)
    if runtime in TENSORRT:
        return open_emulated(saturating_uint8(onnx.ModelProto.FromString(model)))
    return open_emulated(model)


def refusals(checks: Sequence[Check]) -> list[str]:
    """One line for every runtime that refuses a tool's graph."""
    return [f"{item.tool} on {item.runtime}: {item.refused}" for item in checks if item.refused]
