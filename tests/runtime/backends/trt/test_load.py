"""Loading an engine: what the library says is passed on, and nothing that could run code is switched on."""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.cache import Source
from edgeneuro.runtime.backends.trt.library import Library
from edgeneuro.runtime.backends.trt.load import deserialise, open_runtime
from edgeneuro.runtime.backends.trt.records import BuildSettings, EngineIdentity


class Validity(Enum):
    VALID = 0
    INVALID = 2


class Diagnostics(Enum):
    VERSION_MISMATCH = 1
    UNSUPPORTED_CC = 2
    OLD_CUDA_DRIVER = 4


class Log:
    def __init__(self) -> None:
        self.said: tuple[str, ...] = ("of another engine",)

    def clear(self) -> None:
        self.said = ()

    def errors(self) -> tuple[str, ...]:
        return self.said


class Runtime:
    """answer: what it makes of an engine; None refuses it, and says why."""

    def __init__(self, log: Log, answer: object) -> None:
        self._log, self._answer = log, answer
        self.got = b""

    def deserialize_cuda_engine(self, content: bytes) -> object:
        self.got = content
        if self._answer is None:
            self._log.said = ("plan of version 10.4",)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def library(**module: Any) -> Library:
    return Library("tensorrt-rtx", SimpleNamespace(**module), "1.7.1", Log())


def source(**settings: Any) -> Source:
    identity = EngineIdentity(
        graph="ab" * 32,
        flavour="tensorrt-rtx",
        version="1.7.1",
        platform="linux-x86_64",
        compute_capabilities=("8.6",),
        settings=BuildSettings(**settings),
    )
    return Source(content=b"header and engine", identity=identity, origin="bundle", report=None)


def test_the_librarys_own_words_say_why_an_engine_is_refused() -> None:
    opened = library()
    with pytest.raises(BackendError, match=r"tensorrt-rtx 1\.7\.1: cannot load the engine \(plan of version 10\.4\)"):
        deserialise(source(), b"onnx", Runtime(opened.log, None), opened)


def test_an_exception_of_the_library_is_a_refusal() -> None:
    opened = library()
    with pytest.raises(BackendError, match="no driver"):
        deserialise(source(), b"onnx", Runtime(opened.log, RuntimeError("no driver")), opened)


def test_an_engine_invalid_by_its_header_is_named_so_and_never_loaded() -> None:
    opened = library(EngineValidity=Validity, EngineInvalidityDiagnostics=Diagnostics)
    runtime: Any = Runtime(opened.log, "engine")
    runtime.engine_header_size = 6
    asked: list[bytes] = []

    def validity(header: bytes) -> tuple[Validity, int]:
        asked.append(header)
        return Validity.INVALID, 6

    runtime.get_engine_validity = validity
    with pytest.raises(BackendError, match=r"from the bundle is invalid here \(UNSUPPORTED_CC, OLD_CUDA_DRIVER\)"):
        deserialise(source(), b"onnx", runtime, opened)
    assert (asked, runtime.got) == ([b"header"], b"")


def test_an_engine_for_the_dla_runs_on_the_core_it_was_built_for() -> None:
    opened = library()
    runtime: Any = Runtime(opened.log, "engine")
    assert deserialise(source(dla_core=1), b"onnx", runtime, opened) == "engine"
    assert runtime.DLA_core == 1
    plain: Any = Runtime(opened.log, "engine")
    deserialise(source(), b"onnx", plain, opened)
    assert not hasattr(plain, "DLA_core") and not hasattr(plain, "engine_host_code_allowed")


@pytest.mark.parametrize("works", (True, False))
def test_a_stripped_engine_gets_the_weights_of_its_graph(works: bool) -> None:
    got: list[object] = []

    def refitter(engine: object, log: object) -> object:
        got.append(engine)
        return SimpleNamespace(refit_cuda_engine=lambda: works)

    def parser(made: object, log: object) -> object:
        def refit(model: bytes) -> bool:
            got.append(model)
            return True

        return SimpleNamespace(refit_from_bytes=refit)

    opened = library(Refitter=refitter, OnnxParserRefitter=parser)
    runtime = Runtime(opened.log, "engine")
    if works:
        assert deserialise(source(strip=True), b"onnx", runtime, opened) == "engine"
    else:
        with pytest.raises(BackendError, match="cannot fill the engine"):
            deserialise(source(strip=True), b"onnx", runtime, opened)
    assert got == ["engine", b"onnx"]
    deserialise(source(), b"onnx", runtime, opened)
    assert got == ["engine", b"onnx"]


def test_a_library_that_finds_no_gpu_says_so_in_its_own_words() -> None:
    def refuse(log: Log) -> None:
        log.said = ("CUDA driver version is insufficient",)
        raise TypeError("factory function returned nullptr")

    with pytest.raises(BackendError, match=r"cannot start \(CUDA driver version is insufficient\)"):
        open_runtime(library(Runtime=refuse))
