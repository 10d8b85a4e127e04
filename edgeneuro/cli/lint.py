"""edgeneuro lint: the Q/DQ rules of the targets, for any quantised ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.cli.options import Force, Json, err, out, print_json

if TYPE_CHECKING:
    from edgeneuro.export.lint.finding import Finding
    from edgeneuro.export.lint.fix import Fixed
    from edgeneuro.export.lint.proof import Measured

ALL = "all"


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.onnx", help="A quantised model, from any tool.", show_default=False)
    ],
    target: Annotated[str, typer.Option(metavar="NAME", help="One target, or all of them.")] = ALL,
    fix: Annotated[
        Path | None,
        typer.Option(metavar="OUT.onnx", help="Write the model again so that no rule of --target is broken."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Check a quantised ONNX file against what each target accepts and runs fast. See docs/lint.md for the rules.

    Targets: onnxruntime-x86-vnni, onnxruntime-x86, onnxruntime-arm, openvino, openvino-reduced, tensorrt, tensorrt-mixed.
    Exit code 3 when an error is found (the target refuses the file, or computes something else); warnings (slow there,
    or less exact) end with 0. With --fix, the file that was written decides.

    \b
    edgeneuro lint model-int8.onnx
    edgeneuro lint model-int8.onnx --target tensorrt --fix model-tensorrt.onnx
    """
    from edgeneuro.export.lint.check import lint
    from edgeneuro.export.lint.finding import EVERY
    from edgeneuro.export.lint.fix import checked_request, fix_file
    from edgeneuro.export.lint.read import is_quantized, read_quantized

    targets = EVERY if target == ALL else (target,)
    form = checked_request(targets, out=fix, force=force)
    model = read_quantized(file)
    findings = lint(model, targets)
    done = fix_file(file, model, form, fix) if fix is not None and form is not None else None
    if as_json:
        print_json(document(file, targets, is_quantized(model), findings, fix, done))
    else:
        show(file, targets, is_quantized(model), findings)
    if done is not None and fix is not None:
        show_fix(fix, done, on_standard_output=not as_json)
    if any(finding.severity == "error" for finding in (findings if done is None else done.left)):
        raise typer.Exit(3)


def document(
    file: Path,
    targets: Sequence[str],
    quantized: bool,
    findings: Sequence[Finding],
    fix: Path | None,
    done: Fixed | None,
) -> dict[str, Any]:
    """As docs/schemas/lint.schema.json describes it."""
    from edgeneuro.records import to_json

    errors = sum(finding.severity == "error" for finding in findings)
    return {
        "path": str(file),
        "targets": list(targets),
        "quantized": quantized,
        "ok": errors == 0,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": to_json(findings),
        "fix": None if done is None else {"path": str(fix), **to_json(done)},
    }


def show(file: Path, targets: Sequence[str], quantized: bool, findings: Sequence[Finding]) -> None:
    """One line a finding, and a sum, on standard output."""
    console = out()
    for finding in findings:
        names = "all targets" if len(finding.targets) == len(targets) > 1 else ", ".join(finding.targets)
        console.print(f"{finding.severity}: {finding.rule} [{names}] {finding.message}", soft_wrap=True)
    errors = sum(finding.severity == "error" for finding in findings)
    found = f"{_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}"
    if not quantized:
        found = "a float model, nothing in it is quantised"
    console.print(f"{file}: {found} ({', '.join(targets)})", soft_wrap=True)


def show_fix(path: Path, done: Fixed, *, on_standard_output: bool) -> None:
    """What --fix did, and what it did to the output error."""
    console = out() if on_standard_output else err()
    if done.before is None or done.after is None:
        console.print(f"{path}: nothing to fix for {done.target}, copied unchanged", soft_wrap=True)
        return
    for line in done.changed:
        console.print(f"changed: {line}", soft_wrap=True)
    for node, reason in done.kept_float.items():
        console.print(f"now in float: {node}: {reason}", soft_wrap=True)
    for finding in done.left:
        console.print(f"left: {finding.severity}: {finding.rule} {finding.message}", soft_wrap=True)
    console.print(f"output error before: {_error(done.before)}", soft_wrap=True)
    console.print(f"output error after: {_error(done.after)}", soft_wrap=True)
    console.print(f"{path}: written for {done.target}", soft_wrap=True)


def _error(measured: Measured) -> str:
    if measured.error is None:
        return measured.note
    return f"{100 * measured.error:.3g} % of the float outputs' standard deviation ({measured.note})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
