"""Execution libraries behind one shape: a constructor that loads, `run`, `close`, and a row in the table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from edgeneuro.errors import BackendError
from edgeneuro.spec import Array, TensorSpec

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "edgeneuro.runtime.backends.ort:OrtBackend",
    "openvino": "edgeneuro.runtime.backends.openvino:OpenVinoBackend",
}
"""Name -> "module:Class". Named, not imported: a device loads only the library it runs."""

REMEDIES: Mapping[str, str] = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": "pip install 'edgeneuro[openvino]'",
}
"""What to do where the library behind a backend is missing."""


@cache
def is_installed(name: str) -> bool:
    """Whether the library behind backend `name` can be imported; imports it."""
    try:
        import_module(BACKENDS[name].partition(":")[0])
    except ImportError:
        return False
    return True


class Backend(Protocol):
    """A loaded graph. The constructor takes (model: bytes, *, threads: int | None) and raises BackendError."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name. Raises BackendError when the library refuses, or after `close`."""
        ...

    def close(self) -> None:
        """Release the graph's memory; a second call does nothing."""
        ...


def open_backend(name: str, model: bytes, *, threads: int | None) -> Backend:
    """Load the ONNX bytes `model` with backend `name`.

    threads: for one operator; None leaves it to the library (as many as physical cores).
    Raises BackendError: unknown name, library not installed, graph refused.
    """
    if name not in BACKENDS:
        raise BackendError(
            f"backend {name!r}: is not known here, expected one of {', '.join(BACKENDS)}; "
            "upgrade edgeneuro on this device, or build the engine for a backend it has"
        )
    if threads is not None and threads < 1:
        raise BackendError(f"backend {name!r}: got {threads} threads, expected at least 1")
    module, _, kind = BACKENDS[name].partition(":")
    try:
        loaded = getattr(import_module(module), kind)
    except ImportError as error:
        raise BackendError(f"backend {name!r}: cannot be loaded ({error}); run: {REMEDIES[name]}") from error
    return cast(Backend, loaded(model, threads=threads))
