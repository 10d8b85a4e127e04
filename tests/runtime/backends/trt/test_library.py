"""A TensorRT is opened with its one logger, or refused with what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.library import ERROR, INFO, WARNING, Said, messages, open_library
from tests.fakes.use import TensorRt, fake_gpu

VERSIONS: tuple[TensorRt, ...] = ("10.3.0", "10.16.1", "11.4.0")


def refused_when_importing_raises(error: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`error`: an expression that a module named tensorrt raises while it is imported."""
    package = folder / "tensorrt"
    package.mkdir()
    (package / "__init__.py").write_text(f"raise {error}\n")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(BackendError) as caught:
        open_library("tensorrt")
    return str(caught.value)


def test_a_missing_tensorrt_names_its_remedy_also_for_jetpack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        BackendError, match=r"^tensorrt: is not installed; run: edgeneuro doctor.*--system-site-packages"
    ):
        open_library("tensorrt")


def test_a_missing_tensorrt_rtx_names_its_remedy_and_no_jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(BackendError, match="is not installed; run: edgeneuro doctor") as caught:
        open_library("tensorrt-rtx")
    assert "JetPack" not in str(caught.value)


@pytest.mark.parametrize("kind", ["ImportError", "OSError"])
def test_a_missing_shared_library_is_named_with_what_holds_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = f"{kind}('libnvinfer.so.10: cannot open shared object file: No such file or directory')"
    said = refused_when_importing_raises(error, tmp_path, monkeypatch)
    assert "its shared library libnvinfer.so.10 is missing" in said
    assert "_libs" in said
    assert "3.10 on JetPack 6" in said


def test_a_missing_driver_is_told_from_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = "ImportError('libcuda.so.1: cannot open shared object file: No such file or directory')"
    said = refused_when_importing_raises(error, tmp_path, monkeypatch)
    assert "install the driver" in said
    assert "_libs" not in said


def test_any_other_reason_is_given_with_both_ways_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused_when_importing_raises("ModuleNotFoundError('no bindings', name='bindings')", tmp_path, monkeypatch)
    assert "cannot be imported (no bindings); run `edgeneuro doctor`" in said


@pytest.mark.parametrize("version", VERSIONS)
def test_a_library_is_opened_once_and_keeps_its_logger(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt=version)
    library = open_library("tensorrt")
    assert library.name.startswith(f"tensorrt {version}")
    assert isinstance(library.log, library.module.ILogger)
    assert open_library("tensorrt") is library


def test_another_module_gets_a_logger_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", rtx="1.7.1")
    assert open_library("tensorrt").log is not open_library("tensorrt-rtx").log


def test_members_are_asked_for_and_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "NetworkDefinitionCreationFlag"
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    old = open_library("tensorrt")
    assert old.member(kind, "EXPLICIT_BATCH") == old.module.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    fake_gpu(monkeypatch, tensorrt="11.4.0")
    new = open_library("tensorrt")
    assert new.member(kind, "EXPLICIT_BATCH") is None
    assert new.member("ComputeCapability", "SM86") is None
    assert new.member(kind, "STRONGLY_TYPED") is not None


def test_the_log_keeps_errors_until_cleared_and_tells_all_to_a_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    library = open_library("tensorrt")
    severity = library.module.ILogger.Severity
    library.log.clear()
    library.log.log(severity.ERROR, "before ")
    with library.log.listening() as heard:
        library.log.log(severity.INFO, "by the way")
        library.log.log(severity.ERROR, "it failed")
        library.log.log(severity.ERROR, "it failed")
    library.log.log(severity.WARNING, "after")
    assert heard == [Said(INFO, "by the way"), Said(ERROR, "it failed"), Said(ERROR, "it failed")]
    assert messages(heard, ERROR, WARNING) == ("it failed",)
    assert library.log.errors() == ("before", "it failed")
    library.log.clear()
    assert library.log.errors() == ()


def test_a_log_that_nobody_clears_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    library = open_library("tensorrt")
    for number in range(1000):
        library.log.log(library.module.ILogger.Severity.ERROR, str(number))
    assert library.log.errors()[-1] == "999"
    assert len(library.log.errors()) < 1000
    library.log.clear()
