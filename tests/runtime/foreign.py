"""Tiny bundles of the other tasks: a mask by brightness, and arrays in, arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.manifest import Manifest
from edgeneuro.runtime.bundle import pack_bundle
from edgeneuro.spec import Array, TensorSpec
from tests.runtime.bundles import SIDE, golden_npz, tiny_manifest


def mask_onnx(channels: int) -> bytes:
    """image (batch, 1, 32, 32) -> logits (batch, channels, 16, 16) of every second pixel. One channel: brightness - 1/2.
    Three: 0.3, brightness, and 1.6 - 2 x brightness, so that class 2 is dark, 1 is bright and 0 lies between."""
    slopes, offsets = {1: ([1.0], [-0.5]), 3: ([0.0, 1.0, -2.0], [0.6, 0.0, 1.0])}[channels]
    weight = np.array(slopes, np.float32).reshape(channels, 1, 1, 1)
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"], strides=[2, 2])
    graph = helper.make_graph(
        [node],
        "mask",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", channels, SIDE // 2, SIDE // 2])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array(offsets, np.float32), "b")],
    )
    return _bytes(graph)


def sum_onnx() -> bytes:
    """left (batch, 4) float32, steps (2,) int64 -> total (batch, 4) = left x sum(steps), index (2,) = steps + 1."""
    nodes = [
        helper.make_node("ReduceSum", ["steps"], ["whole"], keepdims=0),
        helper.make_node("Cast", ["whole"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["left", "factor"], ["total"]),
        helper.make_node("Add", ["steps", "one"], ["index"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        [
            helper.make_tensor_value_info("left", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("steps", TensorProto.INT64, [2]),
        ],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("index", TensorProto.INT64, [2]),
        ],
        [numpy_helper.from_array(np.array(1, np.int64), "one")],
    )
    return _bytes(graph)


def _bytes(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_mask_bundle(path: Path, *, channels: int = 1, classes: tuple[str, ...] = ("background", "bright")) -> Path:
    spec = TensorSpec(
        name="logits",
        shape=(-1, channels, SIDE // 2, SIDE // 2),
        axes=("batch", "class", "height", "width"),
        dtype="float32",
        unit="logit",
    )
    manifest = tiny_manifest(task="segmentation", classes=classes, primary_metric="dice", outputs=(spec,))
    image = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(1, 1, 1, SIDE, SIDE)
    logits = _logits(image[0, 0, 0], channels)[None, None]
    members = {
        "model.onnx": mask_onnx(channels),
        "golden.npz": golden_npz({"model.onnx:logits": logits}, {"image": image}),
    }
    return _write(path, manifest, members)


def _logits(image: Array, channels: int) -> Array:
    pixels = image[::2, ::2]
    planes = [pixels - np.float32(0.5)] if channels == 1 else [0 * pixels + np.float32(0.6), pixels, 1 - 2 * pixels]
    return np.stack(planes)


def write_array_bundle(path: Path) -> Path:
    """`sum_onnx` as an engine for arrays."""

    def spec(name: str, shape: tuple[int, ...], dtype: str) -> TensorSpec:
        return TensorSpec(
            name=name, shape=shape, axes=tuple(f"axis {n}" for n in range(len(shape))), dtype=dtype, unit="-"
        )

    manifest = tiny_manifest(
        task="tensors",
        classes=(),
        primary_metric="output_error",
        preprocess=None,
        inputs=(spec("left", (-1, 4), "float32"), spec("steps", (2,), "int64")),
        outputs=(spec("total", (-1, 4), "float32"), spec("index", (2,), "int64")),
    )
    left, steps = np.ones((1, 1, 4), np.float32), np.array([[1, 2]])
    outputs = {"model.onnx:total": 3 * left, "model.onnx:index": steps + 1}
    members = {"model.onnx": sum_onnx(), "golden.npz": golden_npz(outputs, {"left": left, "steps": steps})}
    return _write(path, manifest, members)


def _write(path: Path, manifest: Manifest, members: dict[str, bytes]) -> Path:
    path.write_bytes(pack_bundle(manifest, members))
    return path
