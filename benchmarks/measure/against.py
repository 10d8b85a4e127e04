"""A benchmark against an older one: what has got worse beyond noise (docs/regression.md).

Only this project's rows are judged. What is counted (bytes, operations, convolutions in INT8) is compared as it is;
accuracy where it was taken on the same frames; times as ratios to the float row of the same run, because two runs
share nothing else, and as they are only where both runs were on the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeneuro.benchmarks.document import OURS, Report, Row
from edgeneuro.benchmarks.measure.against_rows import (
    TOLERANCE,
    accuracy_changes,
    count_changes,
    engine_changes,
    median_changes,
    ratio_changes,
)
from edgeneuro.benchmarks.measure.change import Change, change_line
from edgeneuro.errors import RegressionError, UsageError
from edgeneuro.records import to_json

Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Regressions:
    """date, device: of the baseline. checks: quantities compared. vanished: rows of the baseline that are not there, each
    with what is known of why. notes: what was not compared, and what else differs."""

    date: str
    device: str
    checks: int
    regressions: tuple[Change, ...]
    improvements: tuple[Change, ...]
    vanished: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing got worse."""
        return not self.regressions and not self.vanished


def against(
    report: Report, baseline: Report, *, ratios_only: bool = False, tolerance: float = TOLERANCE
) -> Regressions:
    """ratios_only: do not compare times as they are, not even on the same machine. tolerance: share by which a time may
    grow. Raises UsageError where the reports have no engine in common."""
    pairs, vanished, notes = _match(report, baseline)
    changes = [change for engine in baseline.engines for change in engine_changes(report, engine)]
    for row, old in pairs:
        if row.path != old.path:
            notes.append(f"{row.name}: runs {row.path}, the baseline ran {old.path}; the two are not compared.")
            continue
        changes += count_changes(row, old)
        found = accuracy_changes(row, old)
        changes += found.changes
        notes += found.notes
    notes += [*_versions(report, baseline), *_choices(pairs)]
    silent = tuple(_why_no_times(report, baseline))
    notes += silent
    if not silent:
        same = [(row, old) for row, old in pairs if row.path == old.path]
        changes += ratio_changes(report, baseline, same, tolerance)
        different = _other_machine(report, baseline)
        if different and not ratios_only:
            notes.append(f"{different}: times are compared as ratios to the float row only.")
        elif not ratios_only:
            changes += median_changes(report, baseline, same, tolerance)
    return Regressions(
        date=baseline.date,
        device=baseline.device,
        checks=len(changes),
        regressions=tuple(change for change in changes if change.verdict == "worse"),
        improvements=tuple(change for change in changes if change.verdict == "better"),
        vanished=vanished,
        notes=tuple(notes),
    )


def check_against(
    report: Report, baseline: Report, *, ratios_only: bool = False, tolerance: float = TOLERANCE
) -> Regressions:
    """The same; raises RegressionError that lists everything where something got worse."""
    found = against(report, baseline, ratios_only=ratios_only, tolerance=tolerance)
    if not found.holds:
        raise RegressionError("\n".join(regression_lines(found)), to_json(found))
    return found


def regression_lines(found: Regressions) -> tuple[str, ...]:
    """For people: the verdict, then every regression with what to try, improvements, and notes."""
    worse = len(found.regressions) + len(found.vanished)
    verdict = f"{worse} regression{'s' if worse > 1 else ''}" if worse else "no regression"
    lines = [f"{verdict} in {found.checks} checks against the baseline of {found.date} ({found.device})"]
    for change in found.regressions:
        lines.append(f"  worse: {change_line(change)}; {change.advice}")
    lines += [f"  gone: {text}" for text in found.vanished]
    lines += [f"  better: {change_line(change)}" for change in found.improvements]
    if worse:
        lines.append("  if this is meant, renew the baseline; otherwise the lines above say where to look")
    elif found.improvements:
        lines.append("  renew the baseline, so that what was won is kept")
    return (*lines, *(f"  note: {note}" for note in found.notes))


def _match(report: Report, baseline: Report) -> tuple[list[tuple[Row, Row]], tuple[str, ...], list[str]]:
    """Rows that are in both, now and before; what vanished; notes on what is new or not judged."""
    rows, old_rows = _ours(report), _ours(baseline)
    if not {row.engine for row in rows.values()} & {row.engine for row in old_rows.values()}:
        mine, theirs = (", ".join(engine.name for engine in one.engines) for one in (report, baseline))
        raise UsageError(
            f"--against: the baseline is of {theirs}, this run of {mine}; expected an engine of the same file name, or a "
            "new baseline"
        )
    pairs = [(row, old_rows[key]) for key, row in rows.items() if key in old_rows]
    vanished = tuple(_gone(old, report) for key, old in old_rows.items() if key not in rows)
    notes = [f"{row.name}: is new, the baseline has no such row." for key, row in rows.items() if key not in old_rows]
    rivals = sum(row.tool != OURS for row in (*report.rows, *baseline.rows))
    return pairs, vanished, [*notes, *(["Rows of other tools are not judged."] if rivals else [])]


def _ours(report: Report) -> dict[Key, Row]:
    return {(row.engine, row.tool, row.backend, row.precision): row for row in report.rows if row.tool == OURS}


def _gone(old: Row, report: Report) -> str:
    """Name, and the reason that this run gives for it."""
    for what, reason in report.not_measured.items():
        if what in (old.name, old.backend):
            return f"{old.name}: {reason}"
    return f"{old.name}: was measured, is not; build the engine with this graph, or measure it here"


def _why_no_times(report: Report, baseline: Report) -> Iterator[str]:
    for which, one in (("this run", report), ("the baseline", baseline)):
        if not one.quiet.quiet:
            yield " ".join(
                (f"no verdict on times: {which} was too noisy.", *one.quiet.reasons, "Run it again on a quiet machine.")
            )
    now, was = report.conditions.threads, baseline.conditions.threads
    if now != was:
        yield (
            f"no verdict on times: this run used {_threads(now)}, the baseline {_threads(was)}. Give the same --threads."
        )


def _threads(threads: int | None) -> str:
    return (
        "as many threads as the backend takes" if threads is None else f"{threads} thread{'s' if threads > 1 else ''}"
    )


def _other_machine(report: Report, baseline: Report) -> str:
    """How the machines differ, "" where they agree."""
    for what in ("processor", "cores"):
        now, was = report.machine.get(what), baseline.machine.get(what)
        if now != was:
            return f"Another machine ({what} {now}, the baseline's {was})"
    return ""


def _choices(pairs: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """What backend=auto takes now and did not take then. A note: of two equally fast rows either may be taken."""
    for row, old in pairs:
        if row.chosen and not old.chosen:
            taken = next(
                (other.name for _, other in pairs if other.chosen and other.engine == old.engine), "another row"
            )
            yield f"backend=auto takes {row.name}; in the baseline it took {taken}."


def _versions(report: Report, baseline: Report) -> Iterator[str]:
    """Libraries that are not those of the baseline: often the cause."""
    now, was = report.machine.get("libraries", {}), baseline.machine.get("libraries", {})
    changed = [f"{name} {was[name]} -> {now[name]}" for name in was if name in now and now[name] != was[name]]
    if changed:
        yield f"Other versions than in the baseline: {', '.join(changed)}."
