"""Where measured numbers are written: docs/results/NAME.json for programs, NAME.md for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgeneuro.files import write_bytes, write_json
from edgeneuro.runtime.cpu import core_count, processor_name

RESULTS = Path("docs") / "results"
"""Relative to the folder the script is started from: the root of a checkout."""

LIBRARIES = ("edgeneuro", "numpy", "opencv-python-headless", "onnxruntime", "openvino", "torch", "onnx", "nncf")


def machine() -> dict[str, Any]:
    """What the numbers were measured on: processor, cores this process may use, memory, system, versions."""
    return {
        "processor": processor_name(),
        "architecture": platform.machine(),
        "cores": core_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def write_result(
    name: str,
    *,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    context: Mapping[str, Any],
    folder: Path = RESULTS,
) -> None:
    """Write `folder`/NAME.json and NAME.md.

    rows: one mapping a table row, JSON values only. columns: key in a row -> heading, in order; keys not named
    here are in the JSON alone. context: what a reader needs to judge the numbers, by name: "script" (the command
    line), "data", "split", "protocol", "notes" (a list of sentences) and whatever else matters; the machine and the date
    are added here. Raises OutputError.
    """
    full = {
        "title": title,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": machine(),
        "context": dict(context),
        "columns": dict(columns),
        "rows": [dict(row) for row in rows],
    }
    write_json(folder / f"{name}.json", full)
    write_bytes(folder / f"{name}.md", _markdown(full).encode())


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """A Markdown table; a cell without a value is a dash."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def _markdown(result: Mapping[str, Any]) -> str:
    lines = [f"# {result['title']}", "", table(result["rows"], result["columns"]), ""]
    for key, value in result["context"].items():
        if key != "notes":
            lines.append(f"- {key}: {_cell(value)}")
    here = result["machine"]
    memory = "" if here["memory_gib"] is None else f", {here['memory_gib']} GiB"
    lines.append(
        f"- machine: {here['processor']} ({here['architecture']}), {here['cores']} cores{memory}, "
        f"{here['system']}, Python {here['python']}"
    )
    lines.append("- libraries: " + ", ".join(f"{name} {found}" for name, found in here["libraries"].items()))
    lines.append(f"- date: {result['date']}")
    notes = [note.strip() for note in result["context"].get("notes", ())]
    return "\n".join(lines + [""] * bool(notes) + notes) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows, or a system without these names
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
