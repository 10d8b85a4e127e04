"""What the clock and the manifest say of an engine and its rows, as records of the document."""

from __future__ import annotations

import hashlib

from edgeneuro.benchmarks.document import Comparison, EngineRecord, Quiet, Row
from edgeneuro.benchmarks.dual import DUAL_MODEL, LIGHT_MODEL
from edgeneuro.benchmarks.measure.open_rows import OpenRow
from edgeneuro.benchmarks.measure.quantiles import latency
from edgeneuro.benchmarks.measure.quiet import compare
from edgeneuro.benchmarks.measure.session import Timed


def row_of(one: Timed, row: OpenRow) -> Row:
    """Times and what is known of the graph; the rest follows in `details`."""
    steps = one.times.rows[row.name]
    graph = None if row.engine is None else row.engine.graph
    return Row(
        name=row.name,
        engine=one.label,
        tool=row.tool,
        backend=row.backend,
        precision=row.precision,
        path=None if graph is None else graph.path,
        bytes=None if row.graph is None else len(row.graph),
        convolutions=None if graph is None else graph.convolutions,
        int8_convolutions=None if graph is None else graph.int8_convolutions,
        steps={step: latency(ms) for step, ms in steps.items()},
        timeline_ms=tuple(round(float(ms), 4) for ms in steps["inference"]),
        start_ms={} if row.engine is None else dict(row.engine.start_ms),
        chosen=row.name == one.chosen,
        flags=() if row.engine is None else row.engine.flags,
        notes=row.notes,
    )


def engine_record(one: Timed, dual_macs: int) -> EngineRecord:
    """dual_macs: multiply-accumulates of the dual-branch network."""
    manifest = one.bundle.manifest
    claimed = manifest.model in (LIGHT_MODEL, DUAL_MODEL)  # not of networks to compare with, nor of the user's own
    return EngineRecord(
        name=one.label,
        sha256=hashlib.sha256(one.path.read_bytes()).hexdigest(),
        model=manifest.model,
        task=manifest.task,
        precision=manifest.precision,
        input=", ".join(" x ".join(str(size) for size in spec.shape[1:]) for spec in manifest.inputs),
        bytes=one.path.stat().st_size,
        members={name: len(data) for name, data in one.bundle.members.items()},
        compute=manifest.compute,
        dual_share=manifest.compute.macs / dual_macs if claimed else None,
        trained_on=None if manifest.trained_on is None else manifest.trained_on.name,
        provenance=manifest.provenance,
        auto=one.choice.reason,
        flags=tuple(dict.fromkeys(flag for row in one.rows if row.engine for flag in row.engine.flags)),
        notes=(*manifest.notes, *one.notes),
    )


def comparisons(one: Timed, quiet: Quiet) -> list[Comparison]:
    """Every row with the float one, and the chosen row with every other."""
    ms, first = one.inference, one.rows[0].name
    pairs = [(name, first) for name in ms if name != first]
    pairs += [(one.chosen, name) for name in ms if name not in (one.chosen, first)]
    return [compare(row, reference, ms, quiet) for row, reference in dict.fromkeys(pairs)]
