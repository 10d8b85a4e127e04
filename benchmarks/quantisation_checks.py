"""Which runtimes take a quantised graph, and how many of its convolutions they run in INT8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeneuro.benchmarks.quantisation_graphs import Variant, read_variant
from edgeneuro.errors import BackendError


@dataclass(frozen=True, kw_only=True)
class Check:
    """One graph on one runtime. accepted: without a warning that it will be computed wrongly. builds: with or without.
    refused: the reason, in the runtime's words. int8_convolutions: read from the runtime's own graph, None where it
    builds none."""

    tool: str
    runtime: str
    accepted: bool
    builds: bool
    refused: str | None = None
    int8_convolutions: int | None = None


@dataclass(frozen=True, kw_only=True)
class Checks:
    """All of one network."""

    found: tuple[Check, ...]


def check_all(variants: Sequence[Variant], folder: Path) -> Checks:
    """A runtime's refusal is a result, not an error."""
    return Checks(found=tuple(_check(variant, read_variant(folder, variant)) for variant in variants))


def _check(variant: Variant, model: bytes) -> Check:
    found = Check(tool=variant.tool, runtime=variant.runtime, accepted=True, builds=True)
    try:
        return replace(found, int8_convolutions=_int8(variant.runtime, model))
    except BackendError as error:
        found = replace(found, accepted=False, refused=str(error))
    try:
        return replace(found, int8_convolutions=_int8(variant.runtime, model, uint8_is_error=False))
    except BackendError:
        return replace(found, builds=False)


def _int8(runtime: str, model: bytes, *, uint8_is_error: bool = True) -> int | None:
    """None for ONNX Runtime on ARM, whose own graph nobody here can read. Raises BackendError."""
    from edgeneuro.export.census import int8_convolutions, openvino_int8_convolutions
    from edgeneuro.runtime.backends.trt import builder

    if runtime.startswith("tensorrt"):
        layers = builder.evidence(model, uint8_is_error=uint8_is_error).layers
        return None if layers is None else layers.int8_convolutions
    if runtime == "openvino":
        return openvino_int8_convolutions(model)
    return int8_convolutions(model) if runtime == "onnxruntime" else None
