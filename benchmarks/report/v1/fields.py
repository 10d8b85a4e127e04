"""Receptive fields, and whether neighbours look at neighbouring places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.style import axis, layout
from edgeneuro.benchmarks.report.v1 import published
from edgeneuro.benchmarks.report.v1.parts import DIVERGING, Arrays, rounded, section
from edgeneuro.benchmarks.report.words import UNKNOWN, number, percent
from edgeneuro.spec import Array
from edgeneuro.v1.fields import QUANTILES
from edgeneuro.v1.mantel import Mantel
from edgeneuro.v1.report.records import Document, FieldsFound

GAP = 2
"""Empty pixels between two maps."""
WIDEST = 140
"""Pixels of a map that is drawn whole; of wider ones every second, third, ..."""


def fields(document: Document, arrays: Arrays) -> Section:
    """Maps and how much of the responses they explain."""
    found = document.fields
    blocks: list[Block] = []
    if found is not None:
        kept = arrays["fields"]
        blocks = [_how(found), _scores(found), _maps(found, kept), _centres(found, kept)]
    return section(document, "fields", "Receptive fields", blocks, "fields")


def order(document: Document, arrays: Arrays) -> Section:
    """Mantel tests."""
    found = document.order
    blocks: list[Block] = []
    if found is not None:
        tests = {
            "distance of cells, all pairs": found.everywhere,
            f"distance of cells, pairs closer than {found.radius_um:g} µm": found.local,
            f"not among the {found.alike} most correlated neurons": found.correlated,
        }
        says = (
            "Mantel tests of the distance of field centres against other distances between the same neurons; p by permuting neurons. "
            "Neurons that respond alike have like fields by what fields are: the last row checks the method."
        )
        blocks = [Text(lines=(says,)), _tests(tests)]
    return section(document, "order", "Order of fields", blocks, "order")


def _tests(tests: Mapping[str, Mantel | None]) -> Table:
    return Table(
        caption="Distance of field centres against",
        head=("distance", "correlation", "p", "neurons", "pairs", "permutations", "study"),
        rows=tuple(
            (name, *([UNKNOWN] * 5), published.NONE)
            if test is None
            else (
                name,
                number(test.r),
                number(test.p),
                f"{test.points:,}",
                f"{test.pairs:,}",
                f"{test.permutations:,}",
                published.NONE if name.startswith("not") else published.FIELD_ORDER,
            )
            for name, test in tests.items()
        ),
        words=(0, 6),
    )


def _how(found: FieldsFound) -> Text:
    one = found.scores
    reduced = (
        "all neurons" if one.components is None else f"the first {one.components} principal components of responses"
    )
    return Text(
        lines=(
            (
                f"Reduced-rank ridge regression of {reduced} on images of unit length, rank {one.rank}, penalty {one.alpha:g}, the "
                f"study's settings; fitted on {one.training_images:,} images, scored on {one.held_out_images:,} others."
            ),
        )
    )


def _scores(found: FieldsFound) -> Table:
    one = found.scores
    levels = tuple(f"{100 * level:g} % below" for level in QUANTILES)
    spread = [[UNKNOWN] * len(levels), [UNKNOWN] * len(levels)]
    for place, values in enumerate((one.of_neurons, one.of_neurons_corrected)):
        if values:
            spread[place] = [f"{100 * value:.1f}" for value in values]
    return Table(
        caption=f"Variance explained on held-out images, % [95 % over images], and below what it is for so many neurons; corrected: of {one.with_signal:,} neurons whose repeats agree",
        head=("measure", "all neurons", *levels, "study"),
        rows=(
            ("mean of two repeats", percent(one.variance_explained), *spread[0], published.VARIANCE_EXPLAINED),
            ("noise-corrected", percent(one.noise_corrected), *spread[1], published.NONE),
        ),
        words=(0, len(levels) + 2),
    )


def _maps(found: FieldsFound, kept: Mapping[str, Array]) -> Chart:
    step = -(-kept["regression"].shape[2] // WIDEST)
    columns = [_column(kept[name][:, ::step, ::step]) for name in ("regression", "averaged")]
    picture = np.concatenate([columns[0], np.full((len(columns[0]), GAP), np.nan), columns[1]], 1)
    height = 44 * len(found.examples) + 110
    hidden = {"visible": False, "zeroline": False}
    heads = [("regression", 0.25), ("response-weighted average", 0.75)]
    return Chart(
        name="fields-maps",
        title="Fields of the neurons that are explained best",
        says="One neuron a row: left by regression, right the response-weighted average; standard deviations over pixels, orange where "
        "light excites, blue where darkness does. A field that both show at one place is no product of the method.",
        figure={
            "data": [
                {
                    "type": "heatmap", "z": [[None if np.isnan(v) else round(v, 1) for v in row] for row in picture.tolist()],
                    "zmin": -4, "zmax": 4, "colorscale": DIVERGING, "hoverinfo": "skip",
                    "colorbar": {"title": {"text": "standard deviations", "side": "right"}, "thickness": 12},
                }
            ],
            "layout": layout(
                height,
                margin={"l": 8, "r": 8, "t": 30, "b": 8},
                xaxis=hidden,
                yaxis={**hidden, "autorange": "reversed"},
                annotations=[
                    {"x": x, "y": 1, "xref": "paper", "yref": "paper", "yanchor": "bottom", "xanchor": "center", "text": words, "showarrow": False}
                    for words, x in heads
                ],
            ),
        },
        numbers=Table(
            caption="From top to bottom",
            head=("neuron", "variance explained, %", "strongest at x, px", "y, px", "peak, sd", "correlation of both maps"),
            rows=tuple(
                (str(one.neuron), f"{100 * one.explained:.1f}", f"{one.x:.0f}", f"{one.y:.0f}", f"{one.peak:.1f}", f"{one.averaged:.2f}")
                for one in found.examples
            ),
        ),
    )  # fmt: skip


def _column(maps: Array) -> Array:
    """(row, column) maps below each other. maps: (neuron, height, width)."""
    padded = np.pad(maps, ((0, 0), (0, GAP), (0, 0)), constant_values=np.nan)
    return padded.reshape(-1, maps.shape[2])[:-GAP]


def _centres(found: FieldsFound, kept: Mapping[str, Array]) -> Chart:
    explained, centres = 100 * kept["explained"], kept["centres"]
    best = np.argsort(-explained, kind="stable")[:1000]
    height, width = kept["regression"].shape[1:]
    third = np.quantile(explained, (1 / 3, 2 / 3))
    rows = []
    for name, inside in (
        ("least explained third", explained <= third[0]),
        ("middle", (explained > third[0]) & (explained <= third[1])),
        ("best explained third", explained > third[1]),
    ):
        mean, spread = centres[inside].mean(0), centres[inside].std(0)
        rows.append((name, f"{inside.sum():,}", *(f"{a:.1f} ± {b:.1f}" for a, b in zip(mean, spread, strict=True))))
    marker: dict[str, Any] = {
        "size": 6, "color": rounded(explained[best], 3), "colorscale": "Viridis", "showscale": True, "opacity": 0.8,
        "colorbar": {"title": {"text": "explained, %", "side": "right"}, "thickness": 12},
    }  # fmt: skip
    return Chart(
        name="fields-centres",
        title="Where fields are strongest",
        says=f"Centre of each field in the image of {width} x {height} px, of the {len(best):,} neurons that are explained best; colour is "
        "the variance explained.",
        figure={
            "data": [
                {
                    "type": "scatter", "mode": "markers", "x": rounded(centres[best, 0]), "y": rounded(centres[best, 1]), "marker": marker,
                    "hovertemplate": "x %{x}, y %{y} px<extra></extra>",
                }
            ],
            "layout": layout(
                340, xaxis=axis("x, px", range=[-1, width]), yaxis=axis("y, px", range=[height, -1]), showlegend=False
            ),
        },
        numbers=Table(caption="Centres, px, mean ± sd", head=("neurons", "number", "x", "y"), rows=tuple(rows)),
    )  # fmt: skip
