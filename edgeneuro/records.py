"""Frozen dataclasses to JSON values and back, with errors that name the field."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from edgeneuro.errors import InputError

Record = TypeVar("Record")


def to_json(value: Any) -> Any:
    """`value` as dicts, lists and scalars; dataclasses become dicts, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[Record], value: Any, where: str) -> Record:
    """Rebuild a dataclass of type `kind` from what `to_json` made.

    where: name of the file, put in front of every message.
    Raises InputError naming the field, what came and what was expected: a missing field, an unknown
    field, a value of the wrong type, fields that contradict each other. Nothing is coerced except int to float.
    """
    return cast(Record, _read(kind, value, where))


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_record(cast(type, kind), value, where)
    if kind is Any:
        return value
    if origin is Literal:
        known = any(value == arg and type(value) is type(arg) for arg in args)  # True is no 1, 8.0 is no 8
        return _expect(known, value, where, f"one of {', '.join(map(repr, args))}")
    if origin in (Union, types.UnionType):
        return _read_union(args, value, where)
    if origin is tuple:
        _expect(isinstance(value, list), value, where, "a list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_read(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        _expect(len(value) == len(args), value, where, f"a list of {len(args)}")
        return tuple(_read(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(zip(args, value, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(value, dict), value, where, "an object")
        return {key: _read(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float:
        return _read_float(value, where)
    if kind is int:
        return _expect(isinstance(value, int) and not isinstance(value, bool), value, where, "a whole number")
    return _expect(isinstance(value, kind), value, where, {str: "text", bool: "true or false"}.get(kind, kind.__name__))


def _read_float(value: Any, where: str) -> float:
    _expect(isinstance(value, (int, float)) and not isinstance(value, bool), value, where, "a number")
    try:
        return float(value)
    except OverflowError as error:  # Python's whole numbers have no end
        raise InputError(f"{where}: got a whole number beyond 1e308, expected one that fits a float") from error


def _read_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    problems = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _read(option, value, where)
        except InputError as error:
            problems.append(error)
    raise problems[0]


def _read_record(kind: type, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), value, where, "an object")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r}; expected {', '.join(sorted(fields))}")
    missing = [
        name
        for name, field in fields.items()
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing")
    values = {name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**values)
    except InputError as error:  # fields that contradict each other
        raise InputError(f"{where}: {error}") from error


def _expect(holds: bool, value: Any, where: str, expected: str) -> Any:
    if not holds:
        shown = repr(value)
        raise InputError(f"{where}: got {shown if len(shown) <= 80 else shown[:77] + '...'}, expected {expected}")
    return value
