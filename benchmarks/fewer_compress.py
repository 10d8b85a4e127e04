"""What a finished search of `edgeneuro compress` found, as a committed table.

    edgeneuro compress CKPT --target-macs 0.45 --study STUDY ...
    python -m edgeneuro.benchmarks.fewer_compress STUDY

Writes docs/results/fewer_compress_DATA.json and .md from the study's files alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeneuro.benchmarks.real_tables import written_notes
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.results import RESULTS, write_result
from edgeneuro.errors import UsageError
from edgeneuro.export.compress.finish import Result
from edgeneuro.export.compress.records import Candidate, Outcome, SearchSettings
from edgeneuro.records import from_json
from edgeneuro.training.checkpoint import read_config

COLUMNS = {
    "trial": "trial",
    "state": "ended",
    "image_size": "input, px",
    "precision": "precision",
    "removed": "blocks left out",
    "macs_share": "operations, of the base's",
    "ms": "ms through the bundle, p10 to p90",
    "score": "balanced accuracy on the validation part, %",
    "drop": "lost against the base in float, points",
    "epochs": "epochs",
    "not_beaten": "not beaten in",
}


def row_of(outcome: Outcome, found: dict[str, Any]) -> dict[str, Any]:
    """A trial. found: the study's document."""
    fronts = [name for name, numbers in found["not_beaten"].items() if outcome.number in numbers]
    return {
        "trial": outcome.number,
        "state": outcome.state,
        "reason": outcome.reason,
        **_tried(outcome.candidate),
        "macs": outcome.macs,
        "params": outcome.params,
        "macs_share": None if outcome.macs is None else round(outcome.macs / found["base"]["macs"], 3),
        "ms": None if outcome.latency_ms is None else "{:.3f}, {:.3f} to {:.3f}".format(*outcome.latency_ms),
        "score": None if outcome.score is None else percent(outcome.score),
        "drop": None if outcome.drop_points is None else points(outcome.drop_points),
        "epochs": outcome.epochs,
        "not_beaten": ", ".join(fronts) or None,
    }


def _tried(candidate: Candidate) -> dict[str, Any]:
    return {
        "image_size": candidate.image_size,
        "precision": candidate.precision,
        "removed": ", ".join(candidate.removed) or None,
        "strength": dict(candidate.strength),
        "kept_float": candidate.kept_float,
    }


def result_lines(why: str, result: Result) -> list[str]:
    """The end of the search in words: the winner's network, its time, and what the test part says."""
    size = (
        f"The winner, trained to its end: {result.macs:,} multiply-accumulates ({100 * result.macs_share:.1f} % of the base's), "
        f"{result.params:,} parameters."
    )
    ended = "Its engine was written." if result.written else f"Its engine was not written: {result.reason}."
    if result.latency is None or result.test is None:  # refused before it was compared with the base
        return [why, size, ended]
    test, latency = result.test, result.latency
    judged = (
        f"{latency.ms[0]:.3f} ms in {latency.precision} on {latency.backend}, {latency.ratio:.2f} of the base's time in the same rounds. "
        f"On the test part, looked at once, {test.gate.data.groups} groups: {percent(test.score)} %, the base in float "
        f"{percent(test.base)} %; lost: {points(test.drop_points)} points."
    )
    return [why, size, judged, ended]


def main(study: Annotated[Path, typer.Argument(help="Folder of a search that has ended.")]) -> None:
    """Write the table."""
    found = json.loads((study / "pareto.json").read_bytes())
    if found["result"] is None:
        raise UsageError(f"{study}: the search has not ended; go on with `edgeneuro compress --resume`")
    result = from_json(Result, found["result"], "result")
    result = replace(result, reason=result.reason.replace(f"{study.resolve()}/", ""))
    settings = from_json(SearchSettings, found["settings"], "settings")
    data = Path(settings.data or read_config(Path(settings.base)).data).name
    trials = [from_json(Outcome, trial, "trial") for trial in found["trials"]]
    name = f"fewer_compress_{data}"
    goal = settings.goal
    teacher = "" if settings.teacher is None else f" --teacher {Path(settings.teacher).parent.name}"
    write_result(
        name,
        title=f"A search for a smaller network, {data}",
        rows=[row_of(trial, found) for trial in trials],
        columns=COLUMNS,
        context={
            "script": f"edgeneuro compress CKPT --target-macs {goal.macs:g} --max-drop {goal.max_drop}{teacher} --trials "
            f"{settings.trials} --epochs {settings.epochs} --final-epochs {settings.final_epochs} --threads {settings.threads}; "
            "python -m edgeneuro.benchmarks.fewer_compress STUDY",
            "data": f"{data}, the base's own split; trials are judged on its validation part",
            "base": f"{found['model']} of {'/'.join(Path(settings.base).parts[-2:])}, {found['base']['macs']:,} multiply-accumulates",
            "notes": [*result_lines(found["why"], result), *written_notes(RESULTS / f"{name}.notes.md")],
        },
    )


if __name__ == "__main__":
    typer.run(main)
