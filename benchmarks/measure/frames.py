"""What is fed while the clock runs: frames of a data set, speckle, or the golden inputs of a network that takes arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.feeds import make_feed
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import Bundle
from edgeneuro.runtime.golden import golden_feeds
from edgeneuro.spec import Feed, Item
from edgeneuro.tiled import FULL

COUNT = 16
"""Taken in turn, so that no result can come from a cache of the last one."""
SYNTHETIC_SHAPE = (480, 640)


@dataclass(frozen=True, kw_only=True)
class Frames:
    """items: decoded, in memory. feeds: the same as the network's inputs. capture: reads and decodes item `number` anew, None where there is no file to read.
    described: for the report."""

    items: tuple[Item, ...]
    feeds: tuple[Feed, ...]
    capture: Callable[[int], Item] | None
    described: str


def frames_for(bundle: Bundle, dataset: DataSet | None, seed: int) -> Frames:
    """Up to COUNT frames. Raises DataError for an empty data set, FrameError for a frame that cannot be read."""
    manifest = bundle.manifest
    if dataset is not None:
        return _of_data(manifest, dataset)
    if manifest.preprocess is None:
        feeds = tuple(golden_feeds(bundle, manifest.graphs[0]))[:COUNT]
        return Frames(items=feeds, feeds=feeds, capture=None, described=f"the {len(feeds)} golden inputs of the engine")
    rng = np.random.default_rng(seed)
    tiled = manifest.preprocess.tiled is not None
    shape, white = (manifest.preprocess.tile, FULL) if tiled else (SYNTHETIC_SHAPE, 255)
    noise = rng.rayleigh(60.0 / 255 * white, (COUNT, *shape)).clip(0, white).astype(np.uint16 if tiled else np.uint8)
    described = f"{COUNT} synthetic speckle frames of {_size(shape)}, {noise.dtype}, seed {seed}"
    return Frames(items=tuple(noise), feeds=_feeds(manifest, noise), capture=None, described=described)


def _of_data(manifest: Manifest, dataset: DataSet) -> Frames:
    if not dataset.samples:
        raise DataError(f"{dataset.name}: holds no frames, expected at least one")
    dataset = replace(manifest.seen(dataset), picture_reader=None)  # a device reads and draws each neuron anew
    picked = np.linspace(0, len(dataset) - 1, min(COUNT, len(dataset))).astype(int)
    samples = [dataset.samples[i] for i in picked]
    read = dataset.item if manifest.preprocess is None else dataset.read
    items = tuple(read(sample) for sample in samples)
    tiles = dataset.tile is not None
    sides = sorted({_size(item.shape if tiles else item.shape[:2]) for item in items if isinstance(item, np.ndarray)})
    return Frames(
        items=items,
        feeds=_feeds(manifest, items),
        capture=None if dataset.simulated else lambda number: read(samples[number % len(samples)]),
        described=", ".join(
            (f"{len(items)} {'tiles' if tiles else 'frames'} of {dataset.name}, evenly spaced", *sides)
        ),
    )


def _size(shape: Iterable[int]) -> str:
    """shape: ([depth,] height, width)."""
    return " x ".join(map(str, reversed(tuple(shape)))) + " px"


def _feeds(manifest: Manifest, items: Iterable[Item]) -> tuple[Feed, ...]:
    return tuple(make_feed(manifest.inputs, manifest.preprocess, item) for item in items)
