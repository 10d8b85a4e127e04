"""What a module has, as a list that can be committed: names, enumerations, classes with their members and signatures."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

# fmt: off
WHOLE = frozenset((
    "Builder", "IBuilderConfig", "INetworkDefinition", "OnnxParser", "ParserError", "Runtime", "ICudaEngine",
    "IExecutionContext", "IOptimizationProfile", "EngineInspector", "ITimingCache", "TimingCacheKey",
    "TimingCacheValue", "IProgressMonitor", "IRuntimeConfig", "IRuntimeCache", "IHostMemory",
    "ISerializationConfig", "ILayer", "ITensor", "ILogger", "Logger", "Dims", "Dims2", "Dims3", "Dims4",
    "Weights", "IErrorRecorder", "IOutputAllocator", "IGpuAllocator", "IProfiler", "Profiler", "Refitter",
    "OnnxParserRefitter", "IConvolutionLayer", "IDeconvolutionLayer", "IQuantizeLayer", "IDequantizeLayer",
    "IConstantLayer", "cudaDeviceProp", "cudaGraphExec_t", "cudaGraph_t", "cudaStream_t", "cudaEvent_t",
    "Device", "Context", "Stream", "Event", "DeviceAllocation", "HostAllocation", "PagelockedHostAllocation",
    "HostPointer", "host_alloc_flags", "mem_host_register_flags", "PooledDeviceAllocation",
    "RegisteredHostMemory", "ManagedAllocation", "PointerHolderBase", "primary_context",
))
"""Classes listed with their members; of the others the name is enough."""
# fmt: on
INHERITED = frozenset(dir(object)) | {"__dict__", "__weakref__", "__annotations__", "__static_attributes__"}
SPECIAL = frozenset(f"__{name}__" for name in ("init", "len", "getitem", "setitem", "enter", "exit", "int"))
MACHINERY = ("pybind11_builtins", "Boost")
KEYS = ("enums", "classes", "functions", "values")
Listed = dict[str, Any]


def describe(module: ModuleType, source: str) -> Listed:
    """enums: name -> member -> value. classes: name -> members, a method as "name(signature)", a property as "name" or,
    where it can be set, "name =", a constant as "name: value". functions: name -> signature.
    values: name -> value of everything else, None where it is no number or text."""
    found: Listed = {"source": source, "enums": {}, "classes": {}, "functions": {}, "values": {}}
    for name in sorted(n for n in dir(module) if not n.startswith("_")):
        value = getattr(module, name)
        if isinstance(value, ModuleType) or getattr(value, "__module__", "").split(".")[0] in ("typing", "__future__"):
            continue
        if isinstance(value, type):
            _add_class(found, name, value)
        elif callable(value):
            found["functions"][name] = signature(value)
        else:
            found["values"][name] = value if isinstance(value, int | str) else None
    return found


def _add_class(found: Listed, name: str, cls: type) -> None:
    if members := enumerated(cls):
        found["enums"][name] = members
        return
    bases = [base.__name__ for base in cls.__mro__[1:-1] if base.__module__.split(".")[0] not in MACHINERY]
    found["classes"][name] = {"bases": bases}
    if name in WHOLE:
        found["classes"][name]["members"] = members_of(cls)
    for inner, value in vars(cls).items():
        if isinstance(value, type) and not inner.startswith("_") and (members := enumerated(value)):
            found["enums"][f"{name}.{inner}"] = members


def enumerated(cls: type) -> dict[str, int]:
    """Members and values of an enumeration of Python, pybind11 or Boost; empty for another class."""
    members = getattr(cls, "__members__", None) or getattr(cls, "names", None)
    if not isinstance(members, Mapping):
        return {}
    return {str(key): int(member) for key, member in members.items()}


def members_of(cls: type) -> list[str]:
    """Own and inherited members, as `describe` says."""
    listed = []
    for name in dir(cls):
        if (name.startswith("_") and name not in SPECIAL) or (name in INHERITED and name not in vars(cls)):
            continue
        value = inspect.getattr_static(cls, name)
        if isinstance(value, type | cls):
            continue
        if isinstance(value, property):
            listed.append(name if value.fset is None else f"{name} =")
        elif callable(getattr(cls, name)):
            bound = not isinstance(value, staticmethod)
            listed.append(f"{name}{signature(getattr(cls, name), bound=bound)}")
        else:
            constant = getattr(cls, name)
            listed.append(f"{name}: {constant}" if isinstance(constant, int) else name)
    return sorted(listed)


def signature(function: Any, *, bound: bool = False) -> str:
    """Without module names; overloads joined by " | ". "(...)" where the library says nothing. bound: a method, listed
    without its self."""
    lines = [line.strip() for line in (function.__doc__ or "").splitlines()]
    name = re.escape(getattr(function, "__name__", "") or "")
    heads = [line for line in lines if re.match(rf"(\d+\. )?{name}\((?!\*args, \*\*kwargs\)).* ->", line)]
    if heads:
        tidy = _tidy_boost if heads[0].endswith(":") else _tidy_pybind
        return " | ".join(dict.fromkeys(tidy(head, bound) for head in heads))
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return "(...)"
    plain = [p.replace(annotation=p.empty) for p in parameters if p.name != "self"]
    return str(inspect.Signature(plain))


def _tidy_pybind(head: str, bound: bool) -> str:
    """'2. f(self: a.b.C, x: a.b.D = <D.E: 0>) -> int' -> '(x: D = D.E)'"""
    inner = head[head.index("(") : head.rindex(")", 0, head.rindex(" -> ")) + 1]
    inner = re.sub(r"<([\w.]+): -?\d+>", r"\1", inner)
    inner = re.sub(r"\b(?:[a-z_]\w*(?:\.|::))+(?=[A-Za-z])", "", inner)
    if bound:
        inner = re.sub(r"^\((self|arg0): \w+(, )?", "(", inner)
    return inner.replace("SupportsInt", "int").replace("SupportsFloat", "float").replace("Buffer", "buffer")


def _tidy_boost(head: str, bound: bool) -> str:
    """'f( (Stream)arg1, (int)size [, (object)out=None]) -> int :' -> '(size: int, out: object = None)'"""
    found = re.findall(r"(\[[, ]*)?\((\w+)\)(\w+)(?:=([^,\])[]*))?", head[: head.rindex(" -> ")])
    words = [
        f"{name}: {kind}" + (f" = {default.strip() or '...'}" if free else "") for free, kind, name, default in found
    ]
    return f"({', '.join(words[1:] if bound else words)})"


def write(path: Path, listed: Listed) -> None:
    """One line for each class, enumeration and function, in a fixed order."""
    lines = [f" {json.dumps(key)}: {json.dumps(listed[key])}," for key in ("library", "version", "source")]
    for key in KEYS:
        entries = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(listed[key].items())]
        lines.append(f" {json.dumps(key)}: {{\n" + ",\n".join(entries) + "\n },")
    path.write_text("{\n" + "\n".join(lines).rstrip(",") + "\n}\n")
