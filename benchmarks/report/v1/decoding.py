"""What can be read from responses: classes, honestly and leaky, with fewer neurons; other classes; the image itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeneuro.benchmarks.report.accuracy import confusion_figure
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.style import LINE, axis, layout, shortened, text
from edgeneuro.benchmarks.report.v1 import published
from edgeneuro.benchmarks.report.v1.parts import COLOURS, Arrays, line, section
from edgeneuro.benchmarks.report.words import UNKNOWN, number, percent
from edgeneuro.benchmarks.v1_gratings import REFERENCE
from edgeneuro.v1.decoding.decode import Decoding
from edgeneuro.v1.decoding.identity import Identity
from edgeneuro.v1.report.records import ByNeurons, Document

LEAKY = (
    "Leaky: trials are divided one by one, so trials of one image or block are on both sides and a decoder can know them again instead of the "
    "class. The study's accuracies are of such a split; they are to be held against the leaky column, never against the honest one."
)


def classes(document: Document, arrays: Arrays) -> Section:
    """The table of decoders."""
    blocks: list[Block] = []
    if document.decoding:
        blocks = [Text(lines=(LEAKY,), kind="warning"), *_splits(document), _table(document), _chart(document)]
        blocks.append(_confusion(document.decoding[0]))
    if document.by_neurons is not None:
        blocks.append(_by_neurons(document.by_neurons))
    return section(document, "decoding", "Decoding of classes", blocks, "decoding", "leaky", "by_neurons")


def others(document: Document, arrays: Arrays) -> Section:
    """Merged classes, classes from image statistics, image identity."""
    rows = [
        *(_row(f"merged: {one.labels}", one.found, published.MERGED.get(one.labels)) for one in document.merged),
        *(_row(f"image {one.labels}", one.found, None) for one in document.statistics),
    ]
    if document.guided is not None:
        rows.append(_row(f"guided merge, {document.guided.clusters} clusters", document.guided.found, published.GUIDED))
    blocks: list[Block] = []
    if rows:
        says = (
            "The fewer and the less even the classes, the higher the accuracy of an answer that never changes: compare with the majority "
            "share. Which classes the study merged is lost; the merges here are ours."
        )
        head = (
            "classes",
            "decoder",
            "accuracy, % [95 %]",
            "balanced, %",
            "majority share, %",
            "chance, %",
            "p",
            "study, %, leaky",
        )
        table = Table(
            caption="Other labels of the same trials, honest split", head=head, rows=tuple(rows), words=(0, 1, 7)
        )
        blocks = [Text(lines=(says,)), table]
    if document.identity is not None:
        blocks.append(_identity(document.identity))
    return section(
        document, "labels", "Other labels and image identity", blocks, "merged", "guided", "statistics", "identity"
    )  # fmt: skip


def _splits(document: Document) -> Iterator[Text]:
    honest = document.decoding[0]
    also = f"; {document.leaky[0].split}" if document.leaky else ""
    yield Text(
        lines=(
            (
                f"Responses {honest.preprocessing}, {honest.columns:,} columns, {honest.tested:,} trials tested, {len(honest.classes)} "
                f"classes. {honest.split.capitalize()}{also}. Majority share {100 * honest.majority_share:.1f} %, chance "
                f"{100 * honest.chance:.1f} %."
            ),
        )
    )
    reference = REFERENCE["direction"].get(document.session.name.partition("_")[0])
    if reference is not None:
        says = f"Reference of the data set's README: {100 * reference:.0f} %, shrinkage LDA, each block left out in turn, 8 directions."
        yield Text(lines=(says,))


def _table(document: Document) -> Table:
    leaky = {one.decoder: one for one in document.leaky}
    return Table(
        caption="Accuracy and balanced accuracy, % [95 % over groups]; p: permuted labels, honest split",
        head=("decoder", "honest", "balanced", "p", "leaky", "leaky, balanced", "study, leaky"),
        rows=tuple(
            (
                one.title,
                percent(one.accuracy),
                percent(one.balanced_accuracy),
                number(one.p_value, 2),
                percent(leaky[one.decoder].accuracy) if one.decoder in leaky else UNKNOWN,
                percent(leaky[one.decoder].balanced_accuracy) if one.decoder in leaky else UNKNOWN,
                published.ACCURACY.get(one.decoder, published.NONE),
            )
            for one in document.decoding
        ),
        words=(0, 6),
    )


def _chart(document: Document) -> Chart:
    series: Sequence[tuple[str, Sequence[Decoding], str]] = (
        ("honest", document.decoding, "circle"),
        ("leaky", document.leaky, "square-open"),
    )
    shares = (("majority share", document.decoding[0].majority_share), ("chance", document.decoding[0].chance))
    traces = [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": [round(100 * one.accuracy.value, 2) for one in found],
            "y": [text(one.decoder) for one in found],
            "error_x": {
                "type": "data", "symmetric": False, "array": [100 * (one.accuracy.high - one.accuracy.value) for one in found],
                "arrayminus": [100 * (one.accuracy.value - one.accuracy.low) for one in found], "thickness": 1.2, "color": COLOURS[place],
            },
            "marker": {"symbol": symbol, "size": 10, "color": COLOURS[place]},
        }
        for place, (name, found, symbol) in enumerate(series) if found
    ]  # fmt: skip
    return Chart(
        name="decoding-accuracy",
        title="Accuracy of the decoders",
        says="Honest and leaky accuracy with 95 % intervals over groups; the dashed line is the majority share. What is left of it is not "
        "decoded, and a leaky point far right of the honest one was known again.",
        figure={
            "data": traces,
            "layout": layout(
                34 * len(document.decoding) + 150,
                xaxis=axis("accuracy, %", rangemode="tozero"),
                yaxis={"automargin": True, "autorange": "reversed", "showgrid": True},
                shapes=[
                    {
                        "type": "line", "x0": 100 * shares[0][1], "x1": 100 * shares[0][1], "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
                        "line": {"color": LINE, "width": 1.5, "dash": "dash"},
                    }
                ],
            ),
        },
        numbers=Table(
            caption="To compare with, %",
            head=("what", "share"),
            rows=tuple((name, f"{100 * share:.1f}") for name, share in shares),
        ),
    )  # fmt: skip


def _confusion(found: Decoding) -> Chart:
    return Chart(
        name="decoding-confusion",
        title=f"Confusion matrix: {found.title}",
        says="Trials by true class (down) and decoded class (across), honest split.",
        figure=confusion_figure(found.classes, found.confusion),
        numbers=Table(
            caption="Trials",
            head=("true \\ decoded", *(shortened(name) for name in found.classes)),
            rows=tuple(
                (name, *(f"{count:,}" for count in row))
                for name, row in zip(found.classes, found.confusion, strict=True)
            ),
        ),
    )


def _by_neurons(found: ByNeurons) -> Chart:
    counts = [one.columns for one in found.counts]
    means = [round(100 * one.mean, 2) for one in found.counts]
    spread = {"type": "data", "array": [round(100 * one.sd, 2) for one in found.counts], "thickness": 1.2}
    traces = [
        line(found.decoder, counts, means, 0, "solid", error_y=spread) | {"mode": "lines+markers"},
        line("chance", [counts[0], counts[-1]], [100 * found.chance] * 2, 6, "dash"),
    ]
    return Chart(
        name="decoding-neurons",
        title="Accuracy against the number of neurons",
        says=f"Mean over random draws, {found.split}; bars are the standard deviation of the draws, which share trials. In a session of "
        "gratings a column is a neuron in one time window.",
        figure={
            "data": traces,
            "layout": layout(
                360,
                xaxis=axis("columns", type="log", tickvals=counts, ticktext=[f"{count:,}" for count in counts]),
                yaxis=axis("accuracy, %", rangemode="tozero"),
            ),
        },
        numbers=Table(
            caption="Accuracy, %",
            head=("columns", "mean", "sd of draws", "draws"),
            rows=tuple(
                (f"{one.columns:,}", f"{100 * one.mean:.1f}", f"{100 * one.sd:.1f}", str(len(one.scores)))
                for one in found.counts
            ),
        ),
    )


def _row(labels: str, found: Decoding, study: str | None) -> tuple[str, ...]:
    return (
        labels,
        found.title,
        percent(found.accuracy),
        percent(found.balanced_accuracy),
        f"{100 * found.majority_share:.1f}",
        f"{100 * found.chance:.1f}",
        number(found.p_value, 2),
        study or published.NONE,
    )


def _identity(found: Identity) -> Table:
    return Table(
        caption="Which stimulus a second trial showed, by the nearest of all first trials",
        head=("preprocessing", "stimuli", "right, % [95 %]", "chance, %", "median rank of the right one", "study, %"),
        rows=(
            (
                found.preprocessing,
                f"{found.images:,}",
                percent(found.accuracy),
                number(100 * found.chance, 2),
                number(found.median_rank),
                published.IDENTITY,
            ),
        ),
        words=(0, 5),
    )
