"""Intrinsic dimension: no estimate alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.style import axis, layout, log_axis
from edgeneuro.benchmarks.report.v1 import published
from edgeneuro.benchmarks.report.v1.parts import Arrays, line, rounded, section
from edgeneuro.benchmarks.report.words import UNKNOWN, number
from edgeneuro.v1.dimension_table import STEADY, DimensionTable, PointsDimension, SessionDimension
from edgeneuro.v1.report.records import Document
from edgeneuro.v1.variance_spectrum import PowerLaw

CAVEAT = (
    "The graph-distance estimator is tested to find dimensions 2 and 5. From about 20 on it is off by factors of 2 to 50 at these numbers of "
    "trials and swings with its settings, so neither its values here nor the study's 41 and 118 are verified numbers."
)


def dimension(document: Document, arrays: Arrays) -> Section:
    """Graph distances at every setting, other estimators, the spectrum."""
    found = document.dimension
    blocks: list[Block] = []
    if found is not None:
        blocks = [Text(lines=(CAVEAT,), kind="warning"), _others(found)]
        for name, title, points in _sets(found):
            blocks += _graph(name, title, points)
        if found.power_law is not None:
            blocks.append(_spectrum(found.power_law))
        blocks += [Text(lines=(f"Left out, {part}: {why}.",)) for part, why in found.skipped.items()]
    return section(document, "dimension", "Intrinsic dimension", blocks, "dimension")


def _sets(found: SessionDimension) -> Iterator[tuple[str, str, PointsDimension]]:
    for name, title, points in (
        ("grey", "grey screen", found.grey),
        ("natural", "stimuli, as many trials as grey", found.natural),
        ("more", "stimuli, more trials", found.more),
    ):
        if points is not None:
            yield name, f"{title} ({points.trials:,})", points


def _others(found: SessionDimension) -> Table:
    study = {"grey": published.GREY, "natural": published.NATURAL, "more": published.NATURAL}
    power = found.power_law
    rows = [
        (
            title,
            _range(points.graph),
            "yes" if points.graph.steady else "no",
            number(points.others.two_nn),
            number(points.others.mle),
            number(points.others.danco),
            number(points.others.participation_ratio),
            study[name],
        )
        for name, title, points in _sets(found)
    ]
    law = "" if power is None else (
        f"; power law of the spectrum: exponent {power.exponent:.2f} over ranks {power.first} to {power.last}, {power.negative} of them without common variance, study: {published.POWER_LAW}"
    )  # fmt: skip
    return Table(
        caption=f"Estimates by trials; steady: settings agree within a factor of {STEADY:g} and no fit has a doubt{law}",
        head=("trials of", "graph distances, all settings", "steady", "TwoNN", "MLE", "DANCo", "participation ratio", "study, graph distances"),
        rows=tuple(rows),
        words=(0, 2, 7),
    )  # fmt: skip


def _range(table: DimensionTable) -> str:
    fitted = [row.found.fitted for row in table.rows if row.found.fitted is not None]
    return f"{min(fitted):.1f} to {max(fitted):.1f}" if fitted else UNKNOWN


def _graph(name: str, title: str, points: PointsDimension) -> Iterator[Block]:
    table = points.graph
    swings = [
        f"{number(swing)} as {what} change"
        for swing, what in ((table.swing_neighbours, "neighbours"), (table.swing_bins, "bins"))
        if swing is not None
    ]
    largest = f"; largest over smallest: {', '.join(swings)}" if swings else ""
    yield Text(lines=(f"Graph distances, {title}",), kind="title")
    bins = sorted({row.bins for row in table.rows})
    cells = {(row.metric, row.neighbours, row.bins): row.found for row in table.rows}
    keys = list(dict.fromkeys((row.metric, row.neighbours) for row in table.rows))
    yield Table(
        caption=f"Dimension by least squares (whole number with the lowest error){largest}",
        head=("metric", "neighbours", *(f"{size} bins" for size in bins), "doubts"),
        rows=tuple(
            (
                metric,
                str(count),
                *(
                    UNKNOWN if (one := cells[metric, count, size]).fitted is None else f"{one.fitted:.1f} ({one.lowest})"
                    for size in bins
                ),
                "; ".join(dict.fromkeys(note for size in bins for note in cells[metric, count, size].notes)) or "none",
            )
            for metric, count in keys
        ),
        words=(0, len(bins) + 2),
    )  # fmt: skip
    yield from _overlay(name, title, table)


def _overlay(name: str, title: str, table: DimensionTable) -> Iterator[Chart]:
    """The curves of the setting in the middle of the table, the numbers of all."""
    if not table.overlays:
        return
    cells = {(row.metric, row.neighbours, row.bins): row.found for row in table.rows}
    one = table.overlays[len(table.overlays) // 2]
    curves = (
        ("data", cells[one.metric, one.neighbours, one.bins].curve, "solid"),
        (f"sphere of dimension {one.dimension}", one.sphere, "dash"),
        (f"Gaussian of dimension {one.dimension}", one.gaussian, "dot"),
    )
    yield Chart(
        name=f"dimension-{name}",
        title=f"Path lengths, {title}",
        says=f"Histogram of path lengths ({one.metric}, {one.neighbours} neighbours, {one.bins} bins) beside as many points of the dimension "
        "found. Where the three curves do not lie on each other, the estimate means little; an empty one has too few distinct lengths.",
        figure={
            "data": [
                line(words, rounded(np.array(curve.r)), rounded(np.array(curve.log_p)), place, dash)
                for place, (words, curve, dash) in enumerate(curves)
            ],
            "layout": layout(
                360, xaxis=axis("path length / most frequent one"), yaxis=axis("log of frequency / largest")
            ),
        },
        numbers=Table(
            caption="What the estimator makes of as many points of the dimension found",
            head=("metric", "neighbours", "bins", "found", "on a sphere of it", "in a Gaussian of it"),
            rows=tuple(
                (
                    over.metric,
                    str(over.neighbours),
                    str(over.bins),
                    number(cells[over.metric, over.neighbours, over.bins].fitted),
                    number(over.fitted_sphere),
                    number(over.fitted_gaussian),
                )
                for over in table.overlays
            ),
        ),
    )


def _spectrum(found: PowerLaw) -> Chart:
    variance = np.array(found.spectrum)
    positive = variance > 0
    ranks = np.arange(1, len(variance) + 1)[positive]
    ends = np.array([found.first, found.last], float)
    rows = [str(rank) for rank in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if rank <= len(variance)]
    return Chart(
        name="dimension-spectrum",
        title="Variance that repeats have in common, by component",
        says=f"Cross-validated spectrum of {found.stimuli:,} stimuli; {100 * found.reliable:.1f} % of the variance of one repeat is common to "
        f"both. The line falls as rank to the power -{found.exponent:.2f}, fitted over ranks {found.first} to {found.last}, of which "
        f"{found.negative} have no common variance. Study: {published.POWER_LAW}.",
        figure={
            "data": [
                line("common variance", rounded(ranks.astype(float)), rounded(variance[positive]), 0, "solid"),
                line("power law", rounded(ends), rounded(_law(found, ends)), 1, "dash"),
            ],
            "layout": layout(
                360,
                xaxis=log_axis("component", ranks.tolist()),
                yaxis=axis("variance", type="log", exponentformat="power"),
            ),
        },
        numbers=Table(
            caption="Variance of single components",
            head=("component", "common variance"),
            rows=tuple((rank, f"{variance[int(rank) - 1]:.3g}") for rank in rows),
        ),
    )  # fmt: skip


def _law(found: PowerLaw, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fitted line at these ranks; ranks weigh as they do in the fit, by 1 / rank."""
    fitted = np.arange(found.first, found.last + 1, dtype=np.float64)
    variance = np.abs(np.array(found.spectrum[found.first - 1 : found.last]))
    x, y = np.average([np.log(fitted), np.log(variance)], axis=1, weights=1 / fitted)
    law: NDArray[np.float64] = np.exp(y - found.exponent * (np.log(ranks) - x))
    return law
