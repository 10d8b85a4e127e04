"""What the twelve classes of simulated neurons are made of, as distributions.

Which parts stand for which class follows the literature named in docs/phantom.md; every number is our choice, set near the sizes
of the reconstructions in rat_neuron_swc. Lengths in um.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeneuro.data.phantom_neurons_growth import Part
from edgeneuro.neuron import APICAL, AXON, BASAL

CLASSES = ("BTC", "DBC", "L2_TPC", "L5_TPC", "L5_UPC", "L6_BPC", "L6_IPC", "L6_TPC", "LBC", "MC", "NBC", "SBC")
"""As in rat_neuron_swc."""

SPREAD = 0.18
"""Standard deviation, as a logarithm, of every length, rate and half width between the neurons of a class."""

Rng = np.random.Generator
WIDE = np.inf


def draw_parts(kind: str, rng: Rng) -> tuple[Part, ...]:
    """The parts of one neuron of class `kind`."""
    return _PARTS[kind](rng)


def soma_radius(kind: str, rng: Rng) -> float:
    """um: pyramidal cells have the larger somata."""
    return float((8.0 if kind.endswith("PC") else 7.0) * np.exp(rng.normal(0.0, 0.15)))


def _part(
    rng: Rng,
    name: str,
    kind: int,
    stems: tuple[int, int],
    path_um: float,
    forks_mm: float,
    *,
    wander: float = 0.2,
    home_um: tuple[float, float, float] = (WIDE, WIDE, WIDE),
    **how: Any,
) -> Part:
    """A part with as many stems as drawn from `stems`, both ends included, and with its sizes varied by SPREAD."""

    def varied(value: float) -> float:
        return float(value * np.exp(rng.normal(0.0, SPREAD)))

    return Part(
        name=name,
        kind=kind,
        stems=int(rng.integers(stems[0], stems[1] + 1)),
        path_um=varied(path_um),
        forks_mm=varied(forks_mm),
        wander=varied(wander),
        home_um=(varied(home_um[0]), varied(home_um[1]), varied(home_um[2])),
        **how,
    )


def _basal(rng: Rng, stems: tuple[int, int], path_um: float, forks_mm: float, lean: float = -0.3) -> Part:
    return _part(rng, "basal", BASAL, stems, path_um, forks_mm, lean=lean, radius_um=0.5, fade=0.7)


def _apical(rng: Rng, trunk_um: float, *, up: float = 1.0, name: str = "trunk") -> Part:
    """The trunk of an apical dendrite. up: -1 for one that points to the white matter."""
    return _part(
        rng, name, APICAL, (1, 1), trunk_um, 0.0, lean=5.0 * up, rise=0.15 * up, wander=0.07, radius_um=1.2, path_spread=0.1
    )  # fmt: skip


def _tuft(rng: Rng, path_um: float, forks_mm: float, half_um: float, *, on: str = "trunk", up: float = 1.0) -> Part:
    return _part(
        rng, f"tuft {on}", APICAL, (2, 3), path_um, forks_mm, on=on, rise=0.03 * up, radius_um=0.5, fork_angle=0.6, fade=0.75,
        home_um=(half_um, WIDE, half_um),
    )  # fmt: skip


def _oblique(rng: Rng, stems: tuple[int, int], path_um: float, *, on: str = "trunk") -> Part:
    return _part(
        rng, f"oblique {on}", APICAL, stems, path_um, 5.0, on=on, along=True, lean=0.4, radius_um=0.4, fade=0.7
    )


def _descending_axon(rng: Rng, path_um: float, stems: tuple[int, int], collateral_um: float) -> tuple[Part, Part]:
    """The axon of a pyramidal cell: towards the white matter, with collaterals."""
    main = _part(
        rng, "axon", AXON, (1, 1), path_um, 0.0, lean=-3.0, rise=-0.1, wander=0.12, radius_um=0.2, path_spread=0.3
    )  # fmt: skip
    collaterals = _part(
        rng, "collateral", AXON, stems, collateral_um, 3.0, on="axon", along=True, lean=0.3, wander=0.12, radius_um=0.12
    )  # fmt: skip
    return main, collaterals


def _local_axon(rng: Rng, stems: tuple[int, int], path_um: float, forks_mm: float, **how: Any) -> Part:
    """The axon of an interneuron near its soma."""
    return _part(
        rng, "axon", AXON, stems, path_um, forks_mm, on="hillock", along=True, radius_um=0.12, fade=0.92, **how
    )


def _hillock(rng: Rng, path_um: float, **how: Any) -> Part:
    return _part(rng, "hillock", AXON, (1, 1), path_um, 0.0, radius_um=0.25, **how)


def _dendrites(
    rng: Rng, stems: tuple[int, int], path_um: float, forks_mm: float, *, poles: float = 0.0, half_um: float = WIDE
) -> Part:
    """Of an interneuron. poles: how strongly they leave from the two poles of the soma. half_um: of their column."""
    return _part(
        rng, "dendrite", BASAL, stems, path_um, forks_mm, lean=poles, poles=bool(poles), radius_um=0.5, fade=0.7,
        home_um=(half_um, WIDE, half_um),
    )  # fmt: skip


def _btc(rng: Rng) -> tuple[Part, ...]:
    """Bitufted: dendrites from both poles, axon a column wider than the double bouquet's."""
    return (
        _dendrites(rng, (2, 5), 260.0, 14.0, poles=2.0),
        _hillock(rng, 120.0, lean=1.5, poles=True),
        _local_axon(rng, (5, 9), 620.0, 6.0, lean=1.0, poles=True, home_um=(330.0, 650.0, 160.0)),
    )


def _dbc(rng: Rng) -> tuple[Part, ...]:
    """Double bouquet: narrow dendrites, axon in tight vertical bundles, mostly down."""
    down = -1.0 if rng.random() < 0.8 else 1.0
    return (
        _dendrites(rng, (2, 5), 300.0, 10.0, poles=2.5, half_um=90.0),
        _hillock(rng, 320.0, lean=3.0 * down, rise=0.1 * down, wander=0.1),
        _local_axon(rng, (5, 10), 450.0, 6.0, lean=2.2, poles=True, wander=0.12, home_um=(130.0, 900.0, 90.0)),
    )


def _mc(rng: Rng) -> tuple[Part, ...]:
    """Martinotti: an axon that ascends to layer 1 and spreads there, beside a local one."""
    rise_um = float(rng.uniform(150.0, 650.0))
    return (
        _dendrites(rng, (3, 5), 240.0, 18.0, poles=1.0),
        _hillock(rng, rise_um, lean=3.0, rise=0.12, wander=0.12),
        _part(
            rng, "plexus", AXON, (4, 6), 650.0, 6.0, on="hillock", radius_um=0.12, fade=0.92, wander=0.2,
            home_um=(480.0, 140.0, 160.0), centre_um=rise_um,
        ),
        _local_axon(rng, (4, 8), 420.0, 6.0, home_um=(340.0, 400.0, 150.0)),
    )  # fmt: skip


def _lbc(rng: Rng) -> tuple[Part, ...]:
    """Large basket: long, sparse, straight branches, far to the sides and across layers."""
    return (
        _dendrites(rng, (4, 8), 240.0, 9.0),
        _hillock(rng, 130.0, lean=1.0, poles=True),
        _local_axon(rng, (7, 12), 680.0, 6.5, wander=0.18, home_um=(450.0, 500.0, 140.0)),
    )


def _nbc(rng: Rng) -> tuple[Part, ...]:
    """Nest basket: between the large and the small one; fewer, longer branches than the small one in a local cloud."""
    return (
        _dendrites(rng, (5, 9), 225.0, 9.0),
        _hillock(rng, 100.0),
        _local_axon(rng, (7, 11), 580.0, 7.5, wander=0.26, home_um=(290.0, 310.0, 140.0)),
    )


def _sbc(rng: Rng) -> tuple[Part, ...]:
    """Small basket: dense, curved, often forking branches close to the soma."""
    return (
        _dendrites(rng, (3, 8), 205.0, 11.0),
        _hillock(rng, 90.0),
        _local_axon(rng, (6, 9), 480.0, 10.0, wander=0.36, home_um=(210.0, 240.0, 120.0)),
    )


def _l2_tpc(rng: Rng) -> tuple[Part, ...]:
    """Tufted pyramidal cell of layer 2: a short trunk that forks early into a wide tuft."""
    return (
        _basal(rng, (4, 6), 125.0, 22.0),
        _apical(rng, 60.0),
        _tuft(rng, 240.0, 15.0, 120.0),
        _oblique(rng, (1, 3), 90.0),
        *_descending_axon(rng, 450.0, (5, 10), 480.0),
    )


def _l5_tpc(rng: Rng) -> tuple[Part, ...]:
    """Tufted pyramidal cell of layer 5: a long thick trunk, obliques, a large tuft in layer 1."""
    return (
        _basal(rng, (5, 9), 190.0, 15.0),
        _apical(rng, 650.0),
        _tuft(rng, 320.0, 13.0, 150.0),
        _oblique(rng, (7, 15), 140.0),
        *_descending_axon(rng, 450.0, (7, 13), 540.0),
    )


def _l5_upc(rng: Rng) -> tuple[Part, ...]:
    """Untufted pyramidal cell of layer 5: a slender trunk that ends below layer 1 with few branches."""
    return (
        _basal(rng, (4, 8), 180.0, 12.0),
        _apical(rng, 500.0),
        _tuft(rng, 130.0, 3.0, 100.0),
        _oblique(rng, (4, 9), 120.0),
        *_descending_axon(rng, 500.0, (6, 12), 600.0),
    )


def _l6_tpc(rng: Rng) -> tuple[Part, ...]:
    """Tufted pyramidal cell of layer 6: narrow, with a small tuft in layer 4 or 5."""
    return (
        _basal(rng, (5, 8), 130.0, 11.0),
        _apical(rng, 560.0),
        _tuft(rng, 230.0, 7.0, 90.0),
        _oblique(rng, (5, 11), 110.0),
        *_descending_axon(rng, 350.0, (3, 8), 420.0),
    )


def _l6_bpc(rng: Rng) -> tuple[Part, ...]:
    """Bipolar pyramidal cell of layer 6: one apical dendrite up, another down."""
    return (
        _basal(rng, (2, 6), 140.0, 11.0),
        _apical(rng, 330.0),
        _tuft(rng, 170.0, 6.0, 110.0),
        _oblique(rng, (2, 6), 100.0),
        _apical(rng, 230.0, up=-1.0, name="trunk below"),
        _tuft(rng, 120.0, 4.0, 90.0, on="trunk below", up=-1.0),
        *_descending_axon(rng, 300.0, (3, 8), 460.0),
    )


def _l6_ipc(rng: Rng) -> tuple[Part, ...]:
    """Inverted pyramidal cell of layer 6: its apical dendrite points to the white matter."""
    return (
        _basal(rng, (4, 7), 135.0, 10.0, lean=0.3),
        _apical(rng, 300.0, up=-1.0),
        _tuft(rng, 160.0, 5.0, 110.0, up=-1.0),
        _oblique(rng, (3, 7), 110.0),
        *_descending_axon(rng, 300.0, (3, 7), 480.0),
    )


_PARTS: Mapping[str, Callable[[Rng], tuple[Part, ...]]] = {
    "BTC": _btc,
    "DBC": _dbc,
    "L2_TPC": _l2_tpc,
    "L5_TPC": _l5_tpc,
    "L5_UPC": _l5_upc,
    "L6_BPC": _l6_bpc,
    "L6_IPC": _l6_ipc,
    "L6_TPC": _l6_tpc,
    "LBC": _lbc,
    "MC": _mc,
    "NBC": _nbc,
    "SBC": _sbc,
}
