"""What a candidate's engine is worth: its score on the validation part, and what it loses against the base in float."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.data import DataSet
from edgeneuro.export.accuracy import drop, score_interval
from edgeneuro.export.gate import Margin
from edgeneuro.export.gate import judge as gate_of
from edgeneuro.export.outcomes import Collector, Outcomes, answer_of
from edgeneuro.manifest import Gate, Interval, Precision
from edgeneuro.runtime import open_engine

BASE, ENGINE = "base", "engine"
"""Names of the two in `Outcomes`, the reference first."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """score, base: of the engine and of the base network in float on the same frames, 0..1. drop_points: paired, positive
    is worse. gate: the verdict on that drop."""

    score: Interval
    base: Interval
    drop_points: Interval
    gate: Gate

    @property
    def reason(self) -> str:
        """e.g. "Balanced accuracy drops by 0.42 points [-0.10, 1.30], limit 1; about 30 groups like these 9 would decide"."""
        return self.gate.judgements[0].reason


def judge(
    bundle: Path,
    base: Path,
    data: DataSet,
    *,
    margin: Margin,
    metric: str,
    backend: str | None = None,
    precision: Precision | None = None,
    threads: int = 1,
) -> Judged:
    """Run the engine `bundle` and the float graph of the bundle `base` on the frames of `data`, each as it wants them.

    data: labelled; of the validation part while anything is chosen. backend, precision: of the graph of `bundle` that is
    judged, as open_engine takes them. Intervals are by group. Raises what open_engine raises, DataError, FrameError.
    """
    outcomes = paired(bundle, base, data, backend=backend, precision=precision, threads=threads)
    return Judged(
        score=score_interval(outcomes, ENGINE, metric),
        base=score_interval(outcomes, BASE, metric),
        drop_points=drop(outcomes, ENGINE, metric).interval(),
        gate=gate_of(outcomes, margin, metric),
    )


def paired(
    bundle: Path, base: Path, data: DataSet, *, backend: str | None, precision: Precision | None, threads: int
) -> Outcomes:
    """Both on the same frames, the base as reference."""
    with ExitStack() as stack:
        reference = stack.enter_context(open_engine(base, precision="fp32", threads=threads, allow_unsigned=True))
        engine = stack.enter_context(
            open_engine(bundle, precision=precision, backend=backend, threads=threads, allow_unsigned=True)
        )
        collected = Collector("classification", data, reference.manifest.classes, (BASE, ENGINE))
        for sample in data.samples:
            frame = data.read(sample)
            answers = {
                name: answer_of(one.infer(one.feed(frame)), one.manifest.outputs[0].name, "classification")
                for name, one in ((BASE, reference), (ENGINE, engine))
            }
            collected.add(sample, answers)
        return collected.outcomes()
