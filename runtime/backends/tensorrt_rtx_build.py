"""`python -m edgeneuro.runtime.backends.tensorrt_rtx_build REPORT.json CAPABILITY... < model.onnx`, by `build_evidence`.

A process of its own, since a crash or a shortage of memory in the builder must not end the caller, and since it needs
neither torch nor anything else in memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorrt_rtx as trt

from edgeneuro.files import write_json
from edgeneuro.records import to_json
from edgeneuro.runtime.backends.tensorrt_rtx import UINT8_AS_INT8, BuildEvidence, BuildReport, RefusedNode
from edgeneuro.runtime.onnx_wire import standard_nodes

_LAYER = re.compile(
    r"Name: (?:\S*, LayerType: correlation|\S*Corr\S*, LayerType: runtime_fusion), "
    r"Inputs: \[ \{[^}]*?Datatype: (\w+)"
)
"""An engine layer that convolves, as the build log lists it with detailed profiling, and the type of its first input."""

_UNSUPPORTED = "unsupported operator"


class _Log(trt.ILogger):  # type: ignore[misc]  # the library has no type hints
    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.lines: list[tuple[Any, str]] = []

    def log(self, severity: Any, message: str) -> None:
        self.lines.append((severity, message))

    def of(self, *severities: Any) -> tuple[str, ...]:
        """Messages of these severities in order, each once."""
        return tuple(dict.fromkeys(message.strip() for severity, message in self.lines if severity in severities))


def build(model: bytes, compute_capabilities: Sequence[str]) -> BuildReport:
    """Parse and build `model`, every free axis of its inputs at size 1."""
    log = _Log()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    parsed = parser.parse(model) and network.num_outputs > 0
    plan = (
        builder.build_serialized_network(network, _config(builder, network, compute_capabilities)) if parsed else None
    )
    warnings = (*log.of(trt.ILogger.WARNING), *_silent_uint8(model))
    if plan is None:
        refused = _refused_nodes(parser, model)
        problems = log.of(trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) or ("it has no outputs",)
        return BuildReport(
            version=trt.__version__, warnings=warnings, refused=refused, problems=() if refused else problems
        )
    types = _convolution_types(network, log.of(trt.ILogger.INFO, trt.ILogger.VERBOSE))
    evidence = BuildEvidence(
        convolutions=len(types),
        int8_convolutions=types.count("Int8"),
        half_convolutions=types.count("Half"),
        warnings=warnings,
        engine_bytes=plan.nbytes,
    )
    return BuildReport(version=trt.__version__, warnings=warnings, evidence=evidence)


def _config(builder: Any, network: Any, compute_capabilities: Sequence[str]) -> Any:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.num_compute_capabilities = len(compute_capabilities)
    for index, capability in enumerate(compute_capabilities):
        config.set_compute_capability(_capability(capability), index)
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = [max(size, 1) for size in tensor.shape]
        profile.set_shape(tensor.name, shape, shape, shape)
    config.add_optimization_profile(profile)
    return config


def _capability(text: str) -> Any:
    """ "8.6" -> the library's SM86."""
    known = {name: value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")}
    name = f"SM{text.replace('.', '')}"
    if name not in known:
        offered = ", ".join(f"{key[2:-1]}.{key[-1]}" for key in known)
        sys.exit(f"compute capability {text}: is not known to tensorrt-rtx {trt.__version__}, which has {offered}")
    return known[name]


def _refused_nodes(parser: Any, model: bytes) -> tuple[RefusedNode, ...]:
    """What the parser says, and the unsupported operators behind the invalid node at which it stops."""
    errors = (parser.get_error(index) for index in range(parser.num_errors))
    said = [
        RefusedNode(name=error.node_name(), operator=error.node_operator(), reason=_reason(error)) for error in errors
    ]
    names = {node.name for node in said}
    unreached = [
        RefusedNode(name=node.name, operator=node.operator, reason=_UNSUPPORTED)
        for node in standard_nodes(model)
        if node.name not in names and not parser.supports_operator(node.operator)
    ]
    return (*said, *unreached)


def _reason(error: Any) -> str:
    """The line that says why. An unsupported operator comes with "false", a broken type with the node's name first."""
    lines = [line.strip() for line in error.desc().splitlines()]
    return next(
        (line for line in lines if line not in ("", "false") and not line.startswith("Invalid Node")), _UNSUPPORTED
    )


def _silent_uint8(model: bytes) -> tuple[str, ...]:
    """What the parser should warn of and does not: without a zero point, ONNX quantises to UINT8, TensorRT to INT8."""
    return tuple(
        f"QuantizeLinear {node.name!r} has no zero point: UINT8 by ONNX. {UINT8_AS_INT8}"
        for node in standard_nodes(model)
        if node.operator == "QuantizeLinear" and len(node.inputs) < 3 and "output_dtype" not in node.attributes
    )


def _convolution_types(network: Any, messages: Sequence[str]) -> list[str]:
    """What each convolution of the network reads in the built engine, "" where the log lists no such layer."""
    lines = [line for message in messages for line in message.splitlines()]
    listed = [(match[1], line) for line in lines if (match := _LAYER.match(line))]
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return [
        next((kind for kind, line in listed if layer.metadata in line), "")
        for layer in layers
        if layer.type == trt.LayerType.CONVOLUTION
    ]


if __name__ == "__main__":
    write_json(Path(sys.argv[1]), to_json(build(sys.stdin.buffer.read(), sys.argv[2:])))
