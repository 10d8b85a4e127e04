"""The page of one session, section by section, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeneuro.benchmarks.report.blocks import Block, Page, Part, Section, Table, Text
from edgeneuro.benchmarks.report.html import check_html, html
from edgeneuro.benchmarks.report.markdown import markdown
from edgeneuro.benchmarks.report.v1 import published
from edgeneuro.benchmarks.report.v1.decoding import classes, others
from edgeneuro.benchmarks.report.v1.dimension import dimension
from edgeneuro.benchmarks.report.v1.fields import fields, order
from edgeneuro.benchmarks.report.v1.parts import Arrays
from edgeneuro.benchmarks.report.v1.trials import clusters, pictures
from edgeneuro.benchmarks.report.words import duration, listed, percent
from edgeneuro.files import canonical_json, refuse_existing, write_bytes
from edgeneuro.records import to_json
from edgeneuro.v1.report.records import Document

NAMES = ("report.json", "report.md", "report.html")
SECTIONS = (fields, order, dimension, pictures, clusters, classes, others)


def check_v1_report(folder: Path, *, force: bool) -> None:
    """To be called before anything long. Raises InputError where report.html cannot be made here, OutputError where a report is in `folder`
    and `force` is not given."""
    check_html()
    for name in NAMES:
        refuse_existing(folder / name, force=force)


def write_v1_report(document: Document, arrays: Arrays, folder: Path) -> tuple[Path, ...]:
    """The three files, each whole or not at all, in place of any that are there. Raises OutputError."""
    made = v1_page(document, arrays)
    contents = (canonical_json(to_json(document)), markdown(made).encode(), html(made).encode())
    for name, content in zip(NAMES, contents, strict=True):
        write_bytes(folder / name, content)
    return tuple(folder / name for name in NAMES)


def v1_page(document: Document, arrays: Arrays) -> Page:
    """arrays: of the steps, by name."""
    one = document.session
    about = f"{one.name}, {one.trials:,} trials of {one.columns:,} columns"
    sections = (_summary(document), *(section(document, arrays) for section in SECTIONS), _steps(document))
    return Page(title="edgeneuro v1", about=about, parts=(Part(name="all", title="", sections=sections),))


def _summary(document: Document) -> Section:
    one = document.session
    blocks: list[Block] = []
    if one.simulated:
        blocks.append(
            Text(lines=("Simulated data: what is found here tests the methods and says nothing about any animal.",), kind="warning")
        )  # fmt: skip
    blocks.append(Text(lines=tuple(_findings(document)), kind="list"))
    beside = (
        "Columns named “study” hold what El-Dallal, Maher, Amashukeli and Sherif (University of Tartu) or, where marked, Stringer et al. 2019 "
        "found in recordings of about 10,000 neurons and 2,800 natural images. Other sessions need not come near."
    )
    blocks += [Text(lines=(beside,)), _facts(document)]
    return Section(name="summary", title="Summary", blocks=tuple(blocks))


def _findings(document: Document) -> Iterator[str]:
    if document.fields is not None:
        scores = document.fields.scores
        yield (
            f"Receptive fields explain {percent(scores.variance_explained)} % of the responses to held-out images, {percent(scores.noise_corrected)} "
            f"% corrected for noise; study: {published.VARIANCE_EXPLAINED}."
        )  # fmt: skip
    if document.order is not None:
        test = document.order.everywhere
        yield f"Field centres against positions of cells: correlation {test.r:.3f}, p = {test.p:.3g}; study: {published.FIELD_ORDER}."
    if document.decoding:
        best = max(document.decoding, key=lambda found: found.balanced_accuracy.value)
        leaky = {found.decoder: found for found in document.leaky}.get(best.decoder)
        also = "" if leaky is None else f" (leaky split: {percent(leaky.accuracy)} %)"
        yield (
            f"Classes: {percent(best.accuracy)} % right by {best.title}, the best of {len(document.decoding)}{also}; majority share "
            f"{100 * best.majority_share:.1f} %. The best of several was chosen by these very trials."
        )  # fmt: skip
    if document.identity is not None:
        found = document.identity
        yield (
            f"Stimulus by its nearest neighbour: {percent(found.accuracy)} % of {found.images:,} right, {100 * found.chance:.2g} % by chance; "
            f"study: {published.IDENTITY}."
        )  # fmt: skip
    if document.dimension is not None:
        steady = document.dimension.more.graph.steady
        yield f"Intrinsic dimension: estimates {'agree' if steady else 'do not agree'} over settings; see the table before quoting any."
    if document.skipped:
        yield f"{len(document.skipped)} of {len(document.seconds)} steps were not run; the reasons are below."


def _facts(document: Document) -> Table:
    one = document.session
    rows = [
        ("session", one.name),
        ("SHA-256", one.sha256),
        ("licence", one.licence),
        ("trials", f"{one.trials:,}, {one.grey:,} of them grey, {one.labelled:,} with a class"),
        ("columns", f"{one.columns:,}"),
        ("stimuli", f"{one.stimuli:,} in {one.groups:,} groups that stay together"),
        ("classes", listed(one.classes) or "none"),
        ("also has", listed(one.has) or "nothing else"),
        ("left out", listed(f"{count} of {reason}" for reason, count in one.dropped.items()) or "no neuron"),
        ("preprocessing where nothing is decoded", one.method),
        ("seed", str(document.settings.seed)),
    ]
    return Table(caption="The session", head=("what", "value"), rows=tuple(rows), words=(0, 1))


def _steps(document: Document) -> Section:
    table = Table(
        caption="Steps, in order",
        head=("step", "time", "not run because"),
        rows=tuple(
            (step, duration(seconds), document.skipped.get(step, "")) for step, seconds in document.seconds.items()
        ),
        words=(0, 2),
    )
    return Section(name="steps", title="Steps", blocks=(table,))
