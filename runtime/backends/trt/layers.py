"""The layers of a built engine, from the library's inspector, else from its build log.

The build log is TensorRT-RTX's and read by tests with the library itself. The inspector's JSON is written down here from
NVIDIA's documentation of 10.x (key "Bindings", "Format/Datatype" in one sentence) and 11.x ("I/O Tensors", "Format" and
"Datatype" apart) and from what is published of both; this project has run it on no engine yet. Both name the same
fields, so one reader of layers serves both.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgeneuro.runtime.backends.trt.records import Layers

_TYPES = (
    ("Int8", r"int8"),
    ("Half", r"fp16|half|float16"),
    ("BFloat16", r"bf16|bfloat16"),
    ("FP8", r"fp8|float8\w*"),
    ("Float", r"fp32|float|float32"),
    ("Int32", r"int32"),
    ("Int64", r"int64"),
    ("Int4", r"int4"),
    ("FP4", r"fp4\w*"),
    ("UInt8", r"uint8"),
    ("Bool", r"bool"),
)
"""What TensorRT's enum calls an element type -> how the inspector writes it, in any case."""

_REFORMAT = re.compile(r"reformat|noop|copy", re.IGNORECASE)
_CONVOLVES = re.compile(r"conv|corr|gemm", re.IGNORECASE)
_BEHIND_INPUTS = re.compile(r", (?:Constants|Outputs): \[")
_DATATYPE = re.compile(r"Datatype: (\w+)")


@dataclass(frozen=True, kw_only=True)
class EngineLayer:
    """kind: of the engine's layer, "" where it is not said. reads: type of its first input, "" where it is not said.
    nodes: names of the ONNX nodes in it, as one text."""

    name: str
    kind: str
    reads: str
    nodes: str


@dataclass(frozen=True, kw_only=True)
class NetworkLayer:
    """A layer of the parsed network. node: what the engine's layers call it, e.g. "[ONNX Layer: conv1]"."""

    node: str
    convolution: bool


def network_layers(network: Any, module: Any) -> tuple[NetworkLayer, ...]:
    """What the build starts from; transposed convolutions are of another type."""
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return tuple(
        NetworkLayer(node=layer.metadata or layer.name, convolution=layer.type == module.LayerType.CONVOLUTION)
        for layer in layers
    )


def from_inspector(text: str) -> tuple[EngineLayer, ...]:
    """Layers in `IEngineInspector.get_engine_information(JSON)`. A layer that is only a name has no kind and no type.

    Raises ValueError for a text that is not such JSON.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("Layers"), list):
        raise ValueError(f"no list of layers in {text[:80]!r}")  # noqa: TRY004  (what came is a text)
    return tuple(_inspected(layer) for layer in found["Layers"])


def from_log(messages: Iterable[str]) -> tuple[EngineLayer, ...]:
    """Layers as a verbose build log lists them at its end, one a line."""
    lines = (line for message in messages for line in message.splitlines())
    return tuple(_logged(line) for line in lines if line.startswith("Name: ") and ", LayerType: " in line)


def census(
    engine: Sequence[EngineLayer], network: Sequence[NetworkLayer], source: Literal["inspector", "build log"]
) -> Layers:
    """Count by kind and type. A convolution counts with the type that the engine's layer for it reads; where no layer
    that convolves names it, it counts for no type."""
    reads = [_convolution_reads(layer.node, engine) for layer in network if layer.convolution]
    dla = [layer for layer in engine if _on_dla(layer)]
    return Layers(
        count=len(engine),
        convolutions=len(reads),
        int8_convolutions=reads.count("Int8"),
        half_convolutions=reads.count("Half"),
        reformats=sum(bool(_REFORMAT.search(layer.kind)) for layer in engine),
        on_dla=sum(any(layer.node in placed.nodes for placed in dla) for layer in network if layer.node),
        types=dict(sorted(Counter(layer.reads for layer in engine if layer.reads).items())),
        source=source,
    )


def _convolution_reads(node: str, engine: Iterable[EngineLayer]) -> str:
    return next((layer.reads for layer in engine if _convolves(layer) and node in layer.nodes), "")


def _convolves(layer: EngineLayer) -> bool:
    """A fused layer says by its own name what it does: "__myl_CorrAddRelu_myl0_3"."""
    if layer.kind == "runtime_fusion":
        return bool(_CONVOLVES.search(layer.name))
    return bool(_CONVOLVES.search(layer.kind)) or _on_dla(layer)


def _on_dla(layer: EngineLayer) -> bool:
    return layer.kind.upper().startswith("DLA")


def _logged(line: str) -> EngineLayer:
    name, _, rest = line.partition(", LayerType: ")
    inputs = _BEHIND_INPUTS.split(rest, maxsplit=1)[0]
    return EngineLayer(
        name=name.removeprefix("Name: "),
        kind=rest.partition(",")[0],
        reads=_element_type("".join(_DATATYPE.findall(inputs)[:1])),
        nodes=rest.partition(", Metadata: ")[2],
    )


def _inspected(layer: Any) -> EngineLayer:
    if not isinstance(layer, dict):
        return EngineLayer(name=str(layer), kind="", reads="", nodes=str(layer))
    kinds = (str(layer.get(key, "")) for key in ("LayerType", "ParameterType"))
    return EngineLayer(
        name=str(layer.get("Name", "")),
        kind=" ".join(filter(None, kinds)),
        reads=_reads(layer),
        nodes=str(layer.get("Metadata") or layer.get("Name", "")),
    )


def _reads(layer: Mapping[str, Any]) -> str:
    """Of the first input; while sizes are free 10.x keeps quiet about it, and the weights must tell."""
    inputs = layer.get("Inputs") or [{}]
    first = inputs[0] if isinstance(inputs[0], dict) else {}
    said = next((str(first[key]) for key in ("Format/Datatype", "Datatype", "DataType") if key in first), "")
    weights = layer.get("Weights")
    return _element_type(said) or _element_type(str(weights.get("Type", "")) if isinstance(weights, dict) else "")


def _element_type(text: str) -> str:
    """ "Row major linear FP16 format" -> "Half"; "" for a text that names none."""
    return next((name for name, pattern in _TYPES if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE)), "")
