"""How fast INT8 can be here: large convolutions and matrix products by themselves, in ONNX Runtime.

A network of M multiply-accumulates cannot take less than M / peak; how far it is from that is what everything around
its large layers costs: narrow layers, layout changes, what stays in float.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One INT8 operator on random values. macs: multiply-accumulates of one call."""

    graph: onnx.ModelProto
    macs: int


def int8_kernels() -> dict[str, Kernel]:
    """Name -> kernel: sizes that keep the multipliers busy, UINT8 x INT8 with one scale for each output channel."""
    return {
        "3x3 convolution, 256 channels, 28 x 28": _convolution(256, 28),
        "3x3 convolution, 128 channels, 56 x 56": _convolution(128, 56),
        "1x1 convolution, 512 channels, 28 x 28": _convolution(512, 28, kernel=1),
        "matrix product, 512 x 1024 x 1024": _product(512, 1024, 1024),
    }


def open_kernel(kernel: Kernel, threads: int) -> Callable[[int], Mapping[str, float]]:
    """A candidate of `protocol.interleave`: one call, ms."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(kernel.graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    feeds = {"x": np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)}

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter()
        session.run(None, feeds)
        return {"ms": 1e3 * (time.perf_counter() - started)}

    return run


def _convolution(channels: int, side: int, *, kernel: int = 3) -> Kernel:
    """Channels last, as ONNX Runtime runs a chain of convolutions: no change of layout is counted."""
    weights = np.random.default_rng(1).integers(-127, 128, (channels, channels, kernel, kernel)).astype(np.int8)
    graph = _graph(
        "QLinearConv",
        weights,
        (1, side, side, channels),
        pads=[kernel // 2] * 4,
        channels_last=1,
    )
    return Kernel(graph=graph, macs=side * side * weights.size)


def _product(rows: int, inner: int, columns: int) -> Kernel:
    weights = np.random.default_rng(2).integers(-127, 128, (inner, columns)).astype(np.int8)
    return Kernel(graph=_graph("QLinearMatMul", weights, (rows, inner)), macs=rows * weights.size)


def _graph(operator: str, weights: np.ndarray, shape: tuple[int, ...], **attributes: Any) -> onnx.ModelProto:
    """x, scale, zero point, weights, scale, zero point, scale, zero point -> y, as both operators take them."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    convolution = operator == "QLinearConv"
    outputs = weights.shape[0 if convolution else 1]
    constants = {
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(128),
        "w": weights,
        "w_scale": np.full(outputs, 0.01, np.float32),
        "w_zero": np.zeros(outputs, np.int8),
        "y_scale": np.float32(0.5),
        "y_zero": np.uint8(128),
    }
    domain = "com.microsoft" if convolution else ""
    node = helper.make_node(operator, ["x", *constants], ["y"], domain=domain, **attributes)
    free = [None] * len(shape)
    graph = helper.make_graph(
        [node],
        "kernel",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, free)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
