"""Values that TensorRT hands out: sizes, host memory, loggers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from tests.fakes.trt.objects import Library, Part


class Dims:
    """As the real one: a sequence that is no tuple, equal to any sequence of the same sizes, without a hash."""

    MAX_DIMS = 8
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape: Sequence[int] = ()) -> None:
        if len(shape) > self.MAX_DIMS:
            raise ValueError(f"got {len(shape)} sizes, expected at most {self.MAX_DIMS}")
        self._sizes = [int(size) for size in shape]

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        return self._sizes[index] if not isinstance(index, slice) else Dims(self._sizes[index])

    def __setitem__(self, index: int, size: int) -> None:
        self._sizes[index] = size

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dims | list | tuple) and list(other) == self._sizes

    def __repr__(self) -> str:
        return repr(tuple(self._sizes))

    __str__ = __repr__


class Buffer(bytes):
    """What gives IHostMemory the buffer protocol before Python 3.12. It can be read as a buffer and as nothing else."""

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(f"object of type '{type(self).__name__}' is a buffer, no sequence; take bytes() of it")

    __len__ = __iter__ = __getitem__ = __contains__ = __add__ = _refuse


class HostMemory(Part):
    """Bytes of the library's, behind the buffer protocol."""

    public_name = "IHostMemory"
    public_bases = (Buffer,)

    def __init__(self, library: Library, content: bytes) -> None:
        super().__init__(library)
        self._content = content
        self.nbytes = len(content)
        self.dtype = library.enums.member("DataType", "INT8")

    def public(self) -> Any:
        cls = self.library.public[self.public_name]
        shown = cls.__new__(cls, self._content)
        object.__setattr__(shown, "_fake", self)
        return shown


class StandardLogger(Part):
    """Logger: prints to stderr."""

    public_name = "Logger"

    def __init__(self, library: Library, min_severity: Any = None) -> None:
        super().__init__(library)
        self.min_severity = min_severity or library.enums.member("ILogger.Severity", "WARNING")

    def log(self, severity: Any, msg: str) -> None:
        if int(severity) <= int(self.min_severity):
            print(f"[{self.library.guard.title}, fake] [{severity.name[0]}] {msg}", file=sys.stderr)
