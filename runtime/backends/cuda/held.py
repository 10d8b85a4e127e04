"""What a Cuda object has made and not given back yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgeneuro.errors import BackendError

KINDS = ("graph", "event", "stream", "device memory", "host memory")
"""In the order in which they are given back: what uses memory goes before the memory."""


class Held:
    """The library's own objects by kind and handle. library: its name and version, for messages.

    Keeps them alive, and refuses a handle that was given back already: CUDA may have lent the same address again.
    """

    def __init__(self, library: str) -> None:
        self._library = library
        self._things: dict[str, dict[int, Any]] = {kind: {} for kind in KINDS}

    def add(self, kind: str, handle: int, thing: Any) -> int:
        """`handle`, for the caller to return."""
        self._things[kind][handle] = thing
        return handle

    def find(self, kind: str, handle: int) -> Any | None:
        """None where this object did not make it, or gave it back."""
        return self._things[kind].get(handle)

    def get(self, kind: str, handle: int) -> Any:
        """Raises BackendError: not made here, or given back already."""
        thing = self.find(kind, handle)
        if thing is None:
            raise BackendError(self._unknown(kind, handle))
        return thing

    def take(self, kind: str, handle: int) -> Any:
        """As `get`, and no longer held. Of two threads that give back the same thing, one is refused."""
        thing = self._things[kind].pop(handle, None)
        if thing is None:
            raise BackendError(self._unknown(kind, handle))
        return thing

    def give_back_all(self, release: Mapping[str, Callable[[int], None]]) -> None:
        """Release everything, in the order of KINDS and the last made first, by the function of its kind.

        All of it is tried. Raises BackendError with the first refusal.
        """
        refused: BackendError | None = None
        for kind in KINDS:
            for handle in reversed(tuple(self._things[kind])):
                try:
                    release[kind](handle)
                except BackendError as error:
                    refused = refused or error
        if refused is not None:
            raise refused

    def _unknown(self, kind: str, handle: int) -> str:
        return (
            f"{self._library}: {kind} {handle:#x} is not held by this object, "
            "expected something it made and that was not given back yet; give each thing back once"
        )
