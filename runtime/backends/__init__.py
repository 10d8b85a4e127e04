"""Execution libraries behind one shape: a constructor that loads, `run`, `run_many`, `close`, and a row in the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from edgeneuro.errors import BackendError
from edgeneuro.spec import Array, Feed, TensorSpec

if TYPE_CHECKING:
    from edgeneuro.runtime.backends.trt.records import Prebuilt


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One execution library. implementation: "module:Class", named, not imported: a device loads only the library it
    runs. library: the module to import. remedy: what to do where it is missing. gpu: it needs one. reads: other backends
    whose graphs it runs as they are."""

    implementation: str
    library: str
    remedy: str
    gpu: bool = False
    reads: tuple[str, ...] = ()


BACKENDS: Mapping[str, Kind] = {
    "onnxruntime": Kind(
        implementation="edgeneuro.runtime.backends.ort:OrtBackend",
        library="onnxruntime",
        remedy="pip install onnxruntime",
    ),
    "openvino": Kind(
        implementation="edgeneuro.runtime.backends.openvino:OpenVinoBackend",
        library="openvino",
        remedy="pip install 'edgeneuro[openvino]'",
    ),
    "tensorrt": Kind(
        implementation="edgeneuro.runtime.backends.tensorrt:TensorRtBackend",
        library="tensorrt",
        remedy="edgeneuro doctor, which names what this board or driver needs",
        gpu=True,
    ),
    "tensorrt-rtx": Kind(
        implementation="edgeneuro.runtime.backends.tensorrt_rtx:TensorRtRtxBackend",
        library="tensorrt_rtx",
        remedy="edgeneuro doctor, which names what this driver needs",
        gpu=True,
        reads=("tensorrt",),
    ),
}
"""By the name users give."""


def unavailable(name: str) -> str:
    """Why backend `name` cannot run on this machine, with the remedy; "" where it can.

    A library for processors is imported to find out; of one for GPUs it is asked whether it is installed, and whether
    CUDA finds a device.
    """
    kind = BACKENDS[name]
    if kind.gpu:
        if find_spec(kind.library) is None:
            return f"is not installed; run: {kind.remedy}"
        from edgeneuro.runtime.backends.cuda.open import gpu_missing

        return gpu_missing()
    try:
        import_module(kind.library)
    except ImportError:
        return f"is not installed; run: {kind.remedy}"
    return ""


def is_expected(name: str) -> bool:
    """Whether it is worth a word that backend `name` cannot run here: who has not installed a library for GPUs knows that
    none is used."""
    kind = BACKENDS[name]
    return not kind.gpu or find_spec(kind.library) is not None


def library_version(name: str) -> str | None:
    """Of the library behind backend `name`, None where that cannot run here."""
    if unavailable(name):
        return None
    try:
        return version(name)
    except PackageNotFoundError:  # a build of the library under another name
        return str(import_module(BACKENDS[name].library).__version__)


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


def open_backend(
    name: str, model: bytes, *, threads: int | None, streams: int = 1, prebuilt: Prebuilt | None = None
) -> Backend:
    """Load the ONNX bytes `model` with backend `name`.

    threads: to compute with, all streams together; None leaves it to the library (as many as physical cores). streams:
    frames that `run_many` computes at the same time; 1 answers each as soon as possible. prebuilt: an engine made of
    `model` elsewhere, taken where it fits this device; only for backends that need a GPU, to which `threads` mean nothing.
    Raises BackendError: unknown name, library not installed, graph refused, more streams than threads.
    """
    check_known(name)
    if threads is not None and threads < 1:
        raise BackendError(f"backend {name!r}: got {threads} threads, expected at least 1")
    kind = BACKENDS[name]
    free = kind.gpu or threads is None
    if streams < 1 or not (free or streams <= cast(int, threads)):
        limit = "at least 1" if free else f"1 to {threads}, since each needs a thread of its own"
        raise BackendError(f"backend {name!r}: got {streams} streams, expected {limit}")
    module, _, implementation = kind.implementation.partition(":")
    try:
        loaded = getattr(import_module(module), implementation)
    except ImportError as error:
        raise BackendError(f"backend {name!r}: cannot be loaded ({error}); run: {kind.remedy}") from error
    given = {"prebuilt": prebuilt} if kind.gpu else {}
    return cast(Backend, loaded(model, threads=threads, streams=streams, **given))


def check_known(name: str) -> None:
    """Raise BackendError unless there is a backend called `name`."""
    if name not in BACKENDS:
        raise BackendError(
            f"backend {name!r}: is not known here, expected one of {', '.join(BACKENDS)}; "
            "upgrade edgeneuro on this device, or build the engine for a backend it has"
        )
