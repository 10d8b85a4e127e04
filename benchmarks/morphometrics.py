"""Measures of a neuron's shape as numbers, for classifiers that learn on features: 19 in the style of L-Measure, by NeuroM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.swc_text import encode_swc
from edgeneuro.errors import FrameError
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA, Neuron

SOMA_SURFACE = "soma_surface"
MEASURES = (
    *("stems", "bifurcations", "branches", "width", "height", "depth", "diameter", "length", "surface", "volume"),
    *(
        "max_distance",
        "max_path",
        "max_order",
        "contraction",
        "fragmentation",
        "asymmetry",
        "local_angle",
        "remote_angle",
    ),
)
"""Of neurites; with the surface of the soma they are the 19.

Table 1 of Zhang T. et al. 2021 (10.1038/s41598-021-86780-4) names 20; the one missing here is the fractal dimension, which
NeuroM does not compute. Definitions are L-Measure's (Scorcioni 2008, 10.1038/nprot.2008.51), but extents are whole, not of
95 % of the points, and the diameter is a mean over length, so that it does not depend on how densely a neurite was traced.
"""

PLACES = ("top", "bottom", "middle", "tall", "spread", "above", "reach", "aside")
"""Of neurites of one type, beyond the 19: where their length lies, seen from the soma, y upwards. Highest and lowest point, mean of y
and its standard deviation, that of x and z together, share above the soma, mean distance, and how far the mean of x and z is off."""

TYPES: Mapping[str, int] = {"axon": AXON, "basal": BASAL, "apical": APICAL}

NAMES = (
    SOMA_SURFACE,
    *(f"{kind}_{measure}" for kind in ("all", *TYPES) for measure in MEASURES),
    *(f"{kind}_{place}" for kind in TYPES for place in PLACES),
)
"""Of the numbers that `morphometrics` gives."""

_PER_KIND = len(MEASURES)
BLIND = tuple(range(1 + _PER_KIND))
"""Which of them do not look at the types of neurites: the 19."""
TYPED = (0, *range(1 + _PER_KIND, 1 + 4 * _PER_KIND))
"""Which keep axon, basal and apical dendrite apart: 55."""
PLACED = (0, *range(1 + _PER_KIND, len(NAMES)))
"""The same, and where each type lies: 79."""


def morphometrics(neuron: Neuron) -> NDArray[np.float32]:
    """(97,) float32, in the order of NAMES.

    Lengths in um, surfaces in um2, volumes in um3, angles in radians. What a neuron has no instance of (an apical dendrite,
    an angle without a bifurcation) is 0. Raises FrameError where NeuroM cannot read the neuron.
    """
    import neurom

    apart = _morphology(_parted(neuron))
    alike = _morphology(replace(neuron, types=np.where(neuron.types == SOMA, SOMA, BASAL)))
    soma = float(neurom.get("soma_surface_area", apart)) if len(apart.soma.points) else 0.0
    measures = [_measures(alike, BASAL), *(_measures(apart, number) for number in TYPES.values())]
    places = [_places(neuron, number) for number in TYPES.values()]
    return np.array([soma, *(value for found in (*measures, *places) for value in found)], np.float32)


def _parted(neuron: Neuron) -> Neuron:
    """`neuron` with a neurite divided where its type changes: what goes on there begins anew, at the same point."""
    above = np.maximum(neuron.parents, 0)
    changes = np.flatnonzero(
        (neuron.parents >= 0) & (neuron.types != neuron.types[above]) & (neuron.types[above] != SOMA)
    )
    parents = np.where(neuron.parents < 0, -1, neuron.parents + len(changes))
    parents[changes] = np.arange(len(changes))
    return Neuron(
        points=np.concatenate([neuron.points[above[changes]], neuron.points]),
        radii=np.concatenate([neuron.radii[changes], neuron.radii]),
        types=np.concatenate([neuron.types[changes], neuron.types]),
        parents=np.concatenate([np.full(len(changes), -1), parents]),
    )


def _morphology(neuron: Neuron) -> Any:
    """As NeuroM has it. Raises FrameError."""
    import morphio
    import neurom

    silent = morphio.WarningHandlerCollector()
    try:
        read = morphio.Morphology(encode_swc(neuron).decode(), "swc", warning_handler=silent)
    except morphio.MorphioError as error:
        reason = " ".join(str(error).split())
        raise FrameError(f"neuron of {len(neuron)} nodes: cannot be measured ({reason}); trace it again") from error
    return neurom.load_morphology(read)


def _measures(morphology: Any, number: int) -> list[float]:
    """MEASURES of the neurites of one type. number: as SWC has it."""
    import neurom

    kind = neurom.NeuriteType(number)

    def get(name: str, **how: Any) -> Any:
        return neurom.get(name, morphology, neurite_type=kind, **how)

    lengths, ends = np.array(get("section_lengths")), np.array(get("section_end_distances"))
    if not len(lengths):
        return [0.0] * len(MEASURES)
    length, surface = float(lengths.sum()), float(get("total_area"))
    real = lengths > 0
    return [
        float(get("number_of_neurites")),
        float(get("number_of_bifurcations")),
        float(len(lengths)),
        float(get("total_width")),
        float(get("total_height")),
        float(get("total_depth")),
        surface / (np.pi * length) if length else 0.0,
        length,
        surface,
        float(get("total_volume")),
        float(get("max_radial_distance")),
        float(max(get("terminal_path_lengths"))),
        float(max(get("section_branch_orders"))),
        _mean(ends[real] / lengths[real]),
        float(get("number_of_segments")),
        _mean(get("partition_asymmetry", method="uylings")),
        _mean(get("local_bifurcation_angles")),
        _mean(get("remote_bifurcation_angles")),
    ]


def _places(neuron: Neuron, number: int) -> list[float]:
    """PLACES of the neurites of one type; nodes count by the length of what leads to them."""
    about = neuron.points - neuron.soma
    above = np.where(neuron.parents < 0, np.arange(len(neuron)), neuron.parents)
    own = neuron.types == number
    lengths = np.linalg.norm(about - about[above], axis=1)[own]
    if not lengths.sum():
        return [0.0] * len(PLACES)
    points, share = about[own], lengths / lengths.sum()
    mean = share @ points
    sd = np.sqrt(share @ (points - mean) ** 2)
    return [
        float(points[:, 1].max()),
        float(points[:, 1].min()),
        float(mean[1]),
        float(sd[1]),
        float(np.hypot(sd[0], sd[2])),
        float(share @ (points[:, 1] > 0)),
        float(share @ np.linalg.norm(points, axis=1)),
        float(np.hypot(mean[0], mean[2])),
    ]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0
