"""Is an executable within tolerance of the reference? What is asked of which: docs/compare.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgeneuro.benchmarks.compare.records import Comparison, Difference, Executable, Limits
from edgeneuro.errors import ComparisonError
from edgeneuro.export.gate import judge, parse_margin, worst
from edgeneuro.export.outcomes import Outcomes
from edgeneuro.manifest import Interval, Judgement, Task, Verdict
from edgeneuro.records import to_json

MAX_DIFFERENCE = 1e-3
"""Between float executables: another library sums float32 in another order, about 1e-6 of the value a layer."""
MIN_COSINE = 0.99
"""Of lossy executables, mean over the frames: a coarse net. Sound INT8 graphs of three networks had 0.9992 to 0.99998; with
every UINT8 scale read as INT8, which cuts off what lies above half the range, 0.9890 to 0.9982 (docs/compare.md). So 0.999
told those apart; what accuracy is lost is for max_drop to judge."""
SAME_MASK = 0.999
"""Mean Dice of the masks of float executables: a rounding may turn single pixels at an edge."""

Judged = tuple[Verdict, tuple[str, ...]]
"""A verdict and the sentences it rests on."""


def is_lossy(one: Executable, reference: Executable) -> bool:
    """Whether one of the two computes in less than FP32, so that their outputs may differ by design."""
    return (one.precision, reference.precision) != ("fp32", "fp32")


def drop_judgements(outcomes: Outcomes, limits: Limits, metric: str) -> Mapping[str, Judgement]:
    """Executable -> what the accuracy gate says of it; nothing without limits.max_drop."""
    if limits.max_drop is None:
        return {}
    gate = judge(outcomes, parse_margin(limits.max_drop), metric)
    return {judgement.graph: judgement for judgement in gate.judgements}


def judge_float(outputs: Sequence[Difference], agreement: Interval | None, task: Task, limits: Limits) -> Judged:
    """Largest difference of every output, and the same answers. Of whole numbers the mean difference counts, since a
    rounding may turn a single one."""
    checks = list(_differences(outputs, limits.max_difference))
    if agreement is not None:
        masks = task == "segmentation"
        least, what = (SAME_MASK, "Dice of the masks") if masks else (1.0, "frames with the same class")
        checks.append((agreement.value >= least, f"{what} {agreement.value:.6g}, at least {least:g}"))
    return _of(checks)


def judge_lossy(outputs: Sequence[Difference], judgement: Judgement | None, limits: Limits) -> Judged:
    """The gate's verdict where a drop was allowed, and the cosine similarity of every output where that is asked for."""
    checks = []
    if limits.min_cosine is not None:
        checks = [
            (
                one.cosine_mean >= limits.min_cosine,
                f"{one.output}: mean cosine {one.cosine_mean:.6g}, at least {limits.min_cosine:g}",
            )
            for one in outputs
        ]
    verdict, reasons = _of(checks)
    if judgement is None:
        return verdict, reasons
    return worst([verdict, judgement.verdict]), (judgement.reason, *reasons)


def _differences(outputs: Sequence[Difference], limit: float) -> Iterator[tuple[bool, str]]:
    for one in outputs:
        whole = not one.dtype.startswith("float")
        got, what = (one.relative_mean, "mean") if whole else (one.relative_max, "largest")
        yield got <= limit, f"{one.output}: {what} difference {got:.3g} of the largest value, at most {limit:g}"


def _of(checks: Sequence[tuple[bool, str]]) -> Judged:
    """Those that failed; where none did, all."""
    failed = tuple(text for holds, text in checks if not holds)
    return ("fail", failed) if failed else ("pass", tuple(text for _, text in checks))


def require_pass(done: Comparison) -> None:
    """Raise ComparisonError unless every executable is within tolerance."""
    if done.verdict == "pass":
        return
    first, *others = [one for one in done.executables if one.verdict == done.verdict]
    fails = done.verdict == "fail"
    what = "differs from" if fails else "cannot be shown to be as good as"
    remedy = (
        "look at its layers with `edgeneuro sensitivity`, or allow more with --max-difference, --min-cosine or --max-drop"
        if fails
        else "give more recordings with --data, or allow more with --max-drop"
    )
    more = f" ({len(others)} more like it)" if others else ""
    raise ComparisonError(
        f"{first.executable.name}: {what} {done.reference.name} on {done.data.name}: {first.judged_by[0]}{more}; {remedy}",
        to_json(done),
    )
