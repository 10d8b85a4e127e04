"""Data sets: opening them, reading frames, splitting them without leakage."""

from edgeneuro.data.folder import open_data
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split

__all__ = ["DataSet", "Sample", "Split", "open_data"]
