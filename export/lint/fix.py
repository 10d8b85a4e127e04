"""A quantised file written again for one target, and the proof that it got no worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import version_converter

from edgeneuro.errors import ModelFileError, OutputError, UsageError
from edgeneuro.export.forms import Form, form_named
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lint.finding import EVERY, Finding
from edgeneuro.export.lint.full_precision import to_full_precision
from edgeneuro.export.lint.proof import Measured, prove
from edgeneuro.export.lint.read import plain
from edgeneuro.export.lint.read_plan import Recovered, read_plan
from edgeneuro.export.lower import lower
from edgeneuro.export.onnx_file import OPSET
from edgeneuro.files import write_bytes

OLDEST_OPSET = 13
"""The first in which Q/DQ have a scale for each channel."""
HALF_OPSET = 19
"""The first in which their scales may be FP16."""


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """target: the form it was written for. changed: what was done, in words; empty for a file that was clean.
    kept_float: node that ran in INT8 before and no longer does -> why. left: what still breaks a rule.
    before, after: output error against the float graph, None where nothing was changed.
    """

    target: str
    changed: tuple[str, ...]
    kept_float: Mapping[str, str]
    left: tuple[Finding, ...]
    before: Measured | None
    after: Measured | None


def checked_request(targets: Sequence[str], *, out: Path | None, force: bool) -> Form | None:
    """The form to write `out` for, None where nothing is to be written.

    Raises UsageError for an unknown target, or `out` without one; OutputError where `out` exists and `force` is not
    given.
    """
    for name in targets:
        if name not in EVERY:
            raise UsageError(f"--target {name}: is not known, expected all or one of {', '.join(EVERY)}")
    if out is None:
        return None
    if len(targets) != 1:
        raise UsageError(
            "--fix: got --target all, expected one, for every target wants its own file; give --target NAME"
        )
    if out.exists() and not force:
        raise OutputError(f"{out}: exists already; give --force to replace it, or another --fix OUT.onnx")
    return form_named(targets[0])


def fix_file(source: Path, model: onnx.ModelProto, form: Form, out: Path) -> Fixed:
    """Write `source`, whose graph as `read_quantized` gives it is `model`, to `out` so that no rule of `form` is broken.

    A file that breaks none is copied byte for byte. Raises ModelFileError where the plan cannot be read out of it.
    """
    found = lint(model, (form.name,))
    if not found:
        write_bytes(out, source.read_bytes())
        return Fixed(target=form.name, changed=(), kept_float={}, left=(), before=None, after=None)
    fixed, report = fix(model, form, found)
    write_bytes(out, fixed.SerializeToString(deterministic=True))
    return report


def fix(model: onnx.ModelProto, form: Form, found: Sequence[Finding]) -> tuple[onnx.ModelProto, Fixed]:
    """`rewrite`, with the output error of both graphs."""
    done = rewrite(model, form, found)
    before, after = prove(model, done.model, done.recovered.model, done.recovered.plan.ranges, form)
    refused = sorted({finding.rule for finding in found if form.name in finding.refused_by})
    if refused:
        before = Measured(error=None, note=f"not run: {form.backend} refuses the file ({', '.join(refused)})")
    report = Fixed(
        target=form.name,
        changed=done.changed,
        kept_float=done.recovered.kept_float,
        left=lint(plain(done.model), (form.name,)),
        before=before,
        after=after,
    )
    return done.model, report


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A graph for one form, what it was written from, and what changed, in words."""

    model: onnx.ModelProto
    recovered: Recovered
    changed: tuple[str, ...]


def rewrite(model: onnx.ModelProto, form: Form, found: Sequence[Finding]) -> Rewritten:
    """`model` written for `form` from the plan behind it. found: what `lint` says of it.

    Raises ModelFileError where the plan cannot be read out of it.
    """
    single, was_half = to_full_precision(model)
    recovered = read_plan(single, form)
    float_model = _at_least(recovered.model, HALF_OPSET if form.half else OLDEST_OPSET)
    return Rewritten(
        model=lower(float_model, recovered.plan, form),
        recovered=recovered,
        changed=_changes(found, recovered, was_half=was_half and not form.half),
    )


def _at_least(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    if version >= wanted:
        return model
    try:
        converted: onnx.ModelProto = version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter's errors share no base class
        first_line = (str(error).splitlines() or [""])[0]
        raise ModelFileError(
            f"opset {version}: is older than {wanted} and cannot be converted ({first_line}); "
            f"export the model again with opset_version={OPSET}"
        ) from error
    return converted


def _changes(found: Sequence[Finding], recovered: Recovered, *, was_half: bool) -> tuple[str, ...]:
    counts = Counter(finding.rule for finding in found)
    lines = [f"{rule}: {count} place{'s' if count > 1 else ''}" for rule, count in counts.items()]
    if was_half:
        lines.append("FP16 tensors: FP32 again")
    if recovered.restored:
        lines.append(f"Relu put back that a zero point had replaced: {len(recovered.restored)}")
    if recovered.derived:
        lines.append(f"ranges derived from others: {', '.join(recovered.derived)}")
    return tuple(lines)
