"""Which of two rows is faster: ratios round by round, with a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeneuro.benchmarks.document import Comparison, Ratio, Report, Row, Verdict
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.style import LINE, PAGE, layout, log_axis, shortened, text
from edgeneuro.benchmarks.report.words import number, short, times

LOOKS: Mapping[Verdict, tuple[str, str]] = {
    "faster": ("#009E73", "triangle-left"),
    "slower": ("#D55E00", "triangle-right"),
    "no difference": ("#0072B2", "circle"),
    "no verdict": ("#8A8A8A", "x-thin-open"),
}
"""Colour and symbol of a verdict."""
ROW = 34
"""Height of a comparison, px."""


def ratios(report: Report, prefix: str = "") -> Section:
    """A chart and a table for every engine."""
    rows = {row.name: row for row in report.rows}
    blocks: list[Block] = [
        Text(
            lines=(
                (
                    "Time of a row over that of its reference, both in the same round; below 1 the row is faster. The median, its "
                    "95 % interval, and the spread from p10 to p90 over rounds."
                ),
                noise_words(report.quiet.same),
            )
        )
    ]
    for place, engine in enumerate(report.engines):
        own = [one for one in report.comparisons if rows[one.row].engine == engine.name]
        if own:
            blocks += _engine(engine.name, own, rows, report.quiet.same, f"{prefix}ratios-{place}")
    if not report.comparisons:
        blocks = [Text(lines=("Nothing was compared: there was one row only.",))]
    return Section(name=f"{prefix}ratios", title="Ratios", blocks=tuple(blocks))


def noise_words(same: Ratio | None) -> str:
    """What one row against itself tells."""
    if same is None:
        return "No row was run twice, so the noise of this run is not known."
    return f"One row run twice in every round, against itself: {times(same)}; what it is off 1 is noise."


def _engine(
    name: str, own: Sequence[Comparison], rows: Mapping[str, Row], same: Ratio | None, mark: str
) -> Iterator[Block]:
    yield Text(lines=(name,), kind="title")
    for place, (of_reference, shared, group) in enumerate(grouped(own)):
        fixed = short(rows[shared])
        others = [short(rows[one.row if of_reference else one.reference]) for one in group]
        title = f"{name}: time over that of {fixed}" if of_reference else f"{name}: time of {fixed} over that of others"
        faster = "the named row" if of_reference else fixed
        yield Chart(
            name=f"{mark}-{place}",
            title=title,
            says=f"{len(group)} ratios with 95 % intervals on a logarithmic axis; left of the line at 1 {faster} is faster. The grey "
            f"band is noise. {_count(group)}.",
            figure=_figure(group, others, same),
            numbers=Table(
                caption=title,
                head=("row" if of_reference else "other", "median [95 %]", "p10 to p90", "verdict"),
                rows=tuple(
                    (other, times(one.ratio), f"{number(one.ratio.p10)} to {number(one.ratio.p90)}", one.verdict)
                    for other, one in zip(others, group, strict=True)
                ),
                words=(0, 3),
            ),
        )


def grouped(own: Sequence[Comparison]) -> list[tuple[bool, str, list[Comparison]]]:
    """Comparisons that share one of their rows, as a chart can show them: whether it is the reference, its name, and they."""
    references = Counter(one.reference for one in own)
    found: dict[tuple[bool, str], list[Comparison]] = {}
    for one in own:
        of_reference = references[one.reference] > 1 or len(own) == 1
        found.setdefault((of_reference, one.reference if of_reference else one.row), []).append(one)
    return [(of_reference, shared, group) for (of_reference, shared), group in found.items()]


def _count(own: Sequence[Comparison]) -> str:
    """ "9 faster, 2 slower"."""
    found = [(verdict, sum(one.verdict == verdict for one in own)) for verdict in LOOKS]
    return ", ".join(f"{count} {verdict}" for verdict, count in found if count)


def _figure(own: Sequence[Comparison], others: Sequence[str], same: Ratio | None) -> dict[str, Any]:
    """others: what the name of each comparison is beside the row they share."""
    places = {id(one): len(own) - 1 - number for number, one in enumerate(own)}
    data = []
    for verdict, (ink, symbol) in LOOKS.items():
        found = [one for one in own if one.verdict == verdict]
        if not found:
            continue
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": verdict,
                "x": [one.ratio.p50 for one in found], "y": [places[id(one)] for one in found],
                "error_x": {
                    "type": "data", "symmetric": False, "color": ink, "thickness": 1.5, "width": 4,
                    "array": [one.ratio.high - one.ratio.p50 for one in found],
                    "arrayminus": [one.ratio.p50 - one.ratio.low for one in found],
                },
                "marker": {"color": ink, "symbol": symbol, "size": 10, "line": {"width": 1.5, "color": ink}},
                "hovertemplate": "%{x:.3f}<extra></extra>", "showlegend": True,
            }
        )  # fmt: skip
    values = [side for one in own for side in (one.ratio.low, one.ratio.high)]
    shapes: list[dict[str, Any]] = [{"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": LINE, "width": 2}}]  # fmt: skip
    if same is not None:
        shapes.append({"type": "rect", "x0": min(same.low, 1), "x1": max(same.high, 1), "y0": 0, "y1": 1, "yref": "paper", "fillcolor": LINE, "opacity": 0.25, "line": {"width": 0}, "layer": "below"})  # fmt: skip
    names = [_name(other, len(own) - 1 - place) for place, other in enumerate(others)]
    return {
        "data": data,
        "layout": layout(
            min(ROW * len(own) + 110, PAGE),
            xaxis=log_axis("time / reference's time", [*values, 1.0]),
            yaxis={"range": [-0.6, len(own) - 0.2], "showticklabels": False, "showgrid": False, "zeroline": False},
            shapes=shapes,
            annotations=names,
            margin={"l": 12, "r": 14, "t": 8, "b": 44},
        ),
    }


def _name(other: str, place: int) -> dict[str, Any]:
    """Above its interval, from the left edge, so that long names fit a narrow screen."""
    return {
        "x": 0, "xref": "paper", "xanchor": "left", "y": place + 0.42, "yanchor": "middle", "showarrow": False,
        "text": text(shortened(other, 50)), "font": {"size": 11},
    }  # fmt: skip
