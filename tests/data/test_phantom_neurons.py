"""The phantom of neurons: reproducible, trees as trees are, the set as described, and what tells its classes apart."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.data.phantom_neurons import draw_animal, grow_neuron, neurons_dataset, read_neuron
from edgeneuro.data.phantom_neurons_growth import Part, grow
from edgeneuro.data.phantom_neurons_types import CLASSES
from edgeneuro.data.sample import Sample
from edgeneuro.data.writing import write_folder
from edgeneuro.errors import DataError
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA, Neuron

PYRAMIDAL = [name for name in CLASSES if name.endswith("PC")]
NEURONS = {name: [grow_neuron(0, row + 12 * k) for k in range(6)] for row, name in enumerate(CLASSES)}


def height(neuron: Neuron, kind: int) -> float:
    """Mean of y of a type's nodes, um."""
    return float(neuron.points[neuron.types == kind, 1].mean())


def length(neuron: Neuron, *kinds: int) -> float:
    """Of neurites, um."""
    rows = np.flatnonzero(np.isin(neuron.types, kinds))
    return float(np.linalg.norm(neuron.points[rows] - neuron.points[neuron.parents[rows]], axis=1).sum())


def width(neuron: Neuron, kind: int) -> float:
    """Standard deviation of x of a type's nodes, um."""
    return float(neuron.points[neuron.types == kind, 0].std())


def forks(neuron: Neuron) -> int:
    """How many nodes beside the soma have two children."""
    children = np.bincount(neuron.parents[1:], minlength=len(neuron))
    return int((children[1:] > 1).sum())


def mean(name: str, measure: Callable[[Neuron], float]) -> float:
    """Over six neurons of a class."""
    return float(np.mean([measure(neuron) for neuron in NEURONS[name]]))


def test_default_set_has_25_neurons_a_class_of_100_animals() -> None:
    data = neurons_dataset()
    assert len(data) == 300 and data.has_neurons and data.simulated and data.licence == "Apache-2.0"
    assert np.bincount([sample.target or 0 for sample in data.samples]).tolist() == [25] * 12
    assert len({sample.group for sample in data.samples}) == 100
    assert data.classes == CLASSES and dict(data.subgroups) == {"cell_class": ()}


@pytest.mark.parametrize("name", CLASSES)
def test_a_neuron_is_one_tree_from_its_soma(name: str) -> None:
    for neuron in NEURONS[name]:
        assert neuron.parents[0] == -1 and (neuron.parents[1:] < np.arange(1, len(neuron))).all()
        assert (neuron.parents[1:] >= 0).all() and (neuron.types == SOMA).sum() == 1
        assert np.isfinite(neuron.points).all() and (neuron.radii > 0).all()
        steps = np.linalg.norm(neuron.points[1:] - neuron.points[neuron.parents[1:]], axis=1)
        assert steps.max() < 40.0 and 50 < len(neuron) < 10_000
        assert set(neuron.types.tolist()) == {SOMA, AXON, BASAL, *([APICAL] if name in PYRAMIDAL else [])}


def test_a_neuron_depends_on_seed_and_number_alone() -> None:
    small, large = neurons_dataset(3, neurons_per_class=1), neurons_dataset(3, neurons_per_class=2)
    assert small.samples == large.samples[:12]
    first, again = (data.neuron(data.samples[5]) for data in (small, large))
    np.testing.assert_array_equal(first.points, again.points)
    assert len(grow_neuron(3, 17)) != len(first) or not np.allclose(grow_neuron(3, 17).points, first.points)
    assert not np.array_equal(grow_neuron(4, 5).points[:50], first.points[:50])


def test_the_phantom_is_the_one_that_results_were_measured_on() -> None:
    """Length of the axon and of the dendrites, mm, of one neuron a class. Change them only together with docs/results."""
    found = [[length(NEURONS[name][0], kind) / 1000 for kind in (AXON, BASAL, APICAL)] for name in CLASSES]
    expected = [
        *([2.90, 2.06, 0.0], [3.66, 5.57, 0.0], [4.03, 1.01, 1.29], [2.83, 3.65, 6.39]),
        *([5.83, 1.52, 1.59], [1.59, 0.96, 2.23], [3.32, 1.61, 1.34], [2.13, 1.61, 2.48]),
        *([10.38, 0.91, 0.0], [4.80, 0.91, 0.0], [9.24, 1.33, 0.0], [11.66, 1.28, 0.0]),
    ]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_animals_share_how_their_neurons_look_and_know_no_class() -> None:
    data = neurons_dataset(neurons_per_class=2)
    by_animal: dict[str, list[str]] = {}
    for sample in data.samples:
        by_animal.setdefault(sample.group, []).append(sample.source)
    assert {len(sources) for sources in by_animal.values()} == {3}
    assert draw_animal(0, 1) == draw_animal(0, 1) != draw_animal(0, 2)
    assert max(abs(n.points[:, 2]).max() for n in NEURONS["LBC"]) < 1.5 * 180.0  # what the slice was cut to


def test_every_fold_holds_every_class_and_no_animal_is_in_two_folds() -> None:
    data = neurons_dataset()
    assert len({(sample.group, sample.fold) for sample in data.samples}) == 100
    assert {(sample.fold, sample.target) for sample in data.samples} == {(f, c) for f in range(5) for c in range(12)}
    split = make_split(data)
    assert len(split.test) == 20 and set(split.test).isdisjoint(split.training)


def test_apical_dendrites_point_to_the_pia_but_for_the_inverted_and_the_bipolar() -> None:
    for name in ("L2_TPC", "L5_TPC", "L5_UPC", "L6_TPC"):
        assert all(height(neuron, APICAL) > 60.0 for neuron in NEURONS[name])
    assert all(height(neuron, APICAL) < -60.0 for neuron in NEURONS["L6_IPC"])
    for neuron in NEURONS["L6_BPC"]:
        tips = neuron.points[neuron.types == APICAL, 1]
        assert tips.max() > 150.0 and tips.min() < -100.0


@pytest.mark.parametrize(
    ("more", "less", "measure"),
    [
        ("L5_TPC", "L5_UPC", lambda n: length(n, APICAL)),  # a tuft
        ("L5_TPC", "L2_TPC", lambda n: height(n, APICAL)),  # the depth of the soma
        ("MC", "SBC", lambda n: height(n, AXON)),  # an axon that ascends
        ("LBC", "SBC", lambda n: width(n, AXON)),  # and one that goes far
        ("SBC", "LBC", lambda n: forks(n) / length(n, AXON, BASAL)),  # forks often
        ("BTC", "DBC", lambda n: width(n, AXON)),  # a tight bundle
        ("LBC", "L6_TPC", lambda n: length(n, AXON)),
    ],
)
def test_classes_differ_as_the_literature_says(more: str, less: str, measure: Callable[[Neuron], float]) -> None:
    assert mean(more, measure) > 1.15 * mean(less, measure)


def test_neurons_of_a_class_differ_so_much_that_kinds_of_basket_cells_overlap() -> None:
    lengths = {name: [length(neuron, AXON) for neuron in NEURONS[name]] for name in ("LBC", "NBC", "SBC")}
    assert all(max(found) > 1.5 * min(found) for found in lengths.values())
    assert max(lengths["SBC"]) > min(lengths["NBC"]) and max(lengths["NBC"]) > min(lengths["LBC"])


def test_parts_grow_on_what_they_are_said_to_grow_on() -> None:
    trunk = Part(
        name="trunk", kind=APICAL, stems=1, path_um=100.0, forks_mm=0.0, lean=50.0, path_spread=0.0, wander=0.0
    )
    tuft = Part(name="tuft", kind=APICAL, stems=2, path_um=30.0, forks_mm=0.0, on="trunk", path_spread=0.0, wander=0.0)
    side = Part(name="side", kind=BASAL, stems=3, path_um=20.0, forks_mm=0.0, on="trunk", along=True, path_spread=0.0)
    neuron = grow([trunk, tuft, side], 5.0, 10.0, np.random.default_rng(0))
    assert len(neuron) == 1 + 10 + 2 * 3 + 3 * 2
    np.testing.assert_allclose(np.linalg.norm(neuron.points[1]), 15.0)  # a step from the surface of the soma
    assert neuron.parents[11:13].tolist() == [10, 10]  # the tip of the trunk
    begins = neuron.parents[17:20]
    assert ((begins >= 1) & (begins <= 10)).all() and len(set(begins.tolist())) == 3


def test_tips_turn_back_at_the_walls_of_their_territory() -> None:
    free = Part(name="free", kind=AXON, stems=20, path_um=500.0, forks_mm=0.0)
    home = Part(name="home", kind=AXON, stems=20, path_um=500.0, forks_mm=0.0, home_um=(60.0, 60.0, 60.0))
    far, near = (grow([part], 5.0, 10.0, np.random.default_rng(1)) for part in (free, home))
    assert np.abs(far.points).max() > 250.0 and np.abs(near.points).max() < 140.0


def test_a_copy_on_disk_is_the_same_set_of_swc_files(tmp_path: Path) -> None:
    data = neurons_dataset(2, neurons_per_class=1)
    write_folder(data, tmp_path / "copy")
    back = open_data(str(tmp_path / "copy"))
    assert (back.name, back.classes, back.has_neurons) == ("phantom-neurons:2", CLASSES, True)
    assert [(s.target, s.group, s.fold) for s in back.samples] == [(s.target, s.group, s.fold) for s in data.samples]
    assert back.samples[3].source == "neurons/phantom-neurons-2_neuron-003.swc"
    mine, theirs = data.neuron(data.samples[3]), back.neuron(back.samples[3])
    assert length(mine, AXON) == pytest.approx(length(theirs, AXON), rel=1e-3)
    assert np.bincount(mine.types).tolist() == np.bincount(theirs.types).tolist()


def test_the_reader_can_be_sent_to_a_worker_process() -> None:
    data = neurons_dataset(neurons_per_class=1)
    again = pickle.loads(pickle.dumps(data))  # noqa: S301
    np.testing.assert_array_equal(again.neuron(again.samples[2]).points, data.neuron(data.samples[2]).points)


def test_a_foreign_sample_and_a_negative_seed_are_refused_with_what_to_write() -> None:
    with pytest.raises(
        DataError, match="phantom-0/subject-000: not a neuron of this phantom, expected phantom-neurons-"
    ):
        read_neuron(Sample(source="phantom-0/subject-000", index=0, target=None, group="g"))
    with pytest.raises(DataError, match=r"got seed -1.*write phantom-neurons or phantom-neurons:SEED"):
        neurons_dataset(-1)
