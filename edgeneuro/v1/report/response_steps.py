"""Steps that look at responses without decoding them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.errors import DataError
from edgeneuro.spec import Array
from edgeneuro.v1.clusters import cluster_scores
from edgeneuro.v1.coclusters import cocluster
from edgeneuro.v1.dimension_table import session_dimension
from edgeneuro.v1.distances import distance_check
from edgeneuro.v1.embedding import Embedding, diffusion_map, isomap
from edgeneuro.v1.fields import response_weighted_average
from edgeneuro.v1.mantel import field_order
from edgeneuro.v1.preprocessing import Method
from edgeneuro.v1.report.records import EmbeddingFound, ExampleField, FieldsFound
from edgeneuro.v1.report.session import Found, Session

EXAMPLES = 8
"""Neurons whose fields are drawn."""
EMBEDDINGS: Mapping[str, Callable[[Array], Embedding]] = {"isomap": isomap, "diffusion-map": diffusion_map}
CHECKED: Mapping[str, Method] = {"raw": "raw", "zscore": "zscore"}
"""Preprocessing of the distance check: the study's two."""


def fields(session: Session) -> Found:
    """Arrays: regression, averaged, (example, height, width); centres, (neuron, 2) px; explained, (neuron,)."""
    fitted = session.fitted
    best = np.argsort(-fitted.explained, kind="stable")[:EXAMPLES]
    centres, peaks = fitted.maps.places()
    regression, averaged = fitted.maps.maps(best), response_weighted_average(session.processed).maps(best)
    examples = tuple(
        ExampleField(
            neuron=int(neuron),
            explained=float(fitted.explained[neuron]),
            x=float(centres[neuron, 0]),
            y=float(centres[neuron, 1]),
            peak=float(peaks[neuron]),
            averaged=float(np.mean(regression[place] * averaged[place])),  # both have mean 0 and standard deviation 1
        )
        for place, neuron in enumerate(best.tolist())
    )
    return Found(
        record=FieldsFound(scores=fitted.scores, examples=examples),
        arrays={
            "regression": regression,
            "averaged": averaged,
            "centres": centres.astype(np.float32),
            "explained": fitted.explained.astype(np.float32),
        },
    )


def order(session: Session) -> Found:
    """Raises DataError for a session without images or positions, before fields are fitted."""
    lacking = session.recording.lacks("images", "positions_um")
    if lacking is not None:
        raise DataError(f"order of fields: {lacking}")
    settings = session.settings
    return Found(
        record=field_order(session.processed, session.fitted, seed=settings.seed, permutations=settings.field_order)
    )


def embedding(session: Session, name: str) -> Found:
    """Of trials with a stimulus, drawn by the seed. Arrays: coordinates, (trial, component); labels, (trial,)."""
    shown = np.flatnonzero(~session.recording.grey)
    rng = np.random.default_rng([session.settings.seed, 3])
    trials: Numbers = np.sort(rng.permutation(shown)[: session.settings.embedded])
    made = EMBEDDINGS[name](session.processed.responses[trials])
    return Found(
        record=EmbeddingFound(method=made.method, points=len(trials), strengths=made.strengths),
        arrays={
            "coordinates": np.array(made.coordinates, np.float32),
            "labels": session.recording.labels[trials],
        },
    )


def distances(session: Session, name: str) -> Found:
    """Same-image pairs against others."""
    return Found(record=distance_check(session.recording, CHECKED[name], seed=session.settings.seed))


def clusters(session: Session) -> Found:
    """K-means with every number of clusters that leaves two trials a cluster on average."""
    trials = 2 * len(session.recording.repeats()[0])
    counts = [count for count in session.settings.clusters if 2 * count <= trials]
    if not counts:
        raise DataError(
            f"k-means: {session.recording.name} has {trials} trials of stimuli shown twice, expected at least 4"
        )
    return Found(record=cluster_scores(session.recording, counts, seed=session.settings.seed))


def coclusters(session: Session) -> Found:
    """Neurons chosen on half of the images."""
    return Found(record=cocluster(session.recording, seed=session.settings.seed))


def dimension(session: Session) -> Found:
    """The table of estimates for grey and natural trials."""
    settings = session.settings
    compute = partial(session_dimension, neighbours=settings.neighbours, bins=settings.bins, danco=settings.danco)
    return Found(record=compute(session.processed, seed=settings.seed, most=settings.dimension_trials))
