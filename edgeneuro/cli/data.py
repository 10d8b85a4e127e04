"""`edgeneuro data`: list, describe and make data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import (
    HELP,
    Force,
    GroupColumn,
    Json,
    LabelColumn,
    Quiet,
    err,
    out,
    print_facts,
    print_json,
    tracked,
)

if TYPE_CHECKING:
    from edgeneuro.data.describe import Known, Summary

app = typer.Typer(
    no_args_is_help=True,
    context_settings=HELP,
    help="""List, describe and make data sets.

    \b
    edgeneuro data list
    edgeneuro data describe folder/
    """,
)

MOST_SIZES = 5
"""Frame sizes named one by one in the text for people; JSON has them all."""


@app.command("list")
def list_sets(json: Json = False) -> None:
    """Known data sets, and where they were found.

    \b
    EDGENEURO_DATA=/data edgeneuro data list
    """
    from edgeneuro.data.describe import known_sets
    from edgeneuro.records import to_json

    sets = known_sets()
    if json:
        print_json(to_json(sets))
        return
    print_facts(out(), ((known.name, f"{_where(known)} (licence: {known.licence})") for known in sets))
    if any(known.found is None for known in sets):
        err().print("set EDGENEURO_DATA to the folder that holds the missing ones, or give their path", soft_wrap=True)


@app.command()
def describe(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="A folder, a registered name, or a simulated set, NAME or NAME:SEED (see `data list`)."
        ),
    ],
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    json: Json = False,
) -> None:
    """Count classes, groups, folds and frame sizes.

    Reads every frame; exit code 1 if one cannot be read.

    \b
    edgeneuro data describe ../shared/data/us_lung_pocus
    """
    from edgeneuro.data import open_data
    from edgeneuro.data.describe import summarise
    from edgeneuro.errors import DataError
    from edgeneuro.records import to_json

    dataset = open_data(source, label_column=label_column, group_column=group_column)
    with _progress("reading", len(dataset)) as advance:
        summary = summarise(dataset, on_frame=advance)
    if json:
        print_json(to_json(summary))
    else:
        out().print(_text(summary), soft_wrap=True)
    if summary.unreadable:
        first = next(iter(summary.unreadable.values()))
        raise DataError(f"{len(summary.unreadable)} of {summary.frames} frames cannot be read, first {first}")


@app.command()
def make(
    kind: Annotated[
        str, typer.Argument(metavar="NAME", help="What to simulate: phantom, phantom-lesions, ... (see `data list`).")
    ],
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Other seeds give other subjects, lesions, neurons, volumes.")
    ] = 0,
    force: Force = False,
) -> None:
    """Write a simulated data set as a folder.

    PNG files, of neurons SWC files, of volumes TIFF stacks, with masks, labels.csv and dataset.json, as any command takes them.

    \b
    edgeneuro data make phantom --out phantom/ --seed 7
    """
    from edgeneuro.data.simulated import SIMULATED, open_simulated
    from edgeneuro.data.writing import write_folder
    from edgeneuro.errors import UsageError

    if kind not in SIMULATED:
        raise UsageError(f"{kind!r}: cannot be made, expected {' or '.join(SIMULATED)}")
    dataset = open_simulated(f"{kind}:{seed}")
    with _progress("simulating", len(dataset)) as advance:
        write_folder(dataset, folder, force=force, on_frame=advance)
    groups = len({sample.group for sample in dataset.samples})
    out().print(f"{folder}: {len(dataset)} frames in {groups} groups, simulated", soft_wrap=True)


@app.command("fetch-neuromorpho")
def fetch_neuromorpho(
    species: Annotated[str, typer.Option("--species", metavar="NAME", help="As NeuroMorpho.Org has it, e.g. rat.")],
    cell_type: Annotated[
        list[str], typer.Option("--cell-type", metavar="NAME", help="A class, e.g. pyramidal; repeat for others.")
    ],
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write, or to go on with.")],
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Neurons of each class at most.")] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Server that has the interface.  [default: https://neuromorpho.org]"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Reconstructions of neurons from NeuroMorpho.Org.

    SWC files with labels.csv, grouped by archive. One request a second; a run that was stopped goes on when it is
    started again. Cite the original papers (column reference_doi) and NeuroMorpho.Org.

    \b
    edgeneuro data fetch-neuromorpho --species rat --cell-type pyramidal --cell-type basket --out rat/
    """
    from edgeneuro.data.neuromorpho import HOST, Query, fetch
    from edgeneuro.data.polite_http import PoliteReader

    query = Query(species=species, cell_types=tuple(dict.fromkeys(cell_type)), limit=limit)
    fetched = fetch(query, folder, PoliteReader(host=host or HOST), track=tracked("fetching", quiet=quiet))
    out().print(
        f"{folder}: {sum(fetched.neurons.values())} neurons ({_counts(fetched.neurons)}); "
        f"left out: {_counts(fetched.left_out) or 'none'}",
        soft_wrap=True,
    )


@contextmanager
def _progress(what: str, frames: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error where that is a terminal; yields what to call after each frame."""
    from rich.progress import Progress

    console = err()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=frames)
        yield lambda: progress.advance(task)


def _where(known: Known) -> str:
    return "made by this package" if known.found == "" else known.found or "not found"


def _text(summary: Summary) -> str:
    """The summary for people, one fact a line."""
    sizes = [f"{size} px: {frames}" for size, frames in summary.sizes.items()]
    if len(sizes) > MOST_SIZES:
        sizes = [*sizes[:MOST_SIZES], f"and {len(sizes) - MOST_SIZES} other sizes"]
    classes = "\n".join(f"  {row.name:24} {row.frames:6} frames {row.groups:6} groups" for row in summary.classes)
    return "\n".join(
        (
            f"{summary.name}: {summary.frames} frames in {summary.groups} groups"
            + (", simulated" if summary.simulated else ""),
            f"licence: {summary.licence}",
            f"classes:\n{classes}" if classes else "classes: none, the frames are unlabelled",
            f"rows dropped: {_counts(summary.dropped) or 'none'}",
            f"frames in each fold: {_counts(summary.folds) or 'the table has no fold column'}",
            f"sizes: {', '.join(sizes)}",
            f"pixels: {_counts(summary.pixels)}",
            f"columns for --by: {', '.join(summary.columns)}",
        )
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())
