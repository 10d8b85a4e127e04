"""The page of one or several reports, section by section."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.accuracy import accuracy
from edgeneuro.benchmarks.report.blocks import Page, Part, Section
from edgeneuro.benchmarks.report.devices import devices
from edgeneuro.benchmarks.report.environment import environment, provenance
from edgeneuro.benchmarks.report.latency import latency
from edgeneuro.benchmarks.report.layers import layers
from edgeneuro.benchmarks.report.missing import missing
from edgeneuro.benchmarks.report.pareto import pareto
from edgeneuro.benchmarks.report.pictures import NONE, Pictures, pictures
from edgeneuro.benchmarks.report.ratios import ratios
from edgeneuro.benchmarks.report.resources import resources
from edgeneuro.benchmarks.report.roofline import roofline
from edgeneuro.benchmarks.report.subgroups import subgroups
from edgeneuro.benchmarks.report.summary import summary


def _pareto(report: Report, prefix: str) -> Section:
    return pareto((report,), prefix)


BEFORE_PICTURES: tuple[Callable[[Report, str], Section], ...] = (
    summary,
    _pareto,
    accuracy,
)
AFTER_PICTURES: tuple[Callable[[Report, str], Section], ...] = (
    subgroups,
    ratios,
    latency,
    layers,
    roofline,
    resources,
    missing,
    environment,
    provenance,
)
"""Of one device, in order; only segmentations have pictures."""


def _sections(report: Report, files: Pictures, prefix: str = "") -> tuple[Section, ...]:
    shown = any(engine.task == "segmentation" for engine in report.engines)
    return (
        *(section(report, prefix) for section in BEFORE_PICTURES),
        *([pictures(report, files, prefix)] if shown else []),
        *(section(report, prefix) for section in AFTER_PICTURES),
    )


def page(reports: Sequence[Report], files: Pictures = NONE) -> Page:
    """reports: of different devices, or of one at different dates; at least one. files: pictures of one that was measured just now."""
    if len(reports) == 1:
        (report,) = reports
        about = f"{report.device}, {report.date}"
        part = Part(name="all", title="", sections=_sections(report, files))
        return Page(title="edgeneuro benchmark", about=about, parts=(part,))
    together = Part(name="together", title="All devices", sections=(devices(reports), pareto(reports, "all-")))
    each = [
        Part(
            name=f"device-{place}",
            title=f"{report.device}, {report.date}",
            sections=_sections(report, files, f"device-{place}-"),
        )
        for place, report in enumerate(reports, 1)
    ]
    about = f"{len(reports)} measurements: {', '.join(report.device for report in reports)}"
    return Page(title="edgeneuro benchmark", about=about, parts=(together, *each))
