"""Neurons as the text of SWC files."""

from __future__ import annotations

import numpy as np

from edgeneuro.neuron import Neuron


def encode_swc(neuron: Neuron) -> bytes:
    """`neuron` as an SWC file has it, `id type x y z radius parent` a line, ids from 1 in the order of the nodes.

    Lengths are written in um with 9 significant digits. `edgeneuro.data.swc.decode_swc` reads it back.
    """
    parents = np.where(neuron.parents < 0, -1, neuron.parents + 1).tolist()
    rows = zip(neuron.types.tolist(), neuron.points.tolist(), neuron.radii.tolist(), parents, strict=True)
    lines = (f"{i} {kind} {x:.9g} {y:.9g} {z:.9g} {r:.9g} {up}\n" for i, (kind, (x, y, z), r, up) in enumerate(rows, 1))
    return "".join(lines).encode()
