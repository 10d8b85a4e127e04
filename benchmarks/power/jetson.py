"""The power monitors of Jetson modules: INA3221 chips through Linux's hwmon, or what tegrastats prints.

Sources: Linux, Documentation/hwmon/ina3221.rst (inN_label, inN_input in mV, currN_input in mA, N from 1 to 3; in7 and curr4
are sums); Jetson Linux Developer Guide, "tegrastats Utility" (RAIL now/average, with "mW" since JetPack 5). Which rail is
the whole: docs/power.md. Written from documentation, not run.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event

from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.benchmarks.power.sampled import SampledMeter, polled
from edgeneuro.benchmarks.power.sysfs import number, text
from edgeneuro.errors import SensorError

WHOLE = ("VDD_IN", "POM_5V_IN", "VIN")
"""Rails that feed all others: Orin NX and Nano, Xavier NX, TX2; Nano; the board of Thor."""
WITHIN = ("VDDQ_VDD2_1V8AO",)
"""Rails fed from one of the others, which has counted them already: that of AGX Orin's memory, from VIN_SYS_5V0."""
_INTERVAL_S = 0.05
_TEGRASTATS = "usr/bin/tegrastats"
_TEGRASTATS_MS = 100
_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]+) (\d+)(?:mW)?/(\d+)(?:mW)?(?= |$)")
"""RAM and SWAP look alike, but end with MB; IRAM with kB."""


def total_watts(rails: Mapping[str, float]) -> float:
    """rails: name -> watts. What feeds all others where there is such a rail, else the sum of those that do not overlap."""
    for name in WHOLE:
        if name in rails:
            return rails[name]
    return sum(watts for name, watts in rails.items() if name not in WITHIN)


def open_ina3221(root: Path) -> Meter | str:
    """A meter over all INA3221 chips; or why there is none."""
    rails = _find_rails(root)
    if not rails:
        return "no chip called ina3221 with labelled rails under /sys/class/hwmon: not a Jetson, or JetPack before 5"
    whole = next((name for name in WHOLE if name in rails), None)
    read = [whole] if whole else [name for name in rails if name not in WITHIN]

    def watts() -> float:
        return total_watts({name: _rail_watts(*rails[name]) for name in read})

    try:
        watts()
    except SensorError as error:
        return str(error)
    return SampledMeter(f"INA3221 {' + '.join(read)}", "board", polled(watts, _INTERVAL_S), settle_s=2 * _INTERVAL_S)


def open_tegrastats(root: Path) -> list[Meter] | str:
    """A meter that runs tegrastats; or why there is none."""
    program = root / _TEGRASTATS
    if not program.exists():
        return f"no /{_TEGRASTATS}: not a Jetson"

    def samples(stop: Event) -> Iterator[float]:
        command = [str(program), "--interval", str(_TEGRASTATS_MS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if stop.is_set():
                        return
                    yield total_watts(parse_tegrastats(line))
            finally:
                process.terminate()

    return [SampledMeter("tegrastats", "board", samples, settle_s=3 * _TEGRASTATS_MS / 1e3)]


def parse_tegrastats(line: str) -> dict[str, float]:
    """Rail -> watts now, of one line, e.g. "... tj@50.5C VDD_IN 4761mW/4777mW VDD_CPU_GPU_CV 515mW/502mW ...".

    Raises SensorError where the line names no rail.
    """
    rails = {name: int(now) / 1e3 for name, now, _ in _RAIL.findall(line.strip())}
    if not rails:
        raise SensorError(
            f"tegrastats: got {line.strip()[:80]!r}, expected rails such as VDD_IN 4761mW/4777mW; "
            "this board may have no power monitor"
        )
    return rails


def _find_rails(root: Path) -> dict[str, tuple[Path, Path]]:
    """Label -> its files of millivolts and milliamperes."""
    rails = {}
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if text(chip / "name") != "ina3221":
            continue
        for channel in (1, 2, 3):
            label = text(chip / f"in{channel}_label")
            if label and label != "NC":  # not connected
                rails[label] = (chip / f"in{channel}_input", chip / f"curr{channel}_input")
    return rails


def _rail_watts(millivolts: Path, milliamperes: Path) -> float:
    volts, amperes = number(millivolts), number(milliamperes)
    if volts is None or amperes is None:
        raise SensorError(f"{millivolts.parent}: {millivolts.name} or {milliamperes.name} cannot be read")
    return volts * amperes / 1e6
