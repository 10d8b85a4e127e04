"""Execution libraries behind one shape: a constructor that loads, `run`, `run_many`, `close`, and a row in the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, cast

from edgeneuro.errors import BackendError
from edgeneuro.spec import Array, Feed, TensorSpec

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


def library_version(name: str) -> str | None:
    """Of the library behind backend `name`, None where it is not installed."""
    if not is_installed(name):
        return None
    try:
        return version(name)
    except PackageNotFoundError:  # a build of the library under another name
        return str(import_module(name).__version__)


class Backend(Protocol):
    """A loaded graph. The constructor takes (model: bytes, *, threads: int | None, streams: int = 1) and raises
    BackendError."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Feed) -> dict[str, Array]:
        """Every output by name, in memory of the caller's. Raises BackendError when the library refuses, or after
        `close`."""
        ...

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """What `run` gives for each of `feeds`, in their order, while up to `streams` of them are computed.

        At most `streams` feeds are taken ahead of the results; their arrays must stay as they are until their result has
        come. Raises BackendError in the place of the frame that failed; no result follows it.
        """
        ...

    def close(self) -> None:
        """Release the graph's memory; a second call does nothing."""
        ...


def open_backend(name: str, model: bytes, *, threads: int | None, streams: int = 1) -> Backend:
    """Load the ONNX bytes `model` with backend `name`.

    threads: to compute with, all streams together; None leaves it to the library (as many as physical cores). streams:
    frames that `run_many` computes at the same time; 1 answers each as soon as possible.
    Raises BackendError: unknown name, library not installed, graph refused, more streams than threads.
    """
    check_known(name)
    if threads is not None and threads < 1:
        raise BackendError(f"backend {name!r}: got {threads} threads, expected at least 1")
    if streams < 1 or (threads is not None and streams > threads):
        limit = "at least 1" if threads is None else f"1 to {threads}, since each needs a thread of its own"
        raise BackendError(f"backend {name!r}: got {streams} streams, expected {limit}")
    module, _, kind = BACKENDS[name].partition(":")
    try:
        loaded = getattr(import_module(module), kind)
    except ImportError as error:
        raise BackendError(f"backend {name!r}: cannot be loaded ({error}); run: {REMEDIES[name]}") from error
    return cast(Backend, loaded(model, threads=threads, streams=streams))


def check_known(name: str) -> None:
    """Raise BackendError unless there is a backend called `name`."""
    if name not in BACKENDS:
        raise BackendError(
            f"backend {name!r}: is not known here, expected one of {', '.join(BACKENDS)}; "
            "upgrade edgeneuro on this device, or build the engine for a backend it has"
        )
