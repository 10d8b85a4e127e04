"""Made-up machines: /sys, /proc and /etc as Linux writes them, below a folder of a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """files: path below root -> what it says, without the newline at its end. Returns root."""
    for name, said in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{said}\n")
    return root


def write_zone(root: Path, zone: str, name: str, microjoules: int, wraps_at: int) -> Path:
    """One zone of /sys/class/powercap; returns its folder."""
    folder = f"sys/class/powercap/{zone}"
    files = {"name": name, "energy_uj": str(microjoules), "max_energy_range_uj": str(wraps_at)}
    write_files(root, {f"{folder}/{file}": said for file, said in files.items()})
    return root / folder


def write_ina3221(root: Path, chip: str, rails: Mapping[str, tuple[int, int]]) -> None:
    """rails: label -> (mV, mA), up to three; then the chip's sum of shunt voltages, as its driver adds it."""
    folder = f"sys/class/hwmon/{chip}"
    write_files(root, {f"{folder}/name": "ina3221", f"{folder}/in7_label": "sum of shunt voltages"})
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), start=1):
        files = {f"in{channel}_label": label, f"in{channel}_input": millivolts, f"curr{channel}_input": milliamperes}
        write_files(root, {f"{folder}/{file}": str(said) for file, said in files.items()})
