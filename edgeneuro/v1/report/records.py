"""What a report of one session is made of, as it is written to report.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeneuro.data.make_split import Protocol
from edgeneuro.v1.clusters import ClusterScore
from edgeneuro.v1.coclusters import CoclusterResult
from edgeneuro.v1.decoding.decode import Decoding
from edgeneuro.v1.decoding.identity import Identity
from edgeneuro.v1.decoding.neuron_counts import NeuronCount
from edgeneuro.v1.dimension_table import SessionDimension
from edgeneuro.v1.distances import DistanceCheck
from edgeneuro.v1.fields import FieldScores
from edgeneuro.v1.mantel import FieldOrder
from edgeneuro.v1.preprocessing import Method

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """seed: of every step. field_order, labels: permutations of the Mantel tests, and of labels where each fits the decoder again. decoders: of both tables, keys of
    DECODERS. clusters: numbers of clusters, those above the number of trials left out. draws: of neurons, a number of them.
    neighbours, bins: of the graph-distance dimension. danco: whether that estimator is run too. dimension_trials, embedded: at most so
    many trials."""

    seed: int
    field_order: int
    labels: int
    decoders: tuple[str, ...]
    clusters: tuple[int, ...]
    draws: int
    neighbours: tuple[int, ...]
    bins: tuple[int, ...]
    danco: bool
    dimension_trials: int
    embedded: int


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """sha256: over everything of the recording. columns: of the responses: neurons, in gratings times the time windows. method:
    preprocessing of what is not decoding."""

    name: str
    sha256: str
    simulated: bool
    licence: str
    trials: int
    grey: int
    columns: int
    stimuli: int
    groups: int
    labelled: int
    classes: tuple[str, ...]
    dropped: Mapping[str, int]
    has: tuple[str, ...]
    method: Method


@dataclass(frozen=True, kw_only=True)
class ExampleField:
    """neuron: its number. explained: variance explained on held-out images. x, y: where it is strongest, px. peak: largest absolute
    value, standard deviations over pixels. averaged: correlation with the response-weighted average over pixels."""

    neuron: int
    explained: float
    x: float
    y: float
    peak: float
    averaged: float


@dataclass(frozen=True, kw_only=True)
class FieldsFound:
    """examples: the neurons whose fields explain most. Their maps, and centres and explained variance of all neurons, are arrays."""

    scores: FieldScores
    examples: tuple[ExampleField, ...]


@dataclass(frozen=True, kw_only=True)
class EmbeddingFound:
    """strengths: (component,) eigenvalues; see edgeneuro.v1.embedding. Coordinates and labels of the trials are arrays."""

    method: str
    points: int
    strengths: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ByNeurons:
    """Accuracy with so many columns, drawn at random."""

    decoder: str
    protocol: Protocol
    split: str
    chance: float
    counts: tuple[NeuronCount, ...]


@dataclass(frozen=True, kw_only=True)
class OtherLabels:
    """labels: what the classes are here: a merge, or quantiles of an image statistic."""

    labels: str
    found: Decoding


@dataclass(frozen=True, kw_only=True)
class GuidedLabels:
    """clusters of images, by the smallest Davies-Bouldin index. becomes: class -> its cluster."""

    clusters: int
    becomes: Mapping[str, str]
    found: Decoding


@dataclass(frozen=True, kw_only=True)
class Document:
    """report.json. A field is None or empty where its steps were skipped; skipped: step -> why. seconds: step -> time it took."""

    session: SessionFacts
    settings: Settings
    fields: FieldsFound | None = None
    order: FieldOrder | None = None
    dimension: SessionDimension | None = None
    embeddings: tuple[EmbeddingFound, ...] = ()
    distances: tuple[DistanceCheck, ...] = ()
    clusters: tuple[ClusterScore, ...] = ()
    coclusters: CoclusterResult | None = None
    decoding: tuple[Decoding, ...] = ()
    leaky: tuple[Decoding, ...] = ()
    by_neurons: ByNeurons | None = None
    identity: Identity | None = None
    merged: tuple[OtherLabels, ...] = ()
    guided: GuidedLabels | None = None
    statistics: tuple[OtherLabels, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    schema: int = SCHEMA
