"""The errors, their exit codes, and the tree drawn of them."""

from __future__ import annotations

import inspect
import re

import pytest

from edgeneuro import errors
from edgeneuro.errors import EdgeNeuroError, InputError, PromiseError, UsageError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def drawn_parents() -> dict[str, str]:
    """Class -> parent as the tree in the module's docstring draws it; each level is indented by 4 characters."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:│   |    )*(?:[├└]── )?)([A-Z]\w+)\b", line)
        if found:
            depth, name = len(found[1]) // 4, found[2]
            if depth:
                parents[name] = above[depth - 1]
            above[depth:] = [name]
    return parents


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    children = [kind for kind in CLASSES if kind is not EdgeNeuroError]
    assert drawn_parents() == {kind.__name__: kind.__mro__[1].__name__ for kind in children}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_exit_codes_are_those_of_the_branch(kind: type[EdgeNeuroError]) -> None:
    code = 2 if issubclass(kind, UsageError) else 3 if issubclass(kind, PromiseError) else 1
    assert kind.exit_code == code


def test_exit_codes_in_the_drawing_are_those_of_the_classes() -> None:
    drawn = dict(re.findall(r"([A-Z]\w+) +exit (\d)", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in (InputError, UsageError, PromiseError)}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_is_about(kind: type[EdgeNeuroError]) -> None:
    assert (kind.__doc__ or "").endswith(".")
    assert str(kind("table.csv: is empty")) == "table.csv: is empty"
