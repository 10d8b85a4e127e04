"""The machine as the doctor sees it: files below a root, programs, Python. Tests make up others."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder, MetadataPathFinder
from pathlib import Path

from edgeneuro.cache import cache_folder
from edgeneuro.errors import BackendError, InputError
from edgeneuro.records import from_json
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.machine.nvml import read_nvml
from edgeneuro.runtime.machine.records import Driver, Gpu, Probed

_PROGRAM_S = 10.0
_PROBE_S = 60.0


def run_program(command: Sequence[str]) -> str:
    """What `command` prints, "" where it is missing, fails or takes longer than 10 s."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, errors="replace", timeout=_PROGRAM_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def probe(name: str) -> Probed:
    """Import the library `name`, or, for "cuda", look for a device, in a fresh process: this one stays without CUDA."""
    try:
        said = run_child(name, "edgeneuro.runtime.machine.probe_child", (name,), b"", timeout_s=_PROBE_S)
        return from_json(Probed, json.loads(said.decode().splitlines()[-1]), name)
    except (BackendError, InputError, ValueError, IndexError) as error:
        return Probed(error=str(error))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """root: where /proc, /etc and /usr begin. system: as sys.platform names it. python: major and minor version. prefix:
    sys.prefix, the virtual environment where there is one. search: folders Python finds modules in. run, nvml, probe: a
    program's output, the driver's own account, a library tried in a fresh process. cache: edgeneuro's folder."""

    root: Path = Path("/")
    system: str = sys.platform
    architecture: str = field(default_factory=platform.machine)
    python: tuple[int, int] = (sys.version_info.major, sys.version_info.minor)
    prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    search: tuple[Path, ...] = field(default_factory=lambda: tuple(Path(folder) for folder in sys.path if folder))
    run: Callable[[Sequence[str]], str] = run_program
    nvml: Callable[[], tuple[Driver, tuple[Gpu, ...]] | None] = read_nvml
    probe: Callable[[str], Probed] = probe
    cache: Path = field(default_factory=cache_folder)

    def text(self, path: str) -> str:
        """What the file at `path`, relative to the root, says; "" where it cannot be read. NULs of the device tree end
        lines."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").replace("\0", "\n").strip()
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def paths(self, pattern: str) -> list[Path]:
        """What matches `pattern` below the root, sorted."""
        return sorted(self.root.glob(pattern))

    def has_module(self, name: str) -> bool:
        """Whether Python would find the module, "cuda.bindings" too; nothing is imported."""
        path = [str(folder) for folder in self.search]
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            spec = PathFinder.find_spec(".".join(parts[:depth]), path)
            if spec is None:
                return False
            path = list(spec.submodule_search_locations or ())
        return True

    def distributions(self, *names: str) -> Iterator[tuple[str, str]]:
        """(name, version) of those of `names` that are installed."""
        for name in names:
            context = DistributionFinder.Context(name=name, path=[str(folder) for folder in self.search])
            for found in MetadataPathFinder.find_distributions(context):
                yield name, found.version
                break

    def closed_venv(self) -> bool:
        """Whether this is a virtual environment that does not see the system's packages."""
        try:
            settings = (self.prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        fields = (line.partition("=")[::2] for line in settings.splitlines())
        return {key.strip().lower(): value.strip().lower() for key, value in fields}.get(
            "include-system-site-packages"
        ) != "true"
