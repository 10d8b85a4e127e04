"""All of the GPU side of a machine in one look: facts, checks with their remedies, what can be built and run."""

from __future__ import annotations

from dataclasses import dataclass

from edgeneuro.runtime.machine.board import check_board, read_board
from edgeneuro.runtime.machine.cuda_python import check_cuda, check_driver
from edgeneuro.runtime.machine.gpus import driver_of, find_gpus, silent_card
from edgeneuro.runtime.machine.libraries import (
    RTX,
    RTX_TARGETS,
    TENSORRT,
    check_installed,
    check_system_bindings,
    probe_library,
    system_libraries,
    works,
)
from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.memory import available_mib, check_build_memory, check_cache, total_mib
from edgeneuro.runtime.machine.power import check_power
from edgeneuro.runtime.machine.records import Board, Check, Driver, Gpu, Probed, major


@dataclass(frozen=True, kw_only=True)
class Found:
    """gpus: as CUDA or the driver lists them. backends: TensorRT's flavours -> version, None where it cannot be imported.
    can: "build_tensorrt", "build_tensorrt_rtx", "run_tensorrt", "run_tensorrt_rtx"."""

    gpus: tuple[Gpu, ...]
    driver: Driver | None
    board: Board | None
    backends: dict[str, str | None]
    checks: tuple[Check, ...]
    can: dict[str, bool]


def examine_machine(machine: Machine) -> Found:
    """Look at GPU, driver, board, CUDA, TensorRT, memory, power mode and cache; libraries are tried in a process of their
    own, so that this one stays without CUDA."""
    board = read_board(machine)
    driver, gpus = (driver_of(machine), (_shared_gpu(machine, board),)) if board else find_gpus(machine)
    cuda: Probed | None = None
    checks: list[Check | None] = [check_board(board)] if board else []
    checks.append(_check_gpus(gpus))
    container = machine.exists(".dockerenv") or machine.exists("run/.containerenv")
    checks.append(
        check_driver(driver, len(gpus), silent=silent_card(machine), container=container, board=board is not None)
    )
    if gpus:
        checked, cuda = check_cuda(machine, driver, board)
        checks.append(checked)
        if board and cuda.gpu:
            gpus = (cuda.gpu,)
    tensorrt, rtx = probe_library(machine, TENSORRT), probe_library(machine, RTX)
    device = (cuda.gpu if cuda else None) or next(iter(gpus), None)
    checks.append(_check_tensorrt(machine, tensorrt, rtx, driver, board, device))
    checks.append(_check_rtx(machine, rtx, tensorrt, driver, device))
    if device and (device.integrated or works(tensorrt) or works(rtx)):
        checks.append(check_build_memory(machine, device))
    checks += [check_power(machine), check_cache(machine)]
    runs_cuda = cuda is not None and not cuda.error
    wrong = {check.name for check in checks if check and not check.ok}
    build = device is not None and works(tensorrt) and not wrong & {TENSORRT.name, "driver"}
    return Found(
        gpus=gpus,
        driver=driver,
        board=board,
        backends={"tensorrt": _version(tensorrt), "tensorrt-rtx": _version(rtx)},
        checks=tuple(check for check in checks if check),
        can={
            "build_tensorrt": build,
            "run_tensorrt": build and runs_cuda,
            "build_tensorrt_rtx": works(rtx),
            "run_tensorrt_rtx": works(rtx) and runs_cuda and RTX.name not in wrong and _targeted(device),
        },
    )


def _shared_gpu(machine: Machine, board: Board) -> Gpu:
    """Of a Jetson, whose tools leave most fields empty: from the device tree and the processor's memory."""
    return Gpu(
        name=f"GPU of {board.chip or board.model}",
        compute_capability=board.compute_capability,
        total_mib=total_mib(machine),
        free_mib=available_mib(machine),
        integrated=True,
    )


def _check_gpus(gpus: tuple[Gpu, ...]) -> Check:
    """No GPU is a fact, not a problem."""
    found = "; ".join(map(_named, gpus)) or "no NVIDIA GPU; everything runs on the processor"
    return Check(name="GPU", ok=True, found=found)


def _named(gpu: Gpu) -> str:
    facts = [f"compute capability {gpu.compute_capability}"] if gpu.compute_capability else []
    if gpu.total_mib is not None and gpu.free_mib is not None:
        shared = ", shared with the processor" if gpu.integrated else ""
        facts.append(f"{gpu.free_mib:,} of {gpu.total_mib:,} MiB free{shared}")
    return ", ".join((gpu.name, *facts))


def _check_tensorrt(
    machine: Machine,
    tensorrt: Probed | None,
    rtx: Probed | None,
    driver: Driver | None,
    board: Board | None,
    device: Gpu | None,
) -> Check | None:
    if tensorrt is not None:
        return check_installed(machine, TENSORRT, tensorrt, driver)
    if device is None:
        return None
    hidden = check_system_bindings(machine)
    if hidden is not None:
        return hidden
    if works(rtx) and _targeted(device):
        return Check(name=TENSORRT.name, ok=True, found="not installed; TensorRT-RTX serves this GPU")
    libraries = system_libraries(machine)
    found = f"{', '.join(libraries)} is here, its Python bindings are not" if libraries else "not installed"
    remedy = _install_tensorrt(driver, from_system=board is not None or libraries != ())
    return Check(name=TENSORRT.name, ok=False, found=found, remedy=remedy)


def _install_tensorrt(driver: Driver | None, *, from_system: bool) -> str:
    if from_system:
        return "run: sudo apt install python3-libnvinfer"
    if driver and major(driver.cuda) == 12:
        return "run: pip install 'tensorrt_cu12>=10.3'"
    return "run: pip install 'edgeneuro[tensorrt]'"


def _check_rtx(
    machine: Machine, rtx: Probed | None, tensorrt: Probed | None, driver: Driver | None, device: Gpu | None
) -> Check | None:
    if rtx is None:
        if machine.architecture.lower() not in ("x86_64", "amd64") or (device and not _targeted(device)):
            return None
        purpose = "serves this GPU too" if device else "only to build engines for RTX GPUs"
        found = f"not installed; {purpose}: pip install 'edgeneuro[tensorrt-rtx]'"
        return Check(name=RTX.name, ok=True, found=found)
    checked = check_installed(machine, RTX, rtx, driver if device else None)
    if not checked.ok or device is None or _targeted(device):
        return checked
    found = f"{rtx.version} has no kernels for compute capability {device.compute_capability}; engines built with it run elsewhere"
    if works(tensorrt):
        return Check(name=RTX.name, ok=True, found=found)
    return Check(name=RTX.name, ok=False, found=found, remedy="use TensorRT on this GPU")


def _targeted(device: Gpu | None) -> bool:
    """Whether TensorRT-RTX makes kernels for it; taken for granted where the driver does not tell."""
    return device is not None and device.compute_capability in ("", *RTX_TARGETS)


def _version(probed: Probed | None) -> str | None:
    return probed.version if probed is not None and not probed.error else None
