"""What was not measured, and why: never a made-up number, never silence."""

from __future__ import annotations

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.blocks import Section, Table, Text

ASK = {
    "soak": "; --soak SECONDS does",
    "accuracy": "; --data with labelled frames does",
    "pictures": "; --report with --data that has masks does",
}
"""What would have measured it."""


def why_missing(report: Report, what: str) -> str:
    """The sentence that stands where `what` would be."""
    for name, reason in report.not_measured.items():
        if name == what or name.endswith(f": {what}"):
            return f"Not measurable here: {reason}."
    return f"Not measured in this run{ASK.get(what, '')}."


def missing(report: Report, prefix: str = "") -> Section:
    """All of it, in one table."""
    rows = tuple((name, reason) for name, reason in report.not_measured.items())
    block = (
        Table(caption="Not measured, and why", head=("what", "why"), rows=rows, words=(0, 1))
        if rows
        else Text(lines=("Everything that was asked for was measured.",))
    )
    return Section(name=f"{prefix}missing", title="Not measured here", blocks=(block,))
