"""Public classes over implementations: a public object holds its implementation in `_fake`, and shows of it what the list
of the version has."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.guard import Guard, Undone

if TYPE_CHECKING:
    from tests.fakes.trt.enums import Enums


@dataclass
class Library:
    """flavour: "tensorrt" or "tensorrt_rtx". public: the module's classes by name."""

    flavour: str
    version: str
    guard: Guard
    enums: Enums
    public: dict[str, Any] = field(default_factory=dict)

    @property
    def rtx(self) -> bool:
        return self.flavour == "tensorrt_rtx"

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def log(self, logger: Any, severity: str, text: str) -> None:
        """Hand a message to the user's logger, as the library does. severity: e.g. "ERROR"."""
        logger.log(self.enums["ILogger.Severity"].__members__[severity], text)

    def wrap(self, value: Any) -> Any:
        """The public object of an implementation, also inside lists and tuples."""
        if isinstance(value, Part):
            return value.public()
        return type(value)(map(self.wrap, value)) if type(value) in (list, tuple) else value


class Part:
    """An implementation. public_name: the class that shows it."""

    public_name = ""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._public: Callable[[], Any] = lambda: None

    def public(self) -> Any:
        """Its public object, the same one for as long as somebody holds it."""
        shown = self._public()
        if shown is None:
            cls = self.library.public[self.public_name]
            shown = cls.__new__(cls)
            self.show_as(shown)
        return shown

    def show_as(self, shown: Any) -> None:
        object.__setattr__(shown, "_fake", self)
        self._public = weakref.ref(shown)


def unwrap(value: Any) -> Any:
    """The implementation behind a public object; a user's callback object stays what it is."""
    behind = getattr(value, "_fake", None)
    return value if behind is None else behind


class Checked(type):
    """As pybind11: an object whose class forgot to call the base's __init__ is refused."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if not hasattr(made, "_fake"):
            raise TypeError(f"{cls.__mro__[1].__name__}.__init__() must be called when overriding __init__")
        return made


def make_class(library: Library, name: str, entry: dict[str, Any], done: type[Part] | None) -> type:
    """The public class. done: its implementation, None where the user derives from it or the fake has none."""
    callback = done is None and any(m == "__init__()" for m in entry.get("members", ())) and "Dims" not in name
    members: dict[str, Any] = {"__module__": f"{library.flavour}_bindings.{library.flavour}"}
    members["__init__"] = _no_constructor(library, name)
    for member in entry.get("members", ()):
        key, opened, rest = member.partition("(")
        if key == "__init__":
            members[key] = _constructor(library, name, f"({rest}", done, callback)
        elif key in ("__enter__", "__exit__"):
            members[key] = (lambda self: self) if key == "__enter__" else (lambda self, *_: None)
        elif opened:
            members[key] = _method(library, name, key, f"({rest}")
        elif ": " in member:
            members[key.split(": ")[0]] = int(key.split(": ")[1])
        elif not key.isupper():
            members[key.removesuffix(" =")] = _property(library, name, key)
    bases = tuple(library.public[base] for base in entry["bases"][:1] if base in library.public)
    made = Checked(name, (*bases, *getattr(done, "public_bases", ())) or (object,), members)
    setattr(made, "__setattr__", _setattr(made))  # noqa: B010  (mypy refuses the assignment)
    return made


def _setattr(cls: type) -> Callable[[Any, str, Any], None]:
    def assign(self: Any, name: str, value: Any) -> None:
        if type(self) is cls and not isinstance(getattr(cls, name, None), property):
            raise AttributeError(f"'{cls.__module__}.{cls.__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)

    return assign


def _no_constructor(library: Library, name: str) -> Callable[..., None]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"{library.guard.module}.{name}: No constructor defined!")

    return refuse


def _constructor(
    library: Library, name: str, text: str, done: type[Part] | None, callback: bool
) -> Callable[..., None]:
    if "*args" in text:
        return _no_constructor(library, name)

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = library.guard.bind("__init__", text, args, kwargs)
        if callback:
            object.__setattr__(self, "_fake", None)
        elif done is None or bound is None:
            raise NotImplementedError(library.guard.undone(name))
        else:
            done(library, **{key: unwrap(value) for key, value in bound.items()}).show_as(self)

    return construct


def _method(library: Library, cls: str, name: str, text: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = library.guard.bind(name, text, args, kwargs)
        done = getattr(getattr(self, "_fake", None), name, None)
        if done is None or bound is None:
            raise NotImplementedError(library.guard.undone(f"{cls}.{name}"))
        return library.wrap(done(**{key: unwrap(value) for key, value in bound.items()}))

    call.__name__ = name
    return call


def _property(library: Library, cls: str, listed: str) -> property:
    name = listed.removesuffix(" =")

    def read(self: Any) -> Any:
        fake = getattr(self, "_fake", None)
        if not hasattr(fake, name):
            return Undone(library.guard.undone(f"{cls}.{name}"))
        return library.wrap(getattr(fake, name))

    def write(self: Any, value: Any) -> None:
        setattr(self._fake, name, unwrap(value))

    return property(read, write) if listed.endswith(" =") else property(read)
