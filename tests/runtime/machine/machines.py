"""Made-up machines: the files, programs and libraries that a doctor meets on a Jetson, a PC, a server, a laptop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Driver, Gpu, Probed

ORIN_NANO_MODES = """\
# MAXN_SUPER is the NONE power model to release all constraints
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< POWER_MODEL ID=3 NAME=7W >
< PM_CONFIG DEFAULT=1 >
"""
AGX_ORIN_MODES = "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=15W >\n< POWER_MODEL ID=2 NAME=30W >\n"
SMI = "nvidia-smi --query-gpu=name,compute_cap,memory.total,memory.free,driver_version --format=csv,noheader,nounits"


class Maker:
    """Writes a machine's files below `folder` and answers for its programs and libraries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.site = folder / "venv" / "lib" / "site-packages"
        self.site.mkdir(parents=True)
        self.system: Path | None = None
        self.says: dict[str, str] = {}
        self.probes: dict[str, Probed] = {}
        self.asked: list[str] = []

    def file(self, path: str, text: str) -> Maker:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return self

    def module(self, name: str, folder: Path | None = None) -> Maker:
        """An importable package; never imported here."""
        package = (folder or self.site).joinpath(*name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("raise RuntimeError('the doctor imports nothing itself')")
        return self

    def wheel(self, name: str, version: str) -> Maker:
        """The metadata that pip leaves."""
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return self

    def venv(self, *, sees_system: bool) -> Maker:
        """This Python is a virtual environment."""
        text = f"home = /usr/bin\ninclude-system-site-packages = {str(sees_system).lower()}\n"
        (self.folder / "venv" / "pyvenv.cfg").write_text(text)
        return self

    def system_bindings(self, python: str, *, visible: bool) -> Maker:
        """TensorRT as JetPack installs it for /usr/bin/python3."""
        folder = self.root / f"usr/lib/python{python}/dist-packages"
        self.module("tensorrt", folder)
        if visible:
            self.system = folder
        return self

    def program(self, command: str, output: str) -> Maker:
        self.says[command] = output
        return self

    def library(self, name: str, probed: Probed) -> Maker:
        """What a fresh process would say of it."""
        self.probes[name] = probed
        return self

    def memory(self, available_mib: int, total_mib: int, swap_mib: int = 0) -> Maker:
        text = f"MemTotal: {total_mib * 1024} kB\nMemAvailable: {available_mib * 1024} kB\nSwapTotal: {swap_mib * 1024} kB\n"
        return self.file("proc/meminfo", text)

    def machine(
        self,
        *,
        architecture: str = "x86_64",
        python: tuple[int, int] = (3, 10),
        system: str = "linux",
        nvml: tuple[Driver, tuple[Gpu, ...]] | None = None,
    ) -> Machine:
        def run(command: Sequence[str]) -> str:
            return self.says.get(" ".join(command), "")

        def probe(name: str) -> Probed:
            self.asked.append(name)
            return self.probes[name]

        return Machine(
            root=self.root,
            system=system,
            architecture=architecture,
            python=python,
            prefix=self.folder / "venv",
            search=tuple(folder for folder in (self.site, self.system) if folder),
            run=run,
            nvml=lambda: nvml,
            probe=probe,
            cache=self.folder / "cache",
        )


def jetson(make: Maker, *, model: str, chip: str, l4t: tuple[int, str], jetpack: str = "") -> Maker:
    """The files by which a Jetson is known."""
    major, revision = l4t
    make.file("proc/device-tree/model", f"{model}\0").file(
        "proc/device-tree/compatible", f"nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,{chip}\0"
    )
    make.file(
        "etc/nv_tegra_release",
        f"# R{major} (release), REVISION: {revision}, GCID: 1, BOARD: generic, EABI: aarch64, DATE: now\n# KERNEL_VARIANT: oot\n",
    )
    if jetpack:
        make.file("var/lib/dpkg/status", f"{_package('libc6', '2.35')}\n{_package('nvidia-jetpack', jetpack)}")
    return make


def orin_nano(make: Maker) -> Maker:
    """JetPack 6.2, TensorRT 10.3 for Python 3.10, all there and in MAXN_SUPER."""
    jetson(
        make,
        model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        chip="tegra234",
        l4t=(36, "4.3"),
        jetpack="6.2+b77",
    )
    make.memory(5000, 7619).file("etc/nvpmodel.conf", ORIN_NANO_MODES).file("var/lib/nvpmodel/status", "pmode:0002\n")
    make.program(SMI, "Orin (nvgpu), [N/A], [N/A], [N/A], 540.4.0\n")
    make.program("nvidia-smi --version", "DRIVER version      : 540.4.0\nCUDA Version        : 12.6\n")
    make.system_bindings("3.10", visible=True).venv(sees_system=True)
    make.module("cuda.bindings").wheel("cuda-bindings", "12.9.10")
    make.library("tensorrt", Probed(version="10.3.0"))
    gpu = Gpu(name="Orin", compute_capability="8.7", total_mib=7619, free_mib=4800, integrated=True)
    return make.library("cuda", Probed(version="cuda-python", gpu=gpu))


def desktop(make: Maker, *, driver: str, cuda: str, gpu: str, capability: str, free_mib: int = 9000) -> Maker:
    """A PC or server whose nvidia-smi answers."""
    make.memory(20000, 32000).program(SMI, f"{gpu}, {capability}, 12288, {free_mib}, {driver}\n")
    return make.program("nvidia-smi --version", f"DRIVER version : {driver}\nCUDA Version        : {cuda}\n")


def _package(name: str, version: str) -> str:
    return f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n"
