"""Which Jetson this is and which JetPack it carries, from its files.

Sources of the table: developer.nvidia.com/embedded/jetpack-archive and its "JetPack SDK Downloads and Notes" of 7.0 and 7.1
(38.2, 38.2.1: 7.0; 38.4: 7.1), docs.nvidia.com/jetson/archives; 36.4.7, 38.2.2 and 39.x from public tables of
dusty-nv/jetson-containers and others, not from a page of NVIDIA's. Compute capabilities: developer.nvidia.com/cuda-gpus.
Written from documentation, not run on a Jetson.
"""

from __future__ import annotations

import re

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Board, Check, major

JETPACKS = {
    "35.5": "5.1.3",
    "35.6": "5.1.4",
    "35.6.1": "5.1.5",
    "35.6.2": "5.1.5",
    "36.2": "6.0 DP",
    "36.3": "6.0",
    "36.4": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "36.5": "6.2.2",
    "38.2": "7.0",
    "38.2.1": "7.0",
    "38.2.2": "7.0",
    "38.4": "7.1",
    "39.2": "7.2",
    "39.2.1": "7.2.1",
}
"""Jetson Linux (L4T) -> JetPack."""

_GENERATION = {34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
"""Jetson Linux -> JetPack, first numbers."""

_CHIPS = {"tegra194": ("Xavier", "7.2"), "tegra234": ("Orin", "8.7"), "tegra264": ("Thor", "11.0")}
"""In the device tree's `compatible` -> name, compute capability (of Thor as CUDA 13 counts it)."""

_UPGRADE = "flash JetPack 6.2 or newer with SDK Manager: older ones carry TensorRT 8, edgeneuro needs 10.3"


def read_board(machine: Machine) -> Board | None:
    """None for what is not a Jetson. In a container its runtime has to hand in /etc/nv_tegra_release."""
    packages = _packages(machine)
    chip = _chip(machine)
    l4t = _l4t(machine, packages)
    if not l4t and not chip:
        return None
    name, capability = _CHIPS.get(chip, ("", ""))
    return Board(
        model=machine.text("proc/device-tree/model") or f"NVIDIA Jetson {name}".strip(),
        chip=name,
        l4t=l4t,
        jetpack=_plain(packages.get("nvidia-jetpack", "")) or JETPACKS.get(l4t, ""),
        compute_capability=capability,
    )


def generation(board: Board) -> int | None:
    """5, 6 or 7: the JetPack's first number; None where neither it nor Jetson Linux tells."""
    return major(board.jetpack) or _GENERATION.get(major(board.l4t) or 0)


def named_release(board: Board) -> str:
    """ "JetPack 6.2 (L4T 36.4.3)", or what is known of it."""
    number = generation(board)
    pack = f"JetPack {board.jetpack or number}" if number else "unknown JetPack"
    return f"{pack} (L4T {board.l4t})" if board.l4t else pack


def check_board(board: Board) -> Check:
    """Whether its JetPack has a TensorRT that is new enough: 6.1 or later."""
    number = generation(board)
    old = number == 5 or (number == 6 and board.jetpack.startswith("6.0"))
    return Check(
        name="board", ok=not old, found=f"{board.model}, {named_release(board)}", remedy=_UPGRADE if old else ""
    )


def _l4t(machine: Machine, packages: dict[str, str]) -> str:
    said = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", machine.text("etc/nv_tegra_release"))
    release = f"{said[1]}.{said[2]}" if said else _plain(packages.get("nvidia-l4t-core", ""))
    return re.sub(r"^(\d+\.\d+)\.0$", r"\1", release)


def _chip(machine: Machine) -> str:
    found = re.search(r"^nvidia,(tegra\d+)$", machine.text("proc/device-tree/compatible"), re.MULTILINE)
    return found[1] if found else ""


def _plain(version: str) -> str:
    """ "6.2.1+b38" -> "6.2.1"; "36.4.3-20250107174145" -> "36.4.3"."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return found[0] if found else ""


def _packages(machine: Machine) -> dict[str, str]:
    """Debian packages that tell the release -> version, where installed."""
    found = {}
    for block in machine.text("var/lib/dpkg/status").split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if re.match(r"(Package|Status|Version): ", line)
        )
        if fields.get("Package") in ("nvidia-jetpack", "nvidia-l4t-core") and fields.get("Status", "").endswith(
            " installed"
        ):
            found[fields["Package"]] = fields.get("Version", "")
    return found
