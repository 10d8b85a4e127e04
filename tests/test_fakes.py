"""The fakes are held to what the real libraries have: a call to a removed API fails, and so does a wrong argument."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.fakes.guard import LISTS, listing
from tests.fakes.introspect import KEYS, describe, signature
from tests.fakes.use import TensorRt, fake_gpu, no_gpu

TENSORRTS: tuple[TensorRt, ...] = ("10.3.0", "10.16.1", "11.4.0")
REMOVED_IN_11 = (
    ("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH"),
    ("BuilderFlag", "INT8"),
    ("BuilderFlag", "FP16"),
    ("BuilderFlag", "OBEY_PRECISION_CONSTRAINTS"),
    ("IBuilderConfig", "int8_calibrator"),
    ("IBuilderConfig", "set_calibration_profile"),
    ("IBuilderConfig", "set_quantization_flag"),
    ("Builder", "platform_has_fast_int8"),
    ("Builder", "platform_has_fast_fp16"),
    ("ICudaEngine", "device_memory_size"),
    ("ITensor", "dynamic_range"),
)
REMOVED_IN_10 = (
    ("ICudaEngine", "num_bindings"),
    ("ICudaEngine", "get_binding_shape"),
    ("IExecutionContext", "execute_async_v2"),
    ("Builder", "build_engine"),
)


def tensorrt(monkeypatch: pytest.MonkeyPatch, version: TensorRt) -> Any:
    fake_gpu(monkeypatch, tensorrt=version)
    return importlib.import_module("tensorrt")


@pytest.mark.parametrize(("owner", "name"), REMOVED_IN_11)
def test_what_11_removed_is_there_in_10_3_alone(owner: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(getattr(tensorrt(monkeypatch, "10.3.0"), owner), name)
    with pytest.raises(AttributeError, match=name):
        getattr(getattr(tensorrt(monkeypatch, "11.4.0"), owner), name)


@pytest.mark.parametrize(("owner", "name"), REMOVED_IN_10)
@pytest.mark.parametrize("version", TENSORRTS)
def test_what_10_removed_is_nowhere(version: TensorRt, owner: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(getattr(tensorrt(monkeypatch, version), owner), name)


@pytest.mark.parametrize("version", TENSORRTS)
def test_objects_have_no_more_than_their_class(version: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    trt = tensorrt(monkeypatch, version)
    config = trt.Builder(trt.Logger()).create_builder_config()
    assert hasattr(config, "int8_calibrator") == (version != "11.4.0")
    with pytest.raises(AttributeError, match="int9_calibrator"):
        config.int9_calibrator = None
    with pytest.raises(AttributeError, match="no setter"):
        config.num_optimization_profiles = 2


def test_flags_have_the_numbers_of_their_version(monkeypatch: pytest.MonkeyPatch) -> None:
    strong = {v: int(tensorrt(monkeypatch, v).NetworkDefinitionCreationFlag.STRONGLY_TYPED) for v in TENSORRTS}
    listed = {
        v: listing(f"tensorrt-{v}")["enums"]["NetworkDefinitionCreationFlag"]["STRONGLY_TYPED"] for v in TENSORRTS
    }
    assert strong == listed
    assert strong["10.3.0"] == 1


def test_arguments_are_checked_by_number_name_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    trt = tensorrt(monkeypatch, "10.3.0")
    builder = trt.Builder(trt.Logger())
    config, network = builder.create_builder_config(), builder.create_network()
    with pytest.raises(TypeError, match=r"takes \(network: INetworkDefinition, config: IBuilderConfig\)"):
        builder.build_serialized_network(network)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        builder.create_network(flag=0)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        config.set_flag(3)
    config.set_flag(flag=trt.BuilderFlag.REFIT)
    assert config.get_flag(trt.BuilderFlag.REFIT)


def test_what_the_fake_does_not_do_says_so_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    trt = tensorrt(monkeypatch, "11.4.0")
    builder = trt.Builder(trt.Logger())
    with pytest.raises(NotImplementedError, match=r"does not do INetworkDefinition\.add_loop"):
        builder.create_network().add_loop()
    config = builder.create_builder_config()
    assert hasattr(config, "l2_limit_for_tiling")  # as a probe by attribute finds it in the library
    with pytest.raises(NotImplementedError, match=r"does not do IBuilderConfig\.l2_limit_for_tiling"):
        int(config.l2_limit_for_tiling)


def test_a_logger_that_forgets_its_base_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trt = tensorrt(monkeypatch, "10.3.0")

    class Forgetful(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match=r"ILogger\.__init__\(\) must be called"):
        Forgetful()


def test_cuda_functions_check_names_and_answer_with_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch)
    cudart = importlib.import_module("cuda.bindings.runtime")
    status, address = cudart.cudaMalloc(size=16)
    assert (int(status), address > 0) == (0, True)
    assert cudart.cudaMalloc(0) == (cudart.cudaError_t.cudaErrorInvalidValue, None)
    with pytest.raises(TypeError, match=r"takes \(size\)"):
        cudart.cudaMalloc(nbytes=16)
    with pytest.raises(TypeError, match="cudaMemcpyKind"):
        cudart.cudaMemcpyAsync(address, address, 16, 3, 0)  # cuda-python 12 wants the enumeration
    with pytest.raises(NotImplementedError, match="does not do cudaMallocManaged"):
        cudart.cudaMallocManaged(16, 1)
    with pytest.raises(AttributeError):
        _ = cudart.cudaThreadSynchronize


def test_only_the_chosen_libraries_can_be_imported_here_and_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0", cuda="pycuda")
    for absent in ("tensorrt_rtx", "cuda"):
        assert importlib.util.find_spec(absent) is None
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(absent)
    script = (
        "import pycuda.driver, tensorrt; print(tensorrt.__version__)\n"
        "for absent in ('tensorrt_rtx', 'cuda'):\n"
        "    try: __import__(absent)\n"
        "    except ModuleNotFoundError as error: print(error.name)"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["10.3.0", "tensorrt_rtx", "cuda"]


def test_the_real_modules_are_back_after_the_test() -> None:
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] in ("cuda", "tensorrt_rtx")}
    with pytest.MonkeyPatch.context() as patch:
        fake_gpu(patch, rtx="1.7.1")
        assert "fakes" in str(importlib.import_module("tensorrt_rtx").__file__)
    after = {name: module for name, module in sys.modules.items() if name.split(".")[0] in ("cuda", "tensorrt_rtx")}
    assert after == before


def test_without_a_gpu_each_library_says_so_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch, tensorrt="11.4.0")
    cudart, trt = importlib.import_module("cuda.bindings.runtime"), importlib.import_module("tensorrt")
    assert cudart.cudaGetDeviceCount() == (cudart.cudaError_t.cudaErrorNoDevice, None)
    with pytest.raises(TypeError, match="factory function returned nullptr"):
        trt.Builder(trt.Logger())
    no_gpu(monkeypatch, cuda="pycuda", error="cudaErrorInsufficientDriver")
    with pytest.raises(ImportError, match="libcuda"):
        importlib.import_module("pycuda.driver")


@pytest.mark.parametrize(
    ("module", "name"), [("tensorrt_rtx", "tensorrt_rtx-1.7.1"), ("cuda.bindings.runtime", "cuda-runtime-13.5.0")]
)
def test_lists_match_the_libraries_that_are_installed(module: str, name: str) -> None:
    package = module.removesuffix(".runtime")
    if importlib.util.find_spec(package.split(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    version = importlib.import_module(package).__version__
    if version != listing(name)["version"]:
        pytest.skip(f"{module} {version} is installed, the list is of {listing(name)['version']}")
    live = json.loads(json.dumps(describe(importlib.import_module(module), "")))
    for key in KEYS:
        assert live[key] == listing(name)[key]


def test_every_list_says_what_it_is_of_and_how_it_was_made() -> None:
    names = {path.stem for path in LISTS.glob("*.json")}
    assert names == {
        *(f"tensorrt-{v}" for v in TENSORRTS),
        "tensorrt_rtx-1.7.1",
        "cuda-runtime-13.5.0",
        "pycuda-2026.1",
    }
    for name in names:
        assert listing(name)["source"].startswith("introspected from")
        assert name.rpartition("-")[2] in listing(name)["version"]


def test_signatures_are_read_from_docstrings_of_pybind11_and_boost() -> None:
    def pybind(*_: Any) -> None: ...

    pybind.__doc__ = (
        "pybind(*args, **kwargs)\nOverloaded function.\n\n1. pybind(self: trt.Engine, stream: trt.Stream = <Stream.A: 0>)"
        " -> bool\n\n2. pybind(self: trt.Engine, size: typing.SupportsInt) -> bool\n"
    )
    assert signature(pybind, bound=True) == "(stream: Stream = Stream.A) | (size: int)"

    def boost(*_: Any) -> None: ...

    boost.__doc__ = "\nboost( (Stream)arg1, (int)size [, (object)out=None]) -> int :\n"
    assert signature(boost, bound=True) == "(size: int, out: object = None)"
