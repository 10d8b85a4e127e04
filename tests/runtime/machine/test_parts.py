"""The doctor's readers, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.runtime.machine.board import generation, named_release, read_board
from edgeneuro.runtime.machine.cuda_python import check_driver, toolkit_version
from edgeneuro.runtime.machine.gpus import find_gpus, silent_card
from edgeneuro.runtime.machine.libraries import TENSORRT, check_installed, system_libraries
from edgeneuro.runtime.machine.machine import Machine, probe, run_program
from edgeneuro.runtime.machine.memory import check_cache
from edgeneuro.runtime.machine.power import check_power
from edgeneuro.runtime.machine.probe_child import probe_library
from edgeneuro.runtime.machine.records import Driver, Probed
from tests.runtime.machine.machines import AGX_ORIN_MODES, ORIN_NANO_MODES, SMI, Maker, jetson


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.mark.parametrize(
    ("l4t", "release", "number"),
    [
        ((36, "4.3"), "JetPack 6.2 (L4T 36.4.3)", 6),
        ((36, "4.0"), "JetPack 6.1 (L4T 36.4)", 6),
        ((36, "9.9"), "JetPack 6 (L4T 36.9.9)", 6),
        ((38, "2.0"), "JetPack 7.0 (L4T 38.2)", 7),
        ((35, "4.1"), "JetPack 5 (L4T 35.4.1)", 5),
        ((99, "1.0"), "unknown JetPack (L4T 99.1)", None),
    ],
)
def test_jetson_linux_names_its_jetpack(make: Maker, l4t: tuple[int, str], release: str, number: int | None) -> None:
    board = read_board(jetson(make, model="NVIDIA Jetson", chip="tegra234", l4t=l4t).machine())
    assert board is not None
    assert named_release(board) == release
    assert generation(board) == number


def test_the_installed_jetpack_package_overrules_the_table(make: Maker) -> None:
    board = read_board(
        jetson(make, model="NVIDIA Jetson", chip="tegra234", l4t=(36, "4.4"), jetpack="6.2.1+b38").machine()
    )
    assert board is not None and board.jetpack == "6.2.1"


def test_a_removed_package_does_not_tell_the_release(make: Maker) -> None:
    make.file("var/lib/dpkg/status", "Package: nvidia-l4t-core\nStatus: deinstall ok config-files\nVersion: 36.4.3-1\n")
    assert read_board(make.machine()) is None


def test_a_container_that_only_has_the_packages_is_a_jetson_too(make: Maker) -> None:
    make.file("var/lib/dpkg/status", "Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-2025\n")
    board = read_board(make.machine())
    assert board is not None and (board.l4t, board.jetpack) == ("36.4.3", "6.2")


def test_the_remedy_for_power_takes_the_number_from_the_boards_own_table(make: Maker) -> None:
    make.file("etc/nvpmodel.conf", ORIN_NANO_MODES).file("var/lib/nvpmodel/status", "pmode:0000 fmode:quiet")
    check = check_power(make.machine())
    assert check is not None and not check.ok
    assert check.found.startswith("15W (nvpmodel mode 0)")
    assert check.remedy == "for MAXN_SUPER run: sudo nvpmodel -m 2, then: sudo jetson_clocks"


def test_mode_0_of_agx_orin_is_full_power(make: Maker) -> None:
    make.file("etc/nvpmodel.conf", AGX_ORIN_MODES).program("nvpmodel -q", "NV Power Mode: MAXN\n0\n")
    check = check_power(make.machine())
    assert check is not None and check.ok
    assert "MAXN (nvpmodel mode 0)" in check.found


def test_without_nvpmodel_there_is_no_power_mode(make: Maker) -> None:
    assert check_power(make.machine()) is None


def test_the_kernel_module_alone_tells_driver_and_model(make: Maker) -> None:
    make.file(
        "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12\n",
    )
    make.file("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ: 1\n")
    driver, gpus = find_gpus(make.machine())
    assert driver == Driver(version="535.183.01", cuda="12")
    assert [gpu.name for gpu in gpus] == ["NVIDIA GeForce RTX 3060"]


def test_fields_that_nvidia_smi_leaves_out_stay_unknown(make: Maker) -> None:
    make.program(SMI, "Orin (nvgpu), [N/A], [N/A], Not Supported, 540.4.0\n")
    driver, (gpu,) = find_gpus(make.machine())
    assert driver == Driver(version="540.4.0", cuda="12")
    assert (gpu.name, gpu.compute_capability, gpu.total_mib, gpu.free_mib) == ("Orin (nvgpu)", "", None, None)


def test_a_card_without_driver_is_seen_on_the_bus(make: Maker) -> None:
    make.file("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n").file(
        "sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"
    )
    assert silent_card(make.machine())
    bare = check_driver(None, 0, silent=True, container=False, board=False)
    inside = check_driver(None, 0, silent=True, container=True, board=False)
    assert bare is not None and "ubuntu-drivers" in bare.remedy
    assert inside is not None and "docker run --gpus all" in inside.remedy


def test_the_sound_of_a_card_is_no_gpu(make: Maker) -> None:
    make.file("sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n").file(
        "sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n"
    )
    assert not silent_card(make.machine())


def test_a_driver_for_cuda_11_is_too_old() -> None:
    check = check_driver(Driver(version="470.1", cuda="11"), 1, silent=True, container=False, board=False)
    assert check is not None and not check.ok
    assert "driver 580 or newer" in check.remedy


def test_the_toolkit_tells_its_version(make: Maker) -> None:
    assert toolkit_version(make.machine()) == ""
    make.file("usr/local/cuda/version.json", '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}')
    assert toolkit_version(make.machine()) == "12.6.11"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            "ImportError: libnvinfer.so.10: cannot open shared object file",
            "run: pip install tensorrt_cu12_libs==10.16.1",
        ),
        ("AttributeError: _ARRAY_API not found", "run: pip install 'numpy<2'"),
        ("ImportError: libcuda.so.1: cannot open shared object file", "docker run --gpus all"),
        ("ImportError: /lib/libnvinfer.so.10: undefined symbol: _ZN5nvdla19IConcat", "docker run --runtime nvidia"),
        ("RuntimeError: something else", 'python -c "import tensorrt"'),
    ],
)
def test_bindings_that_cannot_be_imported_are_told_why(make: Maker, error: str, remedy: str) -> None:
    make.wheel("tensorrt_cu12_bindings", "10.16.1")
    check = check_installed(make.machine(), TENSORRT, Probed(error=error), None)
    assert not check.ok
    assert remedy in check.remedy


def test_bindings_of_the_system_get_their_libraries_from_the_system(make: Maker) -> None:
    error = Probed(error="ImportError: libnvinfer.so.10: cannot open shared object file")
    assert check_installed(make.machine(), TENSORRT, error, None).remedy.endswith(
        "apt install --reinstall python3-libnvinfer"
    )


def test_libraries_of_the_system_are_listed_without_their_patch_versions(make: Maker) -> None:
    make.file("usr/lib/aarch64-linux-gnu/libnvinfer.so.10", "").file(
        "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0", ""
    )
    assert system_libraries(make.machine()) == ("libnvinfer.so.10",)


def test_a_cache_that_others_may_write_is_a_problem(make: Maker) -> None:
    machine = make.machine()
    assert check_cache(machine).ok  # not there yet
    (machine.cache / "engines").mkdir(parents=True)
    machine.cache.chmod(0o755)
    (machine.cache / "engines").chmod(0o777)
    check = check_cache(machine)
    assert not check.ok
    assert check.remedy == f"run: chmod -R go-w {machine.cache}"
    (machine.cache / "engines").chmod(0o700)
    assert check_cache(machine).ok


def test_a_cache_below_a_file_cannot_be_written(make: Maker) -> None:
    machine = make.machine()
    machine.cache.write_text("a file")
    assert "EDGENEURO_CACHE" in check_cache(machine).remedy


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert run_program(("no-such-program-of-edgeneuro",)) == ""
    assert run_program(("false",)) == ""
    assert run_program(("echo", "said")) == "said\n"


def test_a_library_is_tried_in_a_process_of_its_own() -> None:
    assert probe("json").version.startswith("2.")
    assert "No module named 'no_such_library'" in probe("no_such_library").error


def test_a_library_that_breaks_while_imported_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_bindings.py").write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    assert probe_library("broken_bindings").error == "OSError: libnvinfer.so.10: cannot open shared object file"


def test_this_machine_reads_itself() -> None:
    machine = Machine()
    assert machine.has_module("numpy") and not machine.has_module("numpy.no_such_part")
    assert [name for name, _ in machine.distributions("numpy", "no-such-package")] == ["numpy"]
