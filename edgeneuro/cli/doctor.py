"""edgeneuro doctor: what this machine can build and run, and the remedy for what it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgeneuro.cli.options import Json, out, print_facts, print_json

if TYPE_CHECKING:
    from edgeneuro.cli.examine import Report

JOBS = {
    "build_tensorrt": "build TensorRT engines",
    "run_tensorrt": "run TensorRT engines",
    "build_tensorrt_rtx": "build TensorRT-RTX engines",
    "run_tensorrt_rtx": "run TensorRT-RTX engines",
}
"""Jobs whose name is not a sentence yet."""


def command(as_json: Json = False) -> None:
    """Say what this machine can build and run, and the remedy for what it cannot.

    Looks at Python, processor, memory, GPU, driver, CUDA, JetPack, TensorRT, power mode and cache. Exit code 1 where the
    machine cannot even run an .edge file.

    \b
    edgeneuro doctor
    edgeneuro doctor --json
    """
    from edgeneuro.cli.examine import examine
    from edgeneuro.records import to_json

    report = examine()
    if as_json:
        print_json(to_json(report))
    else:
        _show(report)
    if not report.can["run"]:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    console = out()
    console.print(f"edgeneuro {report.edgeneuro} on {report.architecture}, {report.cores} cores", soft_wrap=True)
    print_facts(
        console,
        (
            (f"{'ok' if check.ok else '--'}  {check.name}", "; ".join(filter(None, (check.found, check.remedy))))
            for check in report.checks
        ),
    )
    for job, possible in report.can.items():
        console.print(f"{'can' if possible else 'cannot'} {JOBS.get(job, job)}")
