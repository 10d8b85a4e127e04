"""Which CUDA library is taken, and what is said where none works."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda import cudart
from edgeneuro.runtime.backends.cuda.open import gpu_missing, open_cuda
from tests.fakes.use import CudaLibrary, fake_gpu, no_gpu
from tests.runtime.backends.cuda.libraries import LIBRARIES, faked


def needs_no_gpu() -> None:
    if not gpu_missing("cuda-python"):
        pytest.skip("a GPU answers here")


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_library_that_is_there_is_taken(library: CudaLibrary) -> None:
    with faked(library):
        assert gpu_missing() == ""
        cuda = open_cuda()
        assert cuda.name == library
        cuda.close()


def test_of_both_libraries_cuda_python_is_taken_unless_the_other_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    from edgeneuro.runtime.backends.cuda import open as opening

    table = {
        name: library._replace(load=lambda name=name: loaded.append(name), open=lambda device, name=name: name)  # type: ignore[misc]
        for name, library in opening.LIBRARIES.items()
    }
    monkeypatch.setattr(opening, "LIBRARIES", table)
    monkeypatch.delenv("EDGENEURO_CUDA", raising=False)
    assert str(open_cuda()) == "cuda-python"
    assert str(open_cuda("pycuda")) == "pycuda"
    monkeypatch.setenv("EDGENEURO_CUDA", "pycuda")
    assert str(open_cuda()) == "pycuda"
    assert str(open_cuda("cuda-python")) == "cuda-python"
    assert loaded == ["cuda-python", "pycuda", "pycuda", "cuda-python"]


def test_an_unknown_library_is_refused_and_where_it_was_named_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="got the library 'cupy', expected one of cuda-python, pycuda"):
        open_cuda("cupy")
    monkeypatch.setenv("EDGENEURO_CUDA", "cupy")
    words = r"got the library 'cupy' in \$EDGENEURO_CUDA, expected one of cuda-python, pycuda"
    with pytest.raises(BackendError, match=words):
        open_cuda()
    assert "'cupy' in $EDGENEURO_CUDA" in gpu_missing()


def test_without_any_library_both_remedies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    reason = gpu_missing()
    assert "cuda-python cannot be imported" in reason
    assert "pip install 'edgeneuro[cuda]' (JetPack 6: pip install 'cuda-bindings<13')" in reason
    assert "pip install 'edgeneuro[pycuda]'" in reason
    with pytest.raises(BackendError, match=r"^CUDA: cuda-python cannot be imported"):
        open_cuda()


def test_a_library_that_is_missing_is_not_replaced_by_the_other_when_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, cuda="cuda-python")
    with pytest.raises(BackendError, match=r"^CUDA: pycuda cannot be imported .*docs/cuda.md"):
        open_cuda("pycuda")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_driver_without_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch, library: CudaLibrary) -> None:
    no_gpu(monkeypatch, cuda=library)
    reason = gpu_missing()
    assert reason.startswith(f"{library} ")
    assert "finds no GPU" in reason
    assert "CUDA_VISIBLE_DEVICES" in reason
    with pytest.raises(BackendError, match="finds no GPU"):
        open_cuda()


def test_pycuda_that_finds_no_driver_to_load_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, cuda="pycuda")
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.delattr("pycuda.driver")
    assert "cannot be loaded" in gpu_missing()
    assert "install the NVIDIA driver, or build pycuda again" in gpu_missing()


def test_a_driver_older_than_the_library_is_told_with_the_version_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, cuda="cuda-python", driver=12060, runtime=13050)
    runtime, _ = cudart.load()
    too_old = runtime.cudaError_t.cudaErrorInsufficientDriver
    monkeypatch.setattr(runtime, "cudaGetDeviceCount", lambda: (too_old, None))
    reason = gpu_missing()
    assert "needs CUDA 13.5, but the driver serves 12.6 (cudaErrorInsufficientDriver" in reason
    assert "pip install 'cuda-bindings<13'" in reason


def test_versions_before_13_raise_where_the_drivers_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As cuda-bindings 11.8.7 and 12.8.0 were seen to do."""
    fake_gpu(monkeypatch, cuda="cuda-python")
    runtime, _ = cudart.load()

    def missing() -> None:
        raise RuntimeError("Failed to dlopen libcuda.so.1")

    monkeypatch.setattr(runtime, "cudaGetDeviceCount", missing)
    assert "finds no NVIDIA driver (Failed to dlopen libcuda.so.1); install it" in gpu_missing()


def test_the_name_of_versions_up_to_12_5_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, cuda="cuda-python")
    runtime, _ = cudart.load()
    old = type(sys)("cuda")
    old.__dict__.update(__version__="12.2.1", cudart=runtime)
    monkeypatch.setitem(sys.modules, "cuda", old)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    cuda = open_cuda()
    with pytest.raises(BackendError, match=r"^cuda-python 12\.2\.1: got 0 bytes"):
        cuda.allocate(0)
    cuda.close()


def test_the_real_cuda_python_without_a_driver_is_refused_in_one_sentence() -> None:
    pytest.importorskip("cuda.bindings.runtime")
    needs_no_gpu()
    with pytest.raises(
        BackendError, match=r"^cuda-python \d+\.\d+\.\d+: finds no (NVIDIA driver|GPU) \(.*\); "
    ) as refusal:
        open_cuda("cuda-python")
    assert "\n" not in str(refusal.value)
    assert gpu_missing("cuda-python") == str(refusal.value)


def test_asking_for_a_gpu_imports_neither_torch_nor_tensorrt() -> None:
    code = (
        "import sys; from edgeneuro.runtime.backends.cuda.open import gpu_missing; gpu_missing(); "
        "print(sorted({'torch', 'tensorrt', 'tensorrt_rtx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
