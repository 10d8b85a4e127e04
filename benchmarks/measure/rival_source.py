"""What rivals are made from: the float graph, and frames for their quantisers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np

from edgeneuro.benchmarks.measure.frames import Frames
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.benchmarks.rivals.rival import RivalSource
from edgeneuro.calibration.choose import choose_samples
from edgeneuro.calibration.look import picture
from edgeneuro.data.sample import DataSet
from edgeneuro.feeds import make_feed
from edgeneuro.runtime import Bundle
from edgeneuro.spec import Feed

log = logging.getLogger("edgeneuro")

CALIBRATION_FRAMES = 300
"""As many as build-engine takes, and as NNCF takes by default."""


def rival_source(
    label: str, bundle: Bundle, frames: Frames, dataset: DataSet | None, settings: Settings
) -> RivalSource:
    """calibration: frames of `settings.calibration`, else those of `dataset` whose groups calibrated the engine, else the
    frames that are timed, with a warning: ranges of made-up frames say nothing about accuracy."""
    manifest = bundle.manifest
    float_graph = next(graph for graph in manifest.graphs if graph.precision == "fp32")
    return RivalSource(
        name=label,
        model=bundle.members[float_graph.path],
        manifest=manifest,
        calibration=_feeds(label, bundle, frames, dataset, settings),
        checkpoint=settings.checkpoint,
    )


def _feeds(label: str, bundle: Bundle, frames: Frames, dataset: DataSet | None, settings: Settings) -> Sequence[Feed]:
    manifest = bundle.manifest
    source = settings.calibration
    if source is None and dataset is not None and manifest.split is not None:
        source = dataset.subset(manifest.split.part(dataset.samples, "calibration"))
    if source is None or not source.samples:
        log.warning(
            "%s: rivals are calibrated on the %d frames that are timed; give --calibration for their accuracy to count",
            label,
            len(frames.items),
        )
        return frames.feeds
    source = manifest.seen(source)
    images = manifest.preprocess is not None
    rng = np.random.default_rng(settings.seed)
    chosen = choose_samples(source.samples, CALIBRATION_FRAMES, rng, partial(picture, source) if images else None)
    read = source.read if images else source.item
    return [make_feed(manifest.inputs, manifest.preprocess, read(sample)) for sample in chosen]
