"""A graph against the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import onnx

from edgeneuro.export.forms import FORMS
from edgeneuro.export.lint.finding import EVERY, Fault, Finding, Rule
from edgeneuro.export.lint.rules import RULES
from edgeneuro.export.lint.view import View


def lint(model: onnx.ModelProto, targets: Sequence[str] = EVERY) -> tuple[Finding, ...]:
    """Every place in which `model` breaks a rule of one of the targets, by rule, then in graph order.

    model: as `read_quantized` gives it. targets: names of forms. A fault that is the same for
    several targets is one finding that names them all. Empty for a model without Q/DQ.
    """
    view = View(model)
    found: list[Finding] = []
    for rule in RULES if view.quantizers or view.dequantizers else ():
        broken: dict[Fault, dict[str, None]] = {}
        for target in targets:
            for fault in rule.check(view, FORMS[target]) if target in rule.targets else ():
                broken.setdefault(fault, {})[target] = None
        found += [_finding(rule, fault, tuple(names)) for fault, names in broken.items()]
    return tuple(found)


def _finding(rule: Rule, fault: Fault, targets: tuple[str, ...]) -> Finding:
    refused_by = tuple(name for name in targets if name in rule.refused_by)
    return Finding(rule=rule.id, targets=targets, refused_by=refused_by, **asdict(fault))
