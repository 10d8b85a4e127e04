"""Which layers gain from INT8: what the placement search of `build-engine` measured for one engine.

    python -m edgeneuro.benchmarks.placement ENGINE.edge

Reads the plan inside the engine and writes docs/results/placement.json and .md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.benchmarks.results import write_result
from edgeneuro.errors import InputError
from edgeneuro.export.bundle import PLAN
from edgeneuro.export.plan import Plan
from edgeneuro.runtime import read_bundle


def main(engine: Annotated[Path, typer.Argument(help="An .edge file built with --int8.")]) -> None:
    """Write the table of candidates, fastest first."""
    bundle = read_bundle(engine)
    if PLAN not in bundle.members:
        raise InputError(f"{engine}: has no {PLAN}; build it with --int8")
    plan = Plan.from_bytes(bundle.members[PLAN])
    manifest = bundle.manifest
    write_result(
        "placement",
        title="INT8 placements beside float",
        rows=[
            {"target": item.target, "name": item.name, "time_ratio": item.time_ratio, "error": item.error}
            for item in plan.measured
        ],
        columns={
            "target": "runtime",
            "name": "in INT8",
            "time_ratio": "time / float, median of rounds",
            "error": "error of the logits / their standard deviation",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.placement {engine.name}",
            "model": f"{manifest.model}, {manifest.frame_preprocess.height} x {manifest.frame_preprocess.width} px",
            "ranges": plan.method,
            "chosen": [note for note in manifest.notes if note.startswith("placement:")],
            "notes": [
                "One frame at a time; every candidate and the float graph run in each round, ratios within a round.",
                "Rows with additions and poolings in INT8 take in the attention's pooling; its dense layers and its "
                + "threshold are float in every row.",
            ],
        },
    )
    for item in plan.measured:
        print(f"{item.time_ratio:.2f}  {item.name}")


if __name__ == "__main__":
    typer.run(main)
