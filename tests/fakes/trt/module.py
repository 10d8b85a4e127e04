"""The module `tensorrt` or `tensorrt_rtx` at one version."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fakes.guard import PLAIN_KINDS, Guard, is_int, listing
from tests.fakes.trt.builder import Builder
from tests.fakes.trt.config import Config, Profile, TimingCache
from tests.fakes.trt.context import Context
from tests.fakes.trt.engine import Engine, Inspector, RuntimeCache, RuntimeConfig
from tests.fakes.trt.enums import Enums, make_enum
from tests.fakes.trt.network import Layer, Network, Parser, ParserError, Tensor
from tests.fakes.trt.objects import Library, Part, make_class
from tests.fakes.trt.runtime import Runtime
from tests.fakes.trt.values import Dims, HostMemory, StandardLogger

PARTS: tuple[type[Part], ...] = (Builder, Config, Profile, TimingCache, Context, Engine, Inspector, RuntimeCache)
PARTS += (RuntimeConfig, Layer, Network, Parser, ParserError, Tensor, Runtime, HostMemory, StandardLogger)
SHORT_NAMES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}
NUMPY: dict[str, Any] = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "int32": np.int32,
    "int64": np.int64,
}
NUMPY |= {"bool": np.bool_, "uint8": np.uint8}


def fill(namespace: dict[str, Any], flavour: str, version: str) -> None:
    """Put into `namespace` what the list of this version has."""
    listed = listing(f"{flavour}-{version}")
    module = f"{flavour}_bindings.{flavour}"
    enums = Enums({name: make_enum(name, members, module) for name, members in listed["enums"].items()})
    library = Library(flavour, version, Guard(flavour, listed, {**PLAIN_KINDS}), enums)
    done = {part.public_name: part for part in PARTS}
    for name in sorted(listed["classes"], key=lambda key: (len(listed["classes"][key]["bases"]), key)):
        if name.startswith("Dims"):
            library.public[name] = Dims if name == "Dims" else type(name, (Dims,), {})
        else:
            library.public[name] = make_class(library, name, listed["classes"][name], done.get(name))
    library.guard.kinds.update(_kinds(library))
    _hang_inner_enums(library)
    namespace.update({name: enum for name, enum in enums.items() if "." not in name}, **library.public)
    namespace.update(_functions(library, namespace), __version__=listed["version"])
    for name in listed["values"]:
        if name in SHORT_NAMES.values() or name.upper() in enums["DataType"].__members__:
            namespace[name] = _data_type(enums, name)


def _kinds(library: Library) -> dict[str, Callable[[Any], bool]]:
    """How to tell an argument of each listed type. A member that a list names without its class is not told."""
    kinds: dict[str, Callable[[Any], bool]] = {}
    for name, cls in (*library.public.items(), *library.enums.items()):
        kinds[name] = lambda value, cls=cls: isinstance(value, cls)  # type: ignore[misc]
    kinds["Dims"] = lambda value: isinstance(value, Dims | list | tuple) and all(map(is_int, value))
    kinds["tuple"] = lambda value: isinstance(value, tuple)
    kinds["list"] = lambda value: isinstance(value, list)
    kinds["bool"] = lambda value: isinstance(value, bool | np.bool_)
    return kinds


def _hang_inner_enums(library: Library) -> None:
    """ILogger.Severity, with its members on the class too, as the real module does it."""
    for name, enum in library.enums.items():
        owner, _, inner = name.partition(".")
        if inner and owner in library.public:
            for key, value in {inner: enum, **enum.__members__}.items():
                type.__setattr__(library.public[owner], key, value)


def _functions(library: Library, namespace: dict[str, Any]) -> dict[str, Any]:
    done: dict[str, Callable[..., Any]] = {
        "volume": lambda iterable: math.prod(iterable),
        "nptype": lambda trt_type: _numpy_type(library.enums, trt_type),
        "get_nv_onnx_parser_version": lambda: 1000 * library.major,
        "init_libnvinfer_plugins": lambda logger, namespace: True,
    }
    return {name: done.get(name, _undone(library, name)) for name in library.guard.listed["functions"]}


def _undone(library: Library, name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(library.guard.undone(name))

    return refuse


def _data_type(enums: Enums, name: str) -> Any:
    long = next((key for key, short in SHORT_NAMES.items() if short == name), name.upper())
    return enums.member("DataType", long)


def _numpy_type(enums: Enums, kind: Any) -> Any:
    for name, numpy_type in NUMPY.items():
        if _data_type(enums, name) == kind:
            return numpy_type
    raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
