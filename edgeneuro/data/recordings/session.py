"""Which neurons a network was trained on: those of one session, and of no other."""

from __future__ import annotations

from dataclasses import dataclass

from edgeneuro.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Session:
    """name: of the session. neurons: columns of its responses. identity: SHA-256 over the places of its cells where they are known, else
    over its name and the number of neurons; two sessions with one identity have the same neurons in the same order."""

    name: str
    neurons: int
    identity: str


def refuse_other_session(expected: Session | None, got: Session | None, what: str) -> None:
    """Raise DataError where both are known and have other neurons. what: name of what was trained on `expected`."""
    if expected is not None and got is not None and expected.identity != got.identity:
        raise DataError(
            f"{what}: was trained on session {expected.name} ({expected.neurons} neurons), got session {got.name} ({got.neurons} "
            "neurons); neurons of one session mean nothing in another, train a network on this one"
        )
