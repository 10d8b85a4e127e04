"""Enumerations as pybind11 makes them: their own class, equal to their number, no integers themselves."""

from __future__ import annotations

from typing import Any


class Member:
    """One value. Calling the class with a number gives the first member of that value."""

    __members__: dict[str, Member]
    name: str
    value: int

    def __new__(cls, value: int) -> Member:  # noqa: PYI034  (one of the members)
        for member in cls.__members__.values():
            if member.value == int(value):
                return member
        raise ValueError(f"{value} is no {cls.__name__}")

    def __int__(self) -> int:
        return self.value

    __index__ = __int__

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Member):
            return type(self) is type(other) and self.value == other.value
        return isinstance(other, int) and self.value == other

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __repr__(self) -> str:
        return f"<{self}: {self.value}>"


def make_enum(name: str, members: dict[str, int], module: str) -> type[Member]:
    """A class with exactly these members."""
    made: type[Member] = type(name.split(".")[-1], (Member,), {"__module__": module})
    made.__members__ = {}
    for key, value in members.items():
        member = object.__new__(made)
        member.__dict__.update(name=key, value=value)
        made.__members__[key] = member
        setattr(made, key, member)
    return made


class Enums(dict[str, Any]):
    """Enumerations by listed name, e.g. "ILogger.Severity"."""

    def member(self, enum: str, name: str) -> Any:
        """None where this version lacks it."""
        return self[enum].__members__.get(name) if enum in self else None
