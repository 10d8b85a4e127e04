"""What is known of a machine, and what was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. found: in words. remedy: what to do, empty where ok."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU. compute_capability: e.g. "8.6", "" where the driver does not tell. total_mib, free_mib: of its memory,
    None where it does not tell. integrated: it shares the processor's memory, as on a Jetson."""

    name: str
    compute_capability: str
    total_mib: int | None
    free_mib: int | None
    integrated: bool = False


@dataclass(frozen=True, kw_only=True)
class Driver:
    """version: e.g. "580.65.06", "" where unknown. cuda: the newest CUDA it serves, e.g. "12.6", at least its major version;
    "" where unknown."""

    version: str
    cuda: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """A Jetson. l4t: release of Jetson Linux, e.g. "36.4.3", "" where unknown. jetpack: e.g. "6.2", "" where no table knows
    it. chip: e.g. "Orin", compute_capability: of its GPU; "" where unknown."""

    model: str
    chip: str
    l4t: str
    jetpack: str
    compute_capability: str


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a fresh process says of a library. version: of it. error: why it cannot be used. gpu: the device that CUDA from
    Python finds."""

    version: str = ""
    error: str = ""
    gpu: Gpu | None = None


def major(version: str) -> int | None:
    """The first number of a version, None where there is none."""
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else None
