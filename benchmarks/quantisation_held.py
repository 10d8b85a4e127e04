"""The plan of the study with layers returned to float until predictions agree with float, as the gate chooses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeneuro.export.gate import parse_margin

if TYPE_CHECKING:
    from edgeneuro.benchmarks.quantisation_cases import Case
    from edgeneuro.export.forms import Form
    from edgeneuro.export.plan import Plan

MARGIN = "1"
"""Points of agreement that may be lost: the study asks for 99 %."""
RANKED_ON = 16
"""Calibration frames by which layers are ranked."""


def held_plan(
    case: Case, plan: Plan, forms: Sequence[Form], progress: Callable[[str], None]
) -> tuple[Plan, tuple[str, ...]]:
    """`plan` with the fewest of the most sensitive layers in float with which agreement holds, and how it went.

    Chosen on the case's validation frames without their labels, by the interval over groups, as `build-engine
    --max-drop 1` does for data without labels; the test part is not looked at.
    """
    from edgeneuro.export.accuracy import AGREEMENT
    from edgeneuro.export.hold_plan import hold_plan
    from edgeneuro.export.lowered import FLOAT_GRAPH
    from edgeneuro.export.outcomes import Baseline
    from edgeneuro.runtime.backends import open_backend

    assert case.validation is not None, "a case without validation frames is not asked for"
    samples = [replace(sample, target=None) for sample in case.validation.samples]
    frames, model = case.validation.subset(samples), case.model
    feeds = [model.feed(frames.read(sample)) for sample in frames.samples]
    with closing(open_backend("onnxruntime", case.graph.SerializeToString(), threads=1)) as backend:
        baseline = Baseline.of(backend, frames, feeds, task=model.task, classes=model.classes, reference=FLOAT_GRAPH)
    found = hold_plan(
        case.graph,
        plan,
        forms,
        case.calibration[:RANKED_ON],
        baseline,
        parse_margin(MARGIN),
        AGREEMENT,
        progress=progress,
    )
    return found.plan, (*(f"{node}: {why}" for node, why in found.kept_float.items()), *found.history, *found.notes)
