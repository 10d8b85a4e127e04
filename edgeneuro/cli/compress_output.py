"""What `edgeneuro compress` says and writes of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeneuro.cli.options import err, out, print_facts

if TYPE_CHECKING:
    from edgeneuro.export.compress.finish import Result
    from edgeneuro.export.compress.pareto import ParetoDocument
    from edgeneuro.export.compress.records import Outcome
    from edgeneuro.export.compress.study import Found

REPORTS = ("pareto.json", "pareto.md", "pareto.html")


def trial_line(one: Outcome) -> str:
    """e.g. "trial   3   96 px int8   34.2 M MACs    0.412 ms   71.2 %  complete"."""
    from edgeneuro.benchmarks.report.words import amount, number

    macs = f"{amount(one.macs)} MACs"
    time = f"{number(one.latency_ms[0] if one.latency_ms else None)} ms"
    score = f"{100 * one.score.value:.1f} %" if one.score else "- %"
    text = f"trial {one.number:3d}  {one.candidate.image_size:4d} px {one.candidate.precision}  {macs:>13}  {time:>9}  {score:>7}  "
    return text + one.state + (f": {one.reason}" if one.reason else "")


def write_reports(model: str, found: Found, result: Result | None, folder: Path) -> ParetoDocument:
    """pareto.json, pareto.md and pareto.html in the study."""
    from edgeneuro.benchmarks.report.compress import compress_page
    from edgeneuro.benchmarks.report.html import html
    from edgeneuro.benchmarks.report.markdown import markdown
    from edgeneuro.export.compress.pareto import document
    from edgeneuro.files import canonical_json, write_bytes
    from edgeneuro.records import to_json

    made = document(model, found, result)
    page = compress_page(made)
    contents = (canonical_json(to_json(made)), markdown(page).encode(), html(page).encode())
    for name, content in zip(REPORTS, contents, strict=True):
        write_bytes(folder / name, content)
    return made


@contextmanager
def shown(quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Yields what to tell each trial and each step: on a terminal lines above a spinner, elsewhere lines, nothing if `quiet`."""
    console = err()
    console.quiet = quiet

    def line(text: str) -> None:
        console.print(text, soft_wrap=True)

    if not console.is_terminal:
        yield line, lambda text: line(f"{text} ...")
        return
    with console.status("starting") as status:
        yield line, lambda text: status.update(f"{text} ...")


def show(document: ParetoDocument, folder: Path, path: Path) -> None:
    """The trials that no other beats, then what the search ended in."""
    from rich.table import Table

    from edgeneuro.benchmarks.report.compress import HEAD, WORDS, trial_cells

    console = out()
    kept = [
        place
        for place, name in enumerate(HEAD)
        if name not in ("state", "kept in float", "blocks left out", "time", "reason")
    ]
    table = Table(box=None, pad_edge=False)
    for place in kept:
        table.add_column(HEAD[place], justify="left" if place in WORDS else "right", overflow="fold")
    best = {number for numbers in document.not_beaten.values() for number in numbers}
    for one in document.trials:
        if one.number in best:
            cells = trial_cells(one, document.base.macs)
            table.add_row(*(cells[place] for place in kept))
    console.print("Not beaten in score and cost, on the validation part:")
    console.print(table)
    console.print()
    print_facts(console, list(facts(document, folder, path)))


def facts(document: ParetoDocument, folder: Path, path: Path) -> Iterator[tuple[str, str]]:
    """Of the winner; the only place where the test part is spoken of."""
    from edgeneuro.benchmarks.report.words import amount, number, percent, points
    from edgeneuro.manifest import Interval

    yield "why", document.why
    result: dict[str, Any] = document.result
    yield (
        "operations",
        f"{amount(result['macs'])} MACs, {result['macs_share']:.3f} of the base; {amount(result['params'])} parameters",
    )
    if latency := result["latency"]:
        beside = f"{latency['ratio']:.3f} of the uncompressed INT8 engine's time"
        yield "inference", f"{number(latency['ms'][0])} ms on {latency['backend']}, {beside}"
    if test := result["test"]:
        score, base, drop = (Interval(**test[key]) for key in ("score", "base", "drop_points"))
        gate = test["gate"]
        yield "test", f"{percent(score)} %, base in float {percent(base)} %; {gate['data']['groups']} groups, seen once"
        yield "drop", f"{points(drop)} points against the base in float, paired by frame: {gate['verdict']}"
    yield "engine", str(path) if result["written"] else "not written"
    yield "study", f"{folder}, with {', '.join(REPORTS)}"
