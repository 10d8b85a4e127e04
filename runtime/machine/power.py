"""The power mode of a Jetson, and whether it holds the board back.

Mode numbers differ between boards: mode 0 is MAXN on AGX Orin, but 15W on Orin Nano, whose MAXN_SUPER is mode 2. So the
remedy takes the number from the board's own table. Source: Jetson Linux Developer Guide, "Platform Power and Performance",
and the header of /etc/nvpmodel.conf. Written from documentation, not run on a Jetson.
"""

from __future__ import annotations

import re

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Check

_CLOCKS = "sudo jetson_clocks"


def power_modes(machine: Machine) -> dict[int, str]:
    """Number -> name, as /etc/nvpmodel.conf lists them."""
    table = machine.text("etc/nvpmodel.conf")
    found = re.findall(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)", table, re.MULTILINE)
    return {int(number): name for number, name in found}


def power_mode(machine: Machine) -> tuple[int, str] | None:
    """Number and name of the mode that is set, from the file nvpmodel keeps, else from what it says; None where neither
    tells."""
    kept = re.search(r"pmode:\s*(\d+)", machine.text("var/lib/nvpmodel/status"))
    if kept:
        return int(kept[1]), power_modes(machine).get(int(kept[1]), "")
    said = re.search(r"NV Power Mode:\s*(\S+)\s+(\d+)", machine.run(("nvpmodel", "-q")))
    return (int(said[2]), said[1]) if said else None


def check_power(machine: Machine) -> Check | None:
    """None where there are no power modes to set."""
    mode = power_mode(machine)
    if mode is None:
        return None
    number, name = mode
    found = f"{name or 'unnamed'} (nvpmodel mode {number})"
    fastest = _fastest(power_modes(machine))
    if fastest is None or number == fastest[0]:
        return Check(name="power mode", ok=True, found=f"{found}; to hold the clocks up: {_CLOCKS}")
    return Check(
        name="power mode",
        ok=False,
        found=f"{found} limits clocks, so times measured here are not the board's best",
        remedy=f"for {fastest[1]} run: sudo nvpmodel -m {fastest[0]}, then: {_CLOCKS}",
    )


def _fastest(modes: dict[int, str]) -> tuple[int, str] | None:
    """The mode without limits."""
    for wanted in ("MAXN_SUPER", "MAXN"):
        for number, name in modes.items():
            if name == wanted:
                return number, name
    return None
