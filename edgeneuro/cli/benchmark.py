"""edgeneuro benchmark: operations, bytes and time, float beside INT8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import Json, Quiet, Threads


def command(
    engines: Annotated[list[Path], typer.Argument(metavar="ENGINE...", help=".edge files.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Where frames come from.  [default: synthetic ones]", metavar="SRC")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Times that every graph runs.")] = 200,
    warm_up: Annotated[int, typer.Option(min=0, metavar="N", help="Rounds before these, not counted.")] = 20,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of synthetic frames and of the order within a round.")
    ] = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what engines cost on this machine: operations, bytes, and time a frame.

    Every graph of every engine runs in each round, in an order drawn anew, so that they can be compared.

    \b
    edgeneuro benchmark myositis-int8.edge
    edgeneuro benchmark lung.edge --data us_lung_pocus --threads 1 --json
    """
    from edgeneuro.benchmarks.latency import benchmark
    from edgeneuro.benchmarks.show import show_benchmark
    from edgeneuro.cli.options import out, print_json, tracked
    from edgeneuro.data import open_data

    done = benchmark(
        engines,
        None if data is None else open_data(data),
        rounds=rounds,
        warm_up=warm_up,
        threads=threads,
        seed=seed,
        track=tracked("rounds", quiet=quiet),
    )
    if as_json:
        print_json(done.document())
    else:
        show_benchmark(done, out())
