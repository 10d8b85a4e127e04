"""The small files in which Linux says what its sensors see."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str | None:
    """What the file says, without the newline; None where it is missing, refuses, or its sensor is asleep."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # also EAGAIN and EINVAL, from a sensor whose part of the chip is off
        return None


def number(path: Path) -> float | None:
    """The one number in the file, None where there is none."""
    try:
        return float(text(path) or "")
    except ValueError:
        return None
