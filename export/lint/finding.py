"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgeneuro.export.forms import FORMS, Form
from edgeneuro.export.lint.view import View

Severity: TypeAlias = Literal["error", "warning"]
"""error: the target refuses the file or computes something else. warning: it is right there, but slow or less exact."""

EVERY = tuple(name for name, form in FORMS.items() if form.operators and not form.float8)
"""Targets that run something in INT8."""
TENSORRT = tuple(name for name in EVERY if FORMS[name].backend == "tensorrt")
ONNXRUNTIME = tuple(name for name in EVERY if FORMS[name].backend == "onnxruntime")
X86 = tuple(name for name in ONNXRUNTIME if "x86_64" in FORMS[name].requires)
OPENVINO = tuple(name for name in EVERY if FORMS[name].backend == "openvino")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One place that breaks a rule.

    where: the node or tensor. got, expected, remedy: what is there, what the target wants, what to try.
    """

    where: str
    got: str
    expected: str
    remedy: str
    severity: Severity = "error"


Check: TypeAlias = Callable[[View, Form], Iterator[Fault]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """id: the name it is reported by. title: the rule in one line. reason: why the target wants it so.

    source: the vendor's document, source file or issue. targets: names of the forms it holds for. check: gives every
    place that breaks it, for one of these. refused_by: those that do not load a file that breaks it.
    """

    id: str
    title: str
    reason: str
    source: str
    targets: tuple[str, ...]
    check: Check
    refused_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault with the rule it breaks, the targets it matters to and those of them that do not load the file."""

    rule: str
    severity: Severity
    targets: tuple[str, ...]
    where: str
    got: str
    expected: str
    remedy: str
    refused_by: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """In one line: which thing, what came, what was expected, what to try."""
        return f"{self.where}: {self.got}, expected {self.expected}; {self.remedy}"
