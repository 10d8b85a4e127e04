"""`python -m edgeneuro.benchmarks.power.memory_child '{"engine": ...}'`: one engine, a few frames, and nothing else.

Prints a `Memory` as JSON. Started by `measure_memory`, whose arguments it takes as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from edgeneuro.benchmarks.document import Memory
from edgeneuro.benchmarks.power.resident import resident
from edgeneuro.errors import BundleError
from edgeneuro.manifest import Manifest
from edgeneuro.records import to_json
from edgeneuro.runtime import open_engine
from edgeneuro.spec import Item

SHAPE = (480, 640)
"""Height, width of the frame in px: the same in every engine that takes frames whole, and more than a network takes."""


def blank_item(manifest: Manifest) -> Item:
    """A black frame, of one tile where tiles cover it, or zeros for every input, free axes of size 1: values make no difference to
    memory."""
    if manifest.preprocess is not None:
        return np.zeros(SHAPE if manifest.preprocess.tiled is None else manifest.preprocess.tile, np.uint8)
    sizes = {spec.name: [max(size, 1) for size in spec.shape] for spec in manifest.inputs}
    return {spec.name: np.zeros(sizes[spec.name], spec.dtype) for spec in manifest.inputs}


def main(given: dict[str, Any]) -> Memory:
    """given: engine, precision, backend, threads, frames, allow_unsigned. Raises BundleError where that precision does not run here."""
    before = resident()
    with open_engine(
        given["engine"],
        precision=given["precision"],
        backend=given["backend"],
        threads=given["threads"],
        allow_unsigned=given["allow_unsigned"],
    ) as engine:
        if engine.graph.precision != given["precision"]:  # the float graph stands in where this machine cannot
            raise BundleError(f"opened the {engine.graph.precision} graph, expected {given['precision']}")
        item = blank_item(engine.manifest)
        for _ in range(given["frames"]):
            engine(item)
    return Memory(base_bytes=before.now, peak_bytes=resident().peak, device_bytes=None)


if __name__ == "__main__":
    print(json.dumps(to_json(main(json.loads(sys.argv[1])))))
