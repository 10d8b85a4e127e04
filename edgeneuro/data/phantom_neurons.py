"""A seeded phantom of reconstructed neurons: twelve classes modelled after cortical types, no download.

What is modelled, after which literature, and what is our choice: docs/phantom.md. It is a test object for the tool chain;
a network trained on it says nothing about the neurons of any animal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.phantom_neurons_growth import grow
from edgeneuro.data.phantom_neurons_types import CLASSES, draw_parts, soma_radius
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import LICENCE
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.neuron import AXON, SOMA, Neuron
from edgeneuro.spec import Frame

NEURONS_PER_ANIMAL = 3
FOLDS = 5
LOST_AXON = 0.2
"""Share of the neurons whose axon was stained or traced in part only."""

_SOURCE = re.compile(r"phantom-neurons-(\d+)/neuron-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Animal:
    """What the neurons of one made-up animal share, whatever their class.

    scale: across, towards the pia, into the slice: growth and shrinkage. slice_um: half the thickness of the slice. step_um:
    between traced points. jitter_um: of a traced point. thickness: factor of all radii.
    """

    scale: tuple[float, float, float]
    slice_um: float
    step_um: float
    jitter_um: float
    thickness: float


def neurons_dataset(seed: int = 0, *, neurons_per_class: int = 25) -> DataSet:
    """12 * neurons_per_class simulated neurons, three an animal, grouped by animal, in five folds.

    seed: other seeds give other neurons. Neuron n is of class n % 12 and of animal n // 3 whatever the size of the set, and is
    grown on demand. Raises DataError for a negative seed or an empty set.
    """
    if seed < 0 or neurons_per_class < 1:
        raise DataError(
            f"phantom-neurons: got seed {seed} and {neurons_per_class} neurons a class, expected a seed from 0 and at least one "
            "neuron; write phantom-neurons or phantom-neurons:SEED"
        )
    return DataSet(
        name="phantom-neurons" if seed == 0 else f"phantom-neurons:{seed}",
        classes=CLASSES,
        samples=tuple(_sample(seed, number) for number in range(len(CLASSES) * neurons_per_class)),
        reader=read_picture,
        neuron_reader=read_neuron,
        subgroups={"cell_class": ()},
        simulated=True,
        licence=LICENCE,
    )


def read_neuron(sample: Sample) -> Neuron:
    """Grow the neuron of one sample; needs nothing but its source. Raises DataError."""
    match = _SOURCE.fullmatch(sample.source)
    if match is None:
        raise DataError(f"{sample.source}: not a neuron of this phantom, expected phantom-neurons-SEED/neuron-NUMBER")
    return grow_neuron(int(match[1]), int(match[2]))


def read_picture(sample: Sample) -> Frame:
    """The neuron of one sample, drawn as drawings are without further choices. Raises DataError."""
    return Drawing()(read_neuron(sample))


def grow_neuron(seed: int, number: int) -> Neuron:
    """Neuron `number` of the phantom with this seed, the same for the same two numbers; y points to the pia."""
    kind, animal = CLASSES[number % len(CLASSES)], draw_animal(seed, number // NEURONS_PER_ANIMAL)
    rng = np.random.default_rng([seed, number, 1])
    parts = draw_parts(kind, rng)
    if rng.random() < LOST_AXON:
        kept = float(rng.uniform(0.35, 0.8))
        parts = tuple(replace(part, path_um=kept * part.path_um) if part.kind == AXON else part for part in parts)
    return _as_traced(grow(parts, soma_radius(kind, rng), animal.step_um, rng), animal, rng)


def draw_animal(seed: int, number: int) -> Animal:
    """Animal `number` of the phantom with this seed; it does not know the classes of its neurons."""
    rng = np.random.default_rng([seed, number, 0])
    across, up, into = np.exp(rng.normal(0.0, 0.08, 3))
    return Animal(
        scale=(float(across), float(up), float(into)),
        slice_um=float(rng.uniform(110.0, 180.0)),
        step_um=float(rng.uniform(9.0, 15.0)),
        jitter_um=float(rng.uniform(0.2, 1.2)),
        thickness=float(np.exp(rng.normal(0.0, 0.2))),
    )


def _as_traced(neuron: Neuron, animal: Animal, rng: np.random.Generator) -> Neuron:
    """Turned, shrunk, cut out of a slice and traced by hand."""
    points = neuron.points @ _turn(rng).T * np.array(animal.scale)
    away = neuron.types != SOMA
    points[away] += rng.normal(0.0, animal.jitter_um, (int(away.sum()), 3))
    radii = np.where(away, animal.thickness * neuron.radii, neuron.radii)
    depth = float(rng.uniform(-0.4, 0.4)) * animal.slice_um
    inside = np.abs(points[:, 2] - depth) < animal.slice_um
    return _reached(replace(neuron, points=points, radii=radii), inside)


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 3): any angle about the axis to the pia, then a few degrees aslant."""
    spin, slant, tip = rng.uniform(0.0, 2.0 * np.pi), *rng.normal(0.0, np.radians(6.0), 2)
    about_y = np.array([[np.cos(spin), 0.0, np.sin(spin)], [0.0, 1.0, 0.0], [-np.sin(spin), 0.0, np.cos(spin)]])
    about_z = np.array([[np.cos(slant), -np.sin(slant), 0.0], [np.sin(slant), np.cos(slant), 0.0], [0.0, 0.0, 1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(tip), -np.sin(tip)], [0.0, np.sin(tip), np.cos(tip)]])
    turn: NDArray[np.float64] = about_x @ about_z @ about_y
    return turn


def _reached(neuron: Neuron, inside: NDArray[np.bool_]) -> Neuron:
    """Without what lies behind a cut, seen from the soma."""
    kept = inside.copy()
    kept[0] = True
    for row, parent in enumerate(neuron.parents.tolist()):
        kept[row] &= parent < 0 or bool(kept[parent])
    number = np.cumsum(kept) - 1
    parents = neuron.parents[kept]
    return Neuron(
        points=neuron.points[kept],
        radii=neuron.radii[kept],
        types=neuron.types[kept],
        parents=np.where(parents < 0, -1, number[parents]),
    )


def _sample(seed: int, number: int) -> Sample:
    animal = number // NEURONS_PER_ANIMAL
    kind = CLASSES[number % len(CLASSES)]
    return Sample(
        source=f"phantom-neurons-{seed}/neuron-{number:03d}",
        index=0,
        target=CLASSES.index(kind),
        group=f"phantom-neurons-{seed}/animal-{animal:03d}",
        fold=animal % FOLDS,
        tags={"animal": f"{animal:03d}", "cell_class": "pyramidal" if kind.endswith("PC") else "interneuron"},
    )
