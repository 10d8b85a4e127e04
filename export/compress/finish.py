"""The end of a search: the winner is trained properly, built, gated, and only then compared on the test part.

The order is fixed, and each step starts from the checkpoint of the one before, which stays in STUDY/final:
pruned, fine-tuned on the labels, distilled; then the engine is quantised and gated. The test part is read by the last two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeneuro.errors import GateError, UsageError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.compress.judge import Judged, judge
from edgeneuro.export.compress.latency import Latency, bundle_latency
from edgeneuro.export.compress.records import BaseFacts, Candidate, Outcome, SearchSettings
from edgeneuro.export.compress.steps import (
    Parts,
    cut_checkpoint,
    keep_float,
    open_parts,
    size_of,
    teaching_of,
    train_on,
)
from edgeneuro.export.compress.trial import base_bundle
from edgeneuro.export.gate import parse_margin
from edgeneuro.files import refuse_existing, write_bytes, write_json
from edgeneuro.manifest import Gate, Manifest
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime import read_bundle
from edgeneuro.training.checkpoint import MODEL, read_config
from edgeneuro.training.keeper import OnProgress

FINAL, RESULT = "final", "result.json"
PRUNED, TUNED, DISTILLED, BUNDLE = "pruned", "fine-tuned", "distilled", "engine.edge"
TUNED_SHARE = 0.25
"""Of the epochs, spent on the labels alone before the teacher is listened to."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a search ended in. number, candidate: of the winning trial. written: whether the bundle was, else reason says why
    not. macs, params: of its network; macs_share: of the base's. latency: through the bundle, beside the base's. gate: of the engine
    against its own float graph, on the test part. validation, test: the engine against the base in float. checkpoints:
    folder in STUDY/final -> SHA-256 of the weights, in the order they were made."""

    number: int
    candidate: Candidate
    written: bool
    reason: str = ""
    macs: int
    params: int
    macs_share: float
    latency: Latency | None = None
    gate: Gate | None = None
    validation: Judged | None = None
    test: Judged | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)


def finish(
    settings: SearchSettings,
    base: BaseFacts,
    winner: Outcome,
    folder: Path,
    out: Path,
    *,
    force: bool = False,
    step: Callable[[str], None] = lambda _: None,
    progress: OnProgress = lambda _: None,
) -> Manifest:
    """Make the bundle `out` of the winning trial, write `folder`/result.json and return the manifest.

    folder: of the study; what is finished in its folder final is not done again. step: told the name of each step;
    progress: of training. Raises GateError where the engine cannot be shown to keep settings.goal.max_drop against its
    own float graph, or is shown to lose more than that against the base in float: then `out` is not written. OutputError,
    DataError and what the steps raise.
    """
    refuse_existing(out, force=force)
    if winner.state != "complete":
        raise UsageError(f"trial {winner.number}: ended as {winner.state!r}, expected a complete one to finish with")
    parts, final = open_parts(settings), folder / FINAL
    _train(settings, base, winner, parts, final, step, progress)
    size = size_of(final / DISTILLED)
    bare = Result(
        number=winner.number,
        candidate=winner.candidate,
        written=False,
        macs=size.macs,
        params=size.params,
        macs_share=size.macs / base.macs,
        checkpoints={name: read_config(final / name).files[MODEL] for name in (PRUNED, TUNED, DISTILLED)},
    )
    step("building the engine and holding it against its float graph")
    try:
        manifest = _build(settings, winner.candidate, parts, final)
        result = _compared(settings, base, replace(bare, gate=manifest.gate), parts, folder, step)
    except GateError as error:
        gate = from_json(Gate, error.record, "gate")
        write_json(folder / RESULT, to_json(replace(bare, reason=str(error), gate=gate)))
        raise
    write_json(folder / RESULT, to_json(result))
    if not result.written:
        assert result.test is not None
        raise GateError(f"{out}: not written: {result.reason}", to_json(result.test.gate))
    write_bytes(out, (final / BUNDLE).read_bytes())
    return manifest


def _train(
    settings: SearchSettings,
    base: BaseFacts,
    winner: Outcome,
    parts: Parts,
    final: Path,
    step: Callable[[str], None],
    progress: OnProgress,
) -> None:
    tuned = max(1, round(TUNED_SHARE * settings.final_epochs))
    step("making the network smaller")
    cut_checkpoint(settings, base, winner.candidate, parts.training, final / PRUNED)
    step("fine-tuning")
    train_on(final / PRUNED, final / TUNED, settings, epochs=tuned, teaching=None, progress=progress)
    step("learning from the teacher")
    train_on(
        final / TUNED,
        final / DISTILLED,
        settings,
        epochs=max(1, settings.final_epochs - tuned),
        teaching=teaching_of(settings, parts.test),
        progress=progress,
    )


def _build(settings: SearchSettings, candidate: Candidate, parts: Parts, final: Path) -> Manifest:
    """The engine, gated on the test part; of an earlier call where it had come so far. Raises GateError."""
    out = final / BUNDLE
    if not out.exists():
        build_engine(
            str(final / DISTILLED),
            out,
            settings=BuildSettings(
                precision=candidate.precision,
                backends=settings.backends,
                threads=settings.threads,
                seed=settings.seed,
                keep_float=keep_float(final / DISTILLED, candidate, settings, parts.training),
                margin=parse_margin(settings.goal.max_drop),
            ),
            data=parts.whole,
        )
    return read_bundle(out, allow_unsigned=True).manifest


def _compared(
    settings: SearchSettings, base: BaseFacts, bare: Result, parts: Parts, folder: Path, step: Callable[[str], None]
) -> Result:
    """`bare` with latency and with what the engine loses against the base in float."""
    bundle = folder / FINAL / BUNDLE
    beside = base_bundle(settings, base, parts, folder)
    step("timing the engine beside the base")
    latency = bundle_latency(bundle, threads=settings.threads, beside=beside)
    step("comparing the engine with the base on the test part")
    validation, test = (
        judge(
            bundle,
            beside,
            part,
            margin=parse_margin(settings.goal.max_drop),
            metric=base.metric,
            backend=latency.backend,
            precision=latency.precision,
            threads=settings.threads,
        )
        for part in (parts.validation, parts.test)
    )
    fails = test.gate.verdict == "fail"
    return replace(
        bare,
        written=not fails,
        reason=f"against the base in float, on {test.gate.data.groups} groups of the test part: {test.reason}"
        if fails
        else "",
        latency=latency,
        validation=validation,
        test=test,
    )
