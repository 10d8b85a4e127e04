"""What the doctor finds on whole machines, and the remedy it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.runtime.machine.examine import Found, examine_machine
from edgeneuro.runtime.machine.records import Check, Driver, Gpu, Probed
from tests.runtime.machine.machines import Maker, desktop, jetson, orin_nano


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def wrong(found: Found) -> dict[str, Check]:
    """The problems, by name; every one of them says what to do."""
    problems = {check.name: check for check in found.checks if not check.ok}
    assert all(check.remedy for check in problems.values())
    return problems


def named(found: Found, name: str) -> Check:
    (check,) = [check for check in found.checks if check.name == name]
    return check


def test_a_laptop_without_a_gpu_has_no_problem(make: Maker) -> None:
    found = examine_machine(make.memory(8000, 16000).machine())
    assert not wrong(found)
    assert "everything runs on the processor" in named(found, "GPU").found
    assert found.can == {
        "build_tensorrt": False,
        "run_tensorrt": False,
        "build_tensorrt_rtx": False,
        "run_tensorrt_rtx": False,
    }
    assert make.asked == []


def test_without_a_gpu_tensorrt_rtx_still_builds(make: Maker) -> None:
    make.module("tensorrt_rtx").wheel("tensorrt_rtx_cu13", "1.7.1").library("tensorrt_rtx", Probed(version="1.7.1"))
    found = examine_machine(make.machine())
    assert not wrong(found)
    assert found.can["build_tensorrt_rtx"] and not found.can["run_tensorrt_rtx"]
    assert found.backends == {"tensorrt": None, "tensorrt-rtx": "1.7.1"}


def test_windows_without_proc_is_no_problem(make: Maker) -> None:
    found = examine_machine(make.machine(system="win32", architecture="AMD64", python=(3, 12)))
    assert not wrong(found)


def test_a_healthy_orin_builds_and_runs_tensorrt(make: Maker) -> None:
    found = examine_machine(orin_nano(make).machine(architecture="aarch64"))
    assert not wrong(found)
    assert named(found, "board").found == (
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super, JetPack 6.2 (L4T 36.4.3)"
    )
    assert found.gpus[0].compute_capability == "8.7" and found.gpus[0].integrated
    assert found.can["build_tensorrt"] and found.can["run_tensorrt"]
    assert not found.can["build_tensorrt_rtx"]


def test_an_orin_in_a_closed_environment_is_told_to_open_it(make: Maker) -> None:
    orin_nano(make).venv(sees_system=False).system = None
    found = examine_machine(make.machine(architecture="aarch64"))
    (problem,) = wrong(found).values()
    assert problem.name == "TensorRT"
    assert "this virtual environment is closed" in problem.found
    assert problem.remedy.startswith("run: /usr/bin/python3.10 -m venv --system-site-packages .venv,")
    assert not found.can["build_tensorrt"]


def test_another_python_than_the_bindings_are_for_is_named(make: Maker) -> None:
    orin_nano(make).system = None
    problem = wrong(examine_machine(make.machine(architecture="aarch64", python=(3, 12))))["TensorRT"]
    assert problem.found == "the system's bindings are for Python 3.10, this is Python 3.12"
    assert "/usr/bin/python3.10 -m venv --system-site-packages .venv310" in problem.remedy


def test_a_jetson_without_bindings_installs_those_of_jetpack_not_a_wheel(make: Maker) -> None:
    jetson(make, model="NVIDIA Jetson AGX Orin", chip="tegra234", l4t=(36, "4.4"))
    problem = wrong(examine_machine(make.machine(architecture="aarch64")))["TensorRT"]
    assert problem.remedy == "run: sudo apt install python3-libnvinfer"


def test_libraries_without_bindings_are_told_apart_from_nothing(make: Maker) -> None:
    desktop(make, driver="580.65.06", cuda="13.0", gpu="NVIDIA H100", capability="9.0")
    make.file("usr/lib/x86_64-linux-gnu/libnvinfer.so.10", "")
    problem = wrong(examine_machine(make.machine()))["TensorRT"]
    assert problem.found == "libnvinfer.so.10 is here, its Python bindings are not"
    assert problem.remedy == "run: sudo apt install python3-libnvinfer"


def test_tensorrt_rtx_never_runs_on_an_orin(make: Maker) -> None:
    orin_nano(make).module("tensorrt_rtx").library("tensorrt_rtx", Probed(version="1.7.1"))
    found = examine_machine(make.machine(architecture="aarch64"))
    assert "no kernels for compute capability 8.7" in named(found, "TensorRT-RTX").found
    assert not found.can["run_tensorrt_rtx"] and found.can["run_tensorrt"]


def test_a_thor_on_jetpack_7_wants_cuda_13_from_python(make: Maker) -> None:
    jetson(make, model="NVIDIA Jetson AGX Thor Developer Kit", chip="tegra264", l4t=(38, "4.0"))
    make.memory(100000, 125000).system_bindings("3.12", visible=True).library("tensorrt", Probed(version="10.13.3.9"))
    found = examine_machine(make.machine(architecture="aarch64", python=(3, 12)))
    assert "JetPack 7.1 (L4T 38.4)" in named(found, "board").found
    assert found.gpus[0].compute_capability == "11.0"
    assert wrong(found)["CUDA from Python"].remedy == "run: pip install 'edgeneuro[cuda]'"
    assert found.can["build_tensorrt"] and not found.can["run_tensorrt"]


def test_jetpack_6_0_is_too_old_for_its_tensorrt(make: Maker) -> None:
    jetson(make, model="NVIDIA Jetson Orin NX", chip="tegra234", l4t=(36, "3.0"))
    make.system_bindings("3.10", visible=True).library("tensorrt", Probed(version="8.6.2"))
    problems = wrong(examine_machine(make.machine(architecture="aarch64")))
    assert "flash JetPack 6.2 or newer" in problems["board"].remedy
    assert problems["TensorRT"].found == "8.6.2 is too old, expected 10.3 or newer"


def test_cuda_13_bindings_on_a_driver_for_cuda_12_are_told_the_pip_line(make: Maker) -> None:
    desktop(make, driver="550.54.15", cuda="12.4", gpu="NVIDIA GeForce RTX 3060", capability="8.6")
    make.module("cuda.bindings").wheel("cuda-bindings", "13.5.0")
    make.module("tensorrt_rtx").wheel("tensorrt_rtx_cu13", "1.7.1").library("tensorrt_rtx", Probed(version="1.7.1"))
    found = examine_machine(make.machine())
    assert found.driver == Driver(version="550.54.15", cuda="12.4")
    problems = wrong(found)
    assert problems["CUDA from Python"].found == "cuda-bindings 13.5.0 needs CUDA 13, the driver serves 12.4"
    assert problems["CUDA from Python"].remedy == "run: pip install 'cuda-bindings<13'"
    assert problems["TensorRT-RTX"].remedy == (
        "install NVIDIA driver 580 or newer, or run: pip uninstall -y tensorrt_rtx tensorrt_rtx_cu13 "
        "tensorrt_rtx_cu13_bindings tensorrt_rtx_cu13_libs; pip install tensorrt_rtx_cu12"
    )
    assert make.asked == ["tensorrt_rtx"]  # CUDA is not woken where it cannot work
    assert not found.can["run_tensorrt_rtx"]


def test_an_rtx_desktop_with_a_fitting_driver_runs_tensorrt_rtx_and_needs_no_tensorrt(make: Maker) -> None:
    desktop(make, driver="580.65.06", cuda="13.0", gpu="NVIDIA GeForce RTX 4070", capability="8.9")
    gpu = Gpu(name="NVIDIA GeForce RTX 4070", compute_capability="8.9", total_mib=12288, free_mib=9000)
    make.module("cuda.bindings").wheel("cuda-bindings", "13.5.0").library(
        "cuda", Probed(version="cuda-python", gpu=gpu)
    )
    make.module("tensorrt_rtx").wheel("tensorrt_rtx_cu13", "1.7.1").library("tensorrt_rtx", Probed(version="1.7.1"))
    found = examine_machine(make.machine())
    assert not wrong(found)
    assert named(found, "TensorRT").found == "not installed; TensorRT-RTX serves this GPU"
    assert found.can["run_tensorrt_rtx"]


def test_a_data_centre_gpu_runs_tensorrt_but_tensorrt_rtx_has_no_kernels_for_it(make: Maker) -> None:
    h100 = Gpu(name="NVIDIA H100 80GB HBM3", compute_capability="9.0", total_mib=81559, free_mib=81000)
    make.module("cuda.bindings").wheel("cuda-bindings", "13.5.0").library(
        "cuda", Probed(version="cuda-python", gpu=h100)
    )
    make.module("tensorrt").wheel("tensorrt_cu13", "11.4.0").library("tensorrt", Probed(version="11.4.0"))
    make.module("tensorrt_rtx").library("tensorrt_rtx", Probed(version="1.7.1"))
    found = examine_machine(make.machine(nvml=(Driver(version="580.65.06", cuda="13.0"), (h100,))))
    assert not wrong(found)
    assert "no kernels for compute capability 9.0" in named(found, "TensorRT-RTX").found
    assert found.can == {
        "build_tensorrt": True,
        "run_tensorrt": True,
        "build_tensorrt_rtx": True,
        "run_tensorrt_rtx": False,
    }


def test_a_gpu_without_any_tensorrt_is_told_what_fits_its_driver(make: Maker) -> None:
    desktop(make, driver="550.54.15", cuda="12.4", gpu="NVIDIA H100", capability="9.0")
    problems = wrong(examine_machine(make.machine()))
    assert problems["TensorRT"].remedy == "run: pip install 'tensorrt_cu12>=10.3'"
    assert problems["CUDA from Python"].remedy == "run: pip install 'cuda-bindings>=12.6,<13'"


def test_a_failing_cuda_call_is_passed_on_with_its_remedy(make: Maker) -> None:
    desktop(make, driver="580.65.06", cuda="13.0", gpu="NVIDIA GeForce RTX 4070", capability="8.9")
    make.module("pycuda").wheel("pycuda", "2026.1").library(
        "cuda", Probed(error="CUDA: no device; start with --gpus all")
    )
    problem = wrong(examine_machine(make.machine()))["CUDA from Python"]
    assert (problem.found, problem.remedy) == ("pycuda 2026.1: CUDA: no device", "start with --gpus all")


def test_low_memory_on_a_board_caps_the_builder_and_closes_the_desktop(make: Maker) -> None:
    problem = wrong(examine_machine(orin_nano(make).memory(2100, 7619).machine(architecture="aarch64")))[
        "memory to build"
    ]
    assert problem.found == "2,100 MiB available, below the 3,072 to build an engine safely"
    assert "sudo systemctl isolate multi-user.target" in problem.remedy
    assert "build-engine FILE.edge --backend tensorrt --workspace 512" in problem.remedy
    assert "add swap" in problem.remedy


def test_swap_that_exists_is_not_asked_for(make: Maker) -> None:
    make = orin_nano(make).memory(2100, 7619, swap_mib=4000)
    assert "swap" not in wrong(examine_machine(make.machine(architecture="aarch64")))["memory to build"].remedy


def test_a_full_graphics_card_is_named(make: Maker) -> None:
    desktop(make, driver="580.1", cuda="13.0", gpu="NVIDIA GeForce RTX 3060", capability="8.6", free_mib=300)
    make.module("tensorrt_rtx").library("tensorrt_rtx", Probed(version="1.7.1"))
    assert "300 MiB free" in wrong(examine_machine(make.machine()))["memory to build"].found
