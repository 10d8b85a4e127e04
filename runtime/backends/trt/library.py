"""One of the TensorRTs as a Python module, with the one logger that it may have in a process."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends import BACKENDS
from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.trt.records import Flavour

INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)
"""ILogger.Severity, the same in every version."""

_KEPT = 200
"""Messages that stay for whoever asks afterwards; a device runs for months."""

_JETPACK = (
    "JetPack has it as a system package for the system's Python (3.10 on JetPack 6): use that Python, in an environment "
    "made with --system-site-packages"
)


@dataclass(frozen=True)
class Said:
    """One message of the library. severity: INTERNAL_ERROR to VERBOSE."""

    severity: int
    message: str


class Log:
    """What the library says. Mixed in front of its ILogger, which calls `log` from threads of its own.

    Warnings and worse stay until `clear`, the latest of them; everything goes to whoever listens.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Said] = deque(maxlen=_KEPT)
        self._listeners: list[list[Said]] = []

    def log(self, severity: Any, message: str) -> None:
        """Called by the library."""
        said = Said(int(severity), message.strip())
        with self._lock:
            if said.severity <= WARNING:
                self._kept.append(said)
            for listener in self._listeners:
                listener.append(said)

    @contextmanager
    def listening(self) -> Iterator[list[Said]]:
        """All messages of all severities while the context lasts, in order."""
        heard: list[Said] = []
        with self._lock:
            self._listeners.append(heard)
        try:
            yield heard
        finally:
            with self._lock:
                self._listeners = [listener for listener in self._listeners if listener is not heard]

    def clear(self) -> None:
        """Forget what was said."""
        with self._lock:
            self._kept.clear()

    def errors(self) -> tuple[str, ...]:
        """Errors since `clear`, each once."""
        with self._lock:
            return messages(self._kept, ERROR, INTERNAL_ERROR)


@dataclass(frozen=True)
class Library:
    """module: tensorrt or tensorrt_rtx. version: as it gives it, e.g. "10.3.0". log: give it to every object that wants
    a logger."""

    flavour: Flavour
    module: Any
    version: str
    log: Any

    @property
    def name(self) -> str:
        """For messages, e.g. "tensorrt 10.3.0"."""
        return f"{self.flavour} {self.version}"

    def members(self, enum: str) -> Mapping[str, Any]:
        """Name -> value of an enumeration, empty where this version has no such enumeration."""
        return getattr(getattr(self.module, enum, None), "__members__", {})

    def member(self, enum: str, name: str) -> Any | None:
        """One value of an enumeration, None where this version lacks it."""
        return self.members(enum).get(name)


def open_library(flavour: Flavour) -> Library:
    """Import it. Raises BackendError: not installed, or a shared library it needs is missing, with the remedy."""
    kind = BACKENDS[flavour]
    try:
        module = import_module(kind.library)
    except (ImportError, OSError) as error:
        raise BackendError(f"{flavour}: {_missing(error, kind.library, kind.remedy)}") from error
    return _opened(flavour, module)


def messages(said: Iterable[Said], *severities: int) -> tuple[str, ...]:
    """Messages of these severities in order, each once."""
    return tuple(dict.fromkeys(item.message for item in said if item.severity in severities))


@cache
def _opened(flavour: Flavour, module: Any) -> Library:
    """The same for the same module: TensorRT keeps the first logger of a process and ignores every later one."""
    logger = module.ILogger

    class Logger(Log, logger):  # type: ignore[misc, valid-type]  # the library has no type hints
        def __init__(self) -> None:
            logger.__init__(self)
            Log.__init__(self)

    return Library(flavour, module, str(module.__version__), Logger())


def _missing(error: ImportError | OSError, module: str, remedy: str) -> str:
    jetpack = f"; {_JETPACK}" if module == "tensorrt" else ""
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return f"is not installed; run: {remedy}{jetpack}"
    found = re.search(r"lib[\w+-]+\.so[.\d]*|[\w-]+\.dll", str(error))
    if found and found[0].startswith(("libcuda.", "nvcuda.")):
        return (
            f"needs {found[0]} of NVIDIA's driver, which is missing ({first_line(error)}); install the driver; "
            "in a container, start it with --gpus all"
        )
    if found:
        return (
            f"its Python module is here, its shared library {found[0]} is missing ({first_line(error)}); install the "
            f"libraries of the same version, the wheel whose name ends in _libs{jetpack}"
        )
    return f"cannot be imported ({first_line(error)}); run `edgeneuro doctor`, or install it again: {remedy}{jetpack}"
