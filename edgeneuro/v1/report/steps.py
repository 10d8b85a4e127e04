"""The table of steps: every analysis, under the name of its files, and the field of the document that its result becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeneuro.v1.clusters import ClusterScore
from edgeneuro.v1.coclusters import CoclusterResult
from edgeneuro.v1.decoding.decode import Decoding
from edgeneuro.v1.decoding.decoders import DECODERS
from edgeneuro.v1.decoding.identity import Identity
from edgeneuro.v1.decoding.image_statistics import STATISTICS
from edgeneuro.v1.decoding.merges import read_merges
from edgeneuro.v1.dimension_table import SessionDimension
from edgeneuro.v1.distances import DistanceCheck
from edgeneuro.v1.mantel import FieldOrder
from edgeneuro.v1.report import decoding_steps, response_steps
from edgeneuro.v1.report.records import ByNeurons, EmbeddingFound, FieldsFound, GuidedLabels, OtherLabels, Settings
from edgeneuro.v1.report.session import Found, Session


@dataclass(frozen=True, kw_only=True)
class Step:
    """name: of its files. title: for people. part: field of Document; several: whether results of other steps stand beside it there.
    kind: of the record. run: raises DataError, with the reason, where the session does not allow it."""

    name: str
    title: str
    part: str
    kind: Any
    run: Callable[[Session], Found]
    several: bool = False


def steps(settings: Settings) -> tuple[Step, ...]:
    """In the order in which they are run."""
    decoders = {name: DECODERS[name].title for name in settings.decoders}
    leaky = {name: f"leaky: {title}" for name, title in decoders.items()}
    merges = {name: f"merged classes: {name}" for name in read_merges()}
    distances = {name: f"distances, {name}" for name in response_steps.CHECKED}
    embeddings = {name: name for name in response_steps.EMBEDDINGS}
    statistics = {name: f"image {name}" for name in STATISTICS}
    return (
        _step("fields", "receptive fields", FieldsFound, response_steps.fields),
        _step("order", "order of fields", FieldOrder, response_steps.order),
        *_several("embeddings", embeddings, EmbeddingFound, response_steps.embedding),
        *_several("distances", distances, DistanceCheck, response_steps.distances),
        _step("clusters", "k-means", tuple[ClusterScore, ...], response_steps.clusters),
        _step("coclusters", "co-clusters", CoclusterResult, response_steps.coclusters),
        _step("dimension", "intrinsic dimension", SessionDimension, response_steps.dimension),
        _step("identity", "image identity", Identity, decoding_steps.identity),
        *_several("decoding", decoders, Decoding, decoding_steps.honest),
        *_several("leaky", leaky, Decoding, decoding_steps.leaky),
        _step("by_neurons", "accuracy by number of neurons", ByNeurons, decoding_steps.by_neurons),
        *_several("merged", merges, OtherLabels, decoding_steps.merged),
        _step("guided", "guided merge", GuidedLabels, decoding_steps.guided),
        *_several("statistics", statistics, OtherLabels, decoding_steps.statistic),
    )


def _step(name: str, title: str, kind: Any, run: Callable[[Session], Found]) -> Step:
    return Step(name=name, title=title, part=name, kind=kind, run=run)


def _several(part: str, titles: Mapping[str, str], kind: Any, run: Callable[[Session, str], Found]) -> tuple[Step, ...]:
    """A step for each key of `titles`, with which `run` is called."""

    def bound(key: str) -> Callable[[Session], Found]:
        return lambda session: run(session, key)

    return tuple(
        Step(name=f"{part}.{key}", title=title, part=part, kind=kind, run=bound(key), several=True)
        for key, title in titles.items()
    )
