"""The 19 measures on trees that can be measured by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.benchmarks.morphometrics import BLIND, MEASURES, NAMES, PLACED, PLACES, TYPED, morphometrics
from edgeneuro.data.phantom_neurons import grow_neuron
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA, Neuron

Y = Neuron(
    points=np.array([[0, 0, 0], [0, 10, 0], [0, 40, 0], [30, 80, 0], [-30, 80, 0], [-30, 110, 40], [0, -10, 0], [0, -60, 0]], float),
    radii=np.array([5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]),
    types=np.array([SOMA, APICAL, APICAL, APICAL, APICAL, APICAL, AXON, AXON]),
    parents=np.array([-1, 0, 1, 2, 2, 4, 0, 6]),
)  # fmt: skip
"""An apical dendrite that forks once, 30 um + (50 and 50 + 50) um, and an axon of 50 um."""


def of(kind: str, neuron: Neuron = Y) -> dict[str, float]:
    values = dict(zip(NAMES, morphometrics(neuron).tolist(), strict=True))
    return {name: values[f"{kind}_{name}"] for name in (*MEASURES, *PLACES) if f"{kind}_{name}" in values}


def test_there_are_nineteen_blind_ones_and_eighteen_of_each_type_beside_the_soma() -> None:
    assert len(BLIND) == 19 and len(TYPED) == 1 + 3 * 18 and len(PLACED) == 55 + 3 * 8 and len(set(NAMES)) == 97
    assert set(BLIND) & set(TYPED) == {0} and NAMES[0] == "soma_surface"
    assert {NAMES[i].partition("_")[0] for i in TYPED[1:]} == {"axon", "basal", "apical"}
    assert {NAMES[i].partition("_")[2] for i in set(PLACED) - set(TYPED)} == set(PLACES)


def test_the_soma_is_a_sphere() -> None:
    assert morphometrics(Y)[0] == pytest.approx(4 * np.pi * 25, rel=1e-5)


def test_a_dendrite_is_measured_as_by_hand() -> None:
    found = of("apical")
    expected = {
        "stems": 1, "bifurcations": 1, "branches": 3,
        "width": 60.0, "height": 100.0, "depth": 40.0,
        "length": 180.0, "diameter": 2.0, "surface": 360 * np.pi, "volume": 180 * np.pi,
        "max_distance": np.sqrt(30**2 + 110**2 + 40**2), "max_path": 130.0, "max_order": 1, "fragmentation": 4,
        "contraction": (1 + 1 + np.sqrt(30**2 + 70**2 + 40**2) / 100) / 3,
        "asymmetry": 0.0, "local_angle": 2 * np.arctan(30 / 40),
        "remote_angle": np.arccos((-30 * 30 + 70 * 40) / (50 * np.sqrt(30**2 + 70**2 + 40**2))),
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert set(expected) == set(MEASURES)


def test_where_a_type_lies_is_seen_from_the_soma() -> None:
    found = of("axon")
    assert (found["top"], found["bottom"], found["above"]) == (-10.0, -60.0, 0.0)
    assert found["middle"] == pytest.approx((10 * -10 + 50 * -60) / 60)
    assert found["reach"] == pytest.approx(-found["middle"]) and found["spread"] == found["aside"] == 0.0
    aside = of(
        "axon", replace(Y, points=np.where(Y.types[:, None] == AXON, np.add(Y.points, [30.0, 0, 40.0]), Y.points))
    )
    assert aside["aside"] == pytest.approx(50.0) and of("apical")["above"] == 1.0


def test_all_neurites_together_and_a_type_that_is_not_there() -> None:
    both = of("all")
    assert both["length"] == pytest.approx(230.0) and both["stems"] == 2 and both["height"] == pytest.approx(170.0)
    assert both["diameter"] == pytest.approx((2 * 180 + 1 * 50) / 230)
    assert set(of("basal").values()) == {0.0}
    assert of("axon")["local_angle"] == 0.0  # without a bifurcation


def test_blind_measures_do_not_see_the_types_and_typed_ones_do() -> None:
    other = replace(Y, types=np.where(Y.types == APICAL, BASAL, Y.types))
    mine, theirs = morphometrics(Y), morphometrics(other)
    np.testing.assert_array_equal(mine[list(BLIND)], theirs[list(BLIND)])
    assert of("basal", other) == of("apical") and not np.array_equal(mine[list(TYPED)], theirs[list(TYPED)])


def test_an_axon_that_leaves_a_dendrite_is_measured_as_axon() -> None:
    parents = Y.parents.copy()
    parents[6] = 1
    found = of("axon", replace(Y, parents=parents))
    assert found["stems"] == 1 and found["length"] == pytest.approx(70.0)  # from where it leaves


def test_nothing_depends_on_where_the_neuron_lies_and_every_measure_is_a_number() -> None:
    neuron = grow_neuron(0, 5)
    moved = replace(neuron, points=neuron.points + np.array([1000.0, -200.0, 30.0]))
    found = morphometrics(neuron)
    assert np.isfinite(found).all() and (found[: TYPED[-1] + 1] >= 0).all() and found.dtype == np.float32
    np.testing.assert_allclose(found, morphometrics(moved), rtol=2e-3, atol=1e-4)


def test_a_tree_without_soma_has_no_surface_of_one() -> None:
    bare = Neuron(points=Y.points[1:6], radii=Y.radii[1:6], types=Y.types[1:6], parents=np.array([-1, 0, 1, 1, 3]))
    assert morphometrics(bare)[0] == 0.0 and of("apical", bare)["length"] == pytest.approx(180.0)
