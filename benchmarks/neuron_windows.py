"""How much of each neuron lies beyond windows of several sizes about its soma, by type.

    python -m edgeneuro.benchmarks.neuron_windows [--data rat_neuron_swc]

Length of the segments whose end is farther than the window from the soma in x or y, as a share of all. Writes
docs/results/neuron_windows.json and .md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import typer

from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import open_data
from edgeneuro.neuron import APICAL, AXON, BASAL, UNDEFINED, Neuron

WINDOWS_UM = (500, 750, 1000)


def beyond(neuron: Neuron, window_um: float, kinds: Sequence[int] = (UNDEFINED, AXON, BASAL, APICAL)) -> float:
    """Share of the length of the neurites of these types, 0 to 1; NaN where there are none."""
    below = np.flatnonzero((neuron.parents >= 0) & np.isin(neuron.types, kinds))
    ends = neuron.points[below]
    lengths = np.linalg.norm(ends - neuron.points[neuron.parents[below]], axis=1)
    outside = np.abs(ends - neuron.soma)[:, :2].max(axis=1) > window_um
    return float(lengths[outside].sum() / lengths.sum()) if lengths.any() else float("nan")


def main(data: Annotated[str, typer.Option(help="A labelled set of neurons.")] = "rat_neuron_swc") -> None:
    """Count and write the result."""
    dataset = open_data(data)
    rows = []
    for number, name in enumerate(dataset.classes):
        cells = [dataset.neuron(sample) for sample in dataset.samples if sample.target == number]
        apical = [share for cell in cells if not np.isnan(share := beyond(cell, WINDOWS_UM[0], (APICAL,)))]
        row: dict[str, object] = {"type": name, "cells": len(cells)}
        for window in WINDOWS_UM:
            row[f"beyond_{window}"] = 100 * float(np.mean([beyond(cell, window) for cell in cells]))
        rows.append(row | {"apical": 100 * float(np.mean(apical)) if apical else None})
    columns = {"type": "type", "cells": "cells"}
    columns |= {f"beyond_{window}": f"beyond {window} um, % of length" for window in WINDOWS_UM}
    columns |= {"apical": f"beyond {WINDOWS_UM[0]} um, % of the apical dendrite"}
    write_result(
        "neuron_windows",
        title="What a window about the soma leaves out",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.neuron_windows --data {dataset.name}",
            "data": f"{dataset.name}, {len(dataset)} labelled neurons",
        },
    )


if __name__ == "__main__":
    typer.run(main)
