"""Trials as points: pictures, distances, clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.style import SYMBOLS, axis, layout, text
from edgeneuro.benchmarks.report.v1 import published
from edgeneuro.benchmarks.report.v1.parts import COLOURS, Arrays, rounded, section
from edgeneuro.benchmarks.report.words import UNKNOWN, number
from edgeneuro.data.recordings import UNKNOWN as NO_CLASS
from edgeneuro.spec import Array
from edgeneuro.v1.clusters import ClusterScore
from edgeneuro.v1.coclusters import CoclusterResult
from edgeneuro.v1.distances import DistanceCheck
from edgeneuro.v1.report.records import Document, EmbeddingFound


def pictures(document: Document, arrays: Arrays) -> Section:
    """Embeddings in two dimensions."""
    says = "Trials near each other responded alike. Pictures, not statistics: axes have no unit, and groups can be of the method's making."
    charts = [
        _picture(found, kept["coordinates"], kept["labels"], document.session.classes)
        for found, kept in zip(
            document.embeddings,
            (kept for step, kept in arrays.items() if step.startswith("embeddings.")),
            strict=True,
        )
    ]
    blocks: list[Block] = [Text(lines=(says,)), *charts] if charts else []
    return section(document, "pictures", "Pictures of the trials", blocks, "embeddings")


def clusters(document: Document, arrays: Arrays) -> Section:
    """Whether trials of one image are closer, and whether clusters know it."""
    blocks: list[Block] = []
    if document.distances:
        blocks.append(_distances(document.distances))
    if document.clusters:
        blocks.append(_clusters(document.clusters))
        blocks.append(_chart(document.clusters))
    if document.coclusters is not None:
        blocks += _coclusters(document.coclusters)
    return section(document, "clusters", "Distances and clusters", blocks, "distances", "clusters", "coclusters")


def _picture(found: EmbeddingFound, coordinates: Array, labels: Array, classes: Sequence[str]) -> Chart:
    numbers = [int(label) for label in np.unique(labels)]
    names = {label: UNKNOWN if label == NO_CLASS else classes[label] for label in numbers}
    traces = [
        {
            "type": "scatter", "mode": "markers", "name": text(names[label]), "hoverinfo": "name",
            "x": rounded(coordinates[labels == label, 0]), "y": rounded(coordinates[labels == label, 1]),
            "marker": {
                "color": COLOURS[place % len(COLOURS)], "symbol": SYMBOLS[(place + place // len(COLOURS)) % len(SYMBOLS)],
                "size": 6, "opacity": 0.8,
            },
        }
        for place, label in enumerate(numbers)
    ]  # fmt: skip
    strengths = ", ".join(number(one) for one in found.strengths)
    return Chart(
        name=found.method.replace(" ", "-"),
        title=f"{found.method.capitalize()}, {found.points:,} trials",
        says=f"The first two coordinates of each trial, one colour and symbol a class. Strengths of the axes: {strengths}.",
        figure={
            "data": traces,
            "layout": layout(
                420 + 8 * len(numbers),
                xaxis=axis("first coordinate", showticklabels=False),
                yaxis=axis("second coordinate", showticklabels=False),
            ),
        },
        numbers=Table(
            caption="Mean of each class",
            head=("class", "trials", "first", "second"),
            rows=tuple(
                (names[label], f"{np.count_nonzero(labels == label):,}", *map(number, coordinates[labels == label, :2].mean(0).tolist()))
                for label in numbers
            ),
        ),
    )  # fmt: skip


def _distances(found: Sequence[DistanceCheck]) -> Table:
    return Table(
        caption=f"Euclidean distance between two trials of {found[0].stimuli:,} stimuli, mean ± sd (largest); by chance half are closer",
        head=("preprocessing", "same stimulus", "two stimuli", "same one closer, %", "study"),
        rows=tuple(
            (
                one.preprocessing,
                *(
                    f"{number(pairs.mean)} ± {number(pairs.sd)} ({number(pairs.largest)})"
                    for pairs in (one.same, one.other)
                ),
                f"{100 * one.closer:.1f}",
                published.DISTANCES.get(one.preprocessing, published.NONE),
            )
            for one in found
        ),
        words=(0, 4),
    )


CLUSTER_HEAD = ("both trials in one cluster, %", "by chance, %", "Davies-Bouldin", "adjusted Rand against classes")


def _score(one: ClusterScore) -> tuple[str, ...]:
    return (
        f"{100 * one.same_image:.1f}",
        f"{100 * one.chance:.1f}",
        number(one.davies_bouldin),
        UNKNOWN if one.adjusted_rand is None else f"{one.adjusted_rand:.3f}",
    )


def _clusters(found: Sequence[ClusterScore]) -> Table:
    return Table(
        caption="K-means on z-scored responses; chance is the sum of the clusters' squared shares, and more than 1 / clusters where sizes differ",
        head=("clusters", *CLUSTER_HEAD, "study, %"),
        rows=tuple(
            (str(one.clusters), *_score(one), published.SAME_IMAGE.get(one.clusters, published.NONE)) for one in found
        ),
        words=(5,),
    )


def _chart(found: Sequence[ClusterScore]) -> Chart:
    counts = [one.clusters for one in found]
    series = (("both trials in one cluster", [one.same_image for one in found], "circle", "solid"),
              ("by chance", [one.chance for one in found], "square-open", "dash"))  # fmt: skip
    return Chart(
        name="clusters-share",
        title="Both trials of a stimulus in one cluster",
        says="Share of stimuli against the number of clusters, beside chance: only the distance between the lines says anything.",
        figure={
            "data": [
                {
                    "type": "scatter", "mode": "lines+markers", "name": name, "x": counts, "y": [round(100 * share, 2) for share in shares],
                    "marker": {"symbol": symbol, "size": 9, "color": COLOURS[place]}, "line": {"dash": dash, "color": COLOURS[place]},
                }
                for place, (name, shares, symbol, dash) in enumerate(series)
            ],
            "layout": layout(
                340,
                xaxis=axis("clusters", type="log", tickvals=counts, ticktext=[str(count) for count in counts]),
                yaxis=axis("stimuli, %", rangemode="tozero"),
            ),
        },
        numbers=Table(
            caption="Sizes of clusters, trials",
            head=("clusters", "largest", "smallest"),
            rows=tuple((str(one.clusters), f"{one.sizes[0]:,}", f"{one.sizes[-1]:,}") for one in found),
        ),
    )  # fmt: skip


def _coclusters(found: CoclusterResult) -> list[Block]:
    gains = [f"{100 * gain:+.1f}" for gain in found.gains if gain is not None]
    says = (
        f"{found.biclusters} biclusters on {found.choosing_images:,} images; above chance they put the two trials of an image together by "
        f"{', '.join(gains)} points. The best has {len(found.neurons):,} columns. Below: {found.held_out_images:,} other images, whose trials "
        "went to the nearest of the centres found before."
    )
    return [
        Text(lines=("Co-clusters",), kind="title"),
        Text(lines=(says,)),
        Table(
            caption=f"{found.clusters} clusters on held-out images",
            head=("columns", *CLUSTER_HEAD, "study"),
            rows=(
                (f"chosen ({len(found.neurons):,})", *_score(found.chosen), published.COCLUSTERS),
                ("all", *_score(found.all_neurons), published.NONE),
            ),
            words=(0, 5),
        ),
    ]
