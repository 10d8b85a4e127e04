"""Pseudo-labels of a pool of whole frames: made, kept as blocks, and read back as scenes to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgeneuro.data.volumes.blocks import Block, Origin, read_block, write_block
from edgeneuro.files import sha256
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Float32, Frame
from edgeneuro.tiled import FULL
from edgeneuro.training.masks.scenes import PseudoScenes, Scene
from edgeneuro.training.masks.score import scene_logits
from edgeneuro.training.weak.admission import AdmissionSettings, block_weight, candidate
from edgeneuro.training.weak.filters import FilterSettings, pseudo_labels
from edgeneuro.training.weak.flips import flip_mean
from edgeneuro.training.weak.seeding import SeedSettings, seed_labels
from edgeneuro.volume import UNKNOWN_SPACING, Volume

Pool = Mapping[str, Frame]
"""Name of a block -> whole frame, as Preprocess.whole gives it."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labels of every block of a pool. admitted: names of those to learn from. confidence: by name, of a network's labels."""

    labels: Mapping[str, NDArray[np.uint8]]
    admitted: tuple[str, ...]
    confidence: Mapping[str, float] = field(default_factory=dict)


def seeded(pool: Pool, settings: SeedSettings) -> Labelled:
    """Labels from the vesselness of every block, all of them admitted."""
    labels = {
        name: seed_labels(values.astype(np.float32) / np.float32(FULL), settings) for name, values in pool.items()
    }
    return Labelled(labels=labels, admitted=tuple(pool))


def predicted(
    network: nn.Module,
    preprocess: Preprocess,
    pool: Pool,
    number: int,
    filters: FilterSettings,
    admission: AdmissionSettings,
) -> Labelled:
    """Labels from the network of round `number`, counted from 1, and which of them are sure enough."""
    labels, confidence, admitted = {}, {}, []
    for name, values in pool.items():
        p = probabilities(network, values, preprocess)
        labels[name] = pseudo_labels(p, filters)
        of = candidate(p, labels[name], admission)
        confidence[name] = of.confidence
        if of.admitted(number, admission):
            admitted.append(name)
    return Labelled(labels=labels, admitted=tuple(admitted), confidence=confidence)


def probabilities(network: nn.Module, values: Frame, preprocess: Preprocess) -> Float32:
    """Of the foreground, in the shape of `values`: mean over four flips of the whole frame."""

    def predict(batch: Array) -> Array:
        logits = scene_logits(network, batch[0, 0], preprocess)
        return (1 / (1 + np.exp(-logits.astype(np.float64))))[None, None]

    mean: Float32 = flip_mean(predict, values[None, None])[0, 0]
    return mean


def write_labels(container: Path, pool: Pool, labelled: Labelled, number: int) -> None:
    """One block for each of the pool; of images of one plane. number: of the round that made the labels, 0 for seeds. Blocks that a
    killed round left are replaced. Raises OutputError."""
    for name, label in labelled.labels.items():
        planes = pool[name].reshape(-1, *label.shape[-2:])
        block = Block(
            volume=Volume(voxels=planes, spacing_um=UNKNOWN_SPACING, spacing_known=False),
            label=label.reshape(planes.shape),
            weight=np.full(planes.shape, name in labelled.admitted, np.float32),
            origin=Origin(
                source="network" if number else "filter", round=number, confidence=labelled.confidence.get(name)
            ),
        )
        write_block(container, name, block, force=True)


def read_labels(container: Path, pool: Pool) -> dict[str, NDArray[np.uint8]]:
    """By name, in the shape of the pool's frames. Raises DataError."""
    return {name: read_block(container, name).label.reshape(values.shape) for name, values in pool.items()}


def to_learn_from(
    pool: Pool,
    labelled: Labelled | None,
    corrected: Mapping[str, NDArray[np.uint8]],
    number: int,
    admission: AdmissionSettings,
) -> PseudoScenes | None:
    """What round `number`, counted from 1, learns from beside the labels it began with; None where that is nothing.

    labelled: of the round before, or seeds. corrected: labels by a person, which count as manual ones, in the place of a network's.
    """
    weight = block_weight(number, admission)
    admitted = [name for name in labelled.admitted if name not in corrected] if labelled else []
    labels = labelled.labels if labelled else {}
    scenes = (
        *(Scene(values=pool[name], label=label, group=f"pool {name}") for name, label in corrected.items()),
        *(
            Scene(values=pool[name], label=labels[name], group=f"pool {name}", weight=weight, manual=False)
            for name in admitted
        ),
    )
    if not scenes:
        return None
    content = sha256(b"".join(part.tobytes() for scene in scenes for part in (scene.values, scene.label)))
    return PseudoScenes(
        scenes=scenes,
        record={
            "round": number,
            "blocks": len(admitted),
            "weight": weight,
            "corrected": len(corrected),
            "sha256": content,
        },
    )
