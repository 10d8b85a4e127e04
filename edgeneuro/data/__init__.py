"""Data sets: opening them, reading frames, splitting them without leakage."""

from typing import TYPE_CHECKING, Any

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split

if TYPE_CHECKING:
    from edgeneuro.data.folder import open_data

__all__ = ["DataSet", "Sample", "Split", "open_data"]


def __getattr__(name: str) -> Any:
    """`open_data`, imported when asked for: a device that only runs engines starts without the readers of tables."""
    if name != "open_data":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edgeneuro.data.folder import open_data

    return open_data
