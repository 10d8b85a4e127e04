"""Data sets that this package makes: rendered on demand from a seed, nothing is downloaded or stored."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError

SIMULATED: Mapping[str, str] = {
    "phantom": "edgeneuro.data.phantom:phantom_dataset",
    "phantom-lesions": "edgeneuro.data.phantom_lesions:lesions_dataset",
    "phantom-neurons": "edgeneuro.data.phantom_neurons:neurons_dataset",
    "phantom-neurites": "edgeneuro.data.phantom_neurites:neurites_dataset",
    "phantom-volumes": "edgeneuro.data.phantom_neurites:volumes_dataset",
    "v1-simulated": "edgeneuro.data.recordings.as_data:simulated_dataset",
    "v1-simulated-large": "edgeneuro.data.recordings.as_data:large_simulated_dataset",
}
"""Name -> "module:function", called with the seed."""

LICENCE = "Apache-2.0"


def is_simulated(spec: str) -> bool:
    """Whether `spec` is NAME or NAME:SEED of one of them."""
    return spec.partition(":")[0] in SIMULATED


def open_simulated(spec: str) -> DataSet:
    """The set NAME or NAME:SEED, seed 0 where none is given. Raises DataError for a seed that is no whole number."""
    name, _, seed = spec.partition(":")
    if not (seed or "0").isdecimal():
        raise DataError(f"{spec}: has seed {seed!r}, expected a whole number from 0, as in {name}:7")
    module, function = SIMULATED[name].split(":")
    made: DataSet = getattr(import_module(module), function)(int(seed or "0"))
    return made
