"""Classes, enumerations and functions that have what the list has, and nothing else.

What the list has and no fake does raises NotImplementedError when it is used; what the list lacks raises AttributeError;
arguments that the listed signature does not take raise TypeError, as pybind11 does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LISTS = Path(__file__).parent / "lists"


@dataclass(frozen=True)
class Parameter:
    """kind: the type as listed, "" where the library does not say."""

    name: str
    kind: str
    optional: bool


@cache
def listing(name: str) -> dict[str, Any]:
    """A committed list, e.g. of "tensorrt-10.3.0"."""
    path = LISTS / f"{name}.json"
    if not path.exists():
        raise ValueError(f"no list {name}; there are {sorted(p.stem for p in LISTS.glob('*.json'))}")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@cache
def parameters(text: str) -> tuple[tuple[Parameter, ...], ...] | None:
    """Overloads of a listed signature; None where the library does not say what it takes."""
    if "*args" in text or text == "(...)":
        return None
    return tuple(tuple(_parameter(p) for p in _split(overload)) for overload in text.split(" | "))


def _split(overload: str) -> list[str]:
    """'(a: List[int, int], b)' -> ['a: List[int, int]', 'b']"""
    inner = overload[1 : overload.rindex(")")]
    return [part for part in re.split(r",\s*(?![^\[(]*[\])])", inner) if part and part not in ("/", "*")]


def _parameter(text: str) -> Parameter:
    head, _, default = text.partition("=")
    name, _, kind = head.partition(":")
    return Parameter(name.strip(), kind.strip(), bool(default))


class Undone:
    """A listed property that the fake does not have: it is there, and raises as soon as it is used."""

    def __init__(self, words: str) -> None:
        self._words = words

    def _raise(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(self._words)

    __bool__ = __call__ = __int__ = __index__ = __float__ = __iter__ = __len__ = __getitem__ = __str__ = _raise
    __eq__ = __lt__ = __gt__ = __add__ = __sub__ = __mul__ = __getattr__ = __hash__ = _raise


@dataclass
class Guard:
    """One library at one version. module: its name, as messages have it. kinds: what stands for a listed type."""

    module: str
    listed: dict[str, Any]
    kinds: dict[str, Callable[[Any], bool]]

    @property
    def title(self) -> str:
        return f"{self.module} {self.listed['version']}"

    def bind(self, name: str, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Arguments by their listed names; None where the list does not say. Raises TypeError where none fits."""
        overloads = parameters(text)
        if overloads is None:
            return None
        for overload in overloads:
            bound = self._fit(overload, args, kwargs)
            if bound is not None:
                return bound
        raise TypeError(
            f"{name}(): incompatible function arguments. {self.title} takes {text}\nInvoked with: {args!r}, {kwargs!r}"
        )

    def _fit(
        self, overload: tuple[Parameter, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        if len(args) > len(overload):
            return None
        bound = {p.name: value for p, value in zip(overload, args, strict=False)}
        if bound.keys() & kwargs.keys() or not kwargs.keys() <= {p.name for p in overload}:
            return None
        bound |= kwargs
        for parameter in overload:
            if parameter.name not in bound:
                if not parameter.optional:
                    return None
            elif not self._suits(parameter, bound[parameter.name]):
                return None
        return bound

    def _suits(self, parameter: Parameter, value: Any) -> bool:
        check = self.kinds.get(parameter.kind)
        return check is None or (value is None and parameter.optional) or check(value)

    def undone(self, name: str) -> str:
        return f"the fake {self.title} does not do {name}"


def is_int(value: Any) -> bool:
    return not isinstance(value, str | bytes) and hasattr(value, "__index__")


def is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


PLAIN_KINDS: dict[str, Callable[[Any], bool]] = {
    "int": is_int,
    "str": lambda value: isinstance(value, str),
    "buffer": is_buffer,
}
