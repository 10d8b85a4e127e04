"""Tiny bundles, made without training: average brightness, then one fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.manifest import Calibration, Compute, DataIdentity, Graph, LayerCost, Manifest
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.bundle import pack_bundle
from edgeneuro.spec import Array, Float32, TensorSpec

SIDE = 32
CLASSES = ("dark", "grey", "bright")
PHANTOM = DataIdentity(name="phantom", licence="Apache-2.0", simulated=True, frames=6, groups=3)
LUNG = DataIdentity(name="us_lung_pocus", licence="CC-BY-4.0", simulated=False, frames=6, groups=3)

# of brightness m: logits (12 - 40 m, 0, 40 m - 28), so dark below 0.3, bright above 0.7, grey between
_WEIGHT = np.array([[-40.0], [0.0], [40.0]], np.float32)
_BIAS = np.array([12.0, 0.0, -28.0], np.float32)


def tiny_onnx(*, bias: Float32 = _BIAS, opset: int = 20) -> bytes:
    """image (batch, 1, 32, 32) -> mean brightness -> logits (batch, 3)."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(_WEIGHT, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def explaining_onnx() -> bytes:
    """The same network with its layers exchanged: image -> mean brightness of 4 x 4 squares -> class_maps (batch, 3, 4, 4)
    -> their means, plus the bias -> logits (batch, 3)."""
    nodes = [
        helper.make_node("AveragePool", ["image"], ["squares"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["squares", "weight"], ["class_maps"]),
        helper.make_node("GlobalAveragePool", ["class_maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Add", ["flat", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "explaining",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("class_maps", TensorProto.FLOAT, ["batch", 3, 4, 4]),
        ],
        [numpy_helper.from_array(_WEIGHT[:, :, None, None], "weight"), numpy_helper.from_array(_BIAS, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def rating_onnx() -> bytes:
    """The network of `tiny_onnx`, with the mean brightness itself as a second output: quality (batch, 1)."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["quality"]),
        helper.make_node("Gemm", ["quality", "weight", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "rating",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("quality", TensorProto.FLOAT, ["batch", 1]),
        ],
        [numpy_helper.from_array(_WEIGHT, "weight"), numpy_helper.from_array(_BIAS, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def maps_of(batch: Float32) -> Float32:
    """The class_maps of `explaining_onnx`, in numpy: (batch, 3, 4, 4)."""
    squares = batch.reshape(-1, 1, 4, SIDE // 4, 4, SIDE // 4).mean(axis=(3, 5))
    maps: Float32 = squares * _WEIGHT[:, :, None]
    return maps


def logits_of(batch: Float32, *, bias: Float32 = _BIAS) -> Float32:
    """What `tiny_onnx` computes, in numpy."""
    mean = batch.mean(axis=(1, 2, 3))[:, None]
    logits: Float32 = mean @ _WEIGHT.T + bias
    return logits


def tiny_graph(path: str = "model.onnx", **changes: Any) -> Graph:
    graph = Graph(path=path, backend="onnxruntime", precision="fp32", convolutions=0, tolerance=1e-3)
    return replace(graph, **changes)


def tiny_layer() -> LayerCost:
    """The fully connected layer."""
    return LayerCost(
        name="gemm", operator="Gemm", params=6, macs=3, weight_elements=6, input_elements=1, output_elements=3
    )


def tiny_manifest(**changes: Any) -> Manifest:
    manifest = Manifest(
        model="myositis",
        task="classification",
        precision="fp32",
        classes=CLASSES,
        primary_metric="balanced_accuracy",
        inputs=(
            TensorSpec(
                name="image",
                shape=(-1, 1, SIDE, SIDE),
                axes=("batch", "channel", "height", "width"),
                dtype="float32",
                unit="brightness, 0 to 1",
            ),
        ),
        outputs=(TensorSpec(name="logits", shape=(-1, 3), axes=("batch", "class"), dtype="float32", unit="logit"),),
        preprocess=Preprocess(height=SIDE, width=SIDE),
        graphs=(tiny_graph(),),
        compute=Compute(params=6, macs=3),
        trained_on=LUNG,
        calibration=None,
        split=None,
        accuracy=None,
        provenance={"checkpoint": "0" * 64},
        tools={"onnxruntime": "1"},
    )
    return replace(manifest, **changes)


def tiny_calibration() -> Calibration:
    """As if calibrated on 8-bit frames with sides of 32 to 64 px."""
    return Calibration(
        data=LUNG,
        method="minmax",
        identity="0" * 64,
        bit_depths=(8,),
        smallest_side_px=32,
        largest_side_px=64,
    )


def golden_npz(outputs: Mapping[str, Array], inputs: Mapping[str, Array]) -> bytes:
    """inputs: name -> (feed, ...). outputs: member -> (feed, ...); both with the batch axis of each feed."""
    buffer = BytesIO()
    arrays: dict[str, Any] = {**{f"input:{name}": values for name, values in inputs.items()}, **outputs}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def golden_batch(outputs: Mapping[str, Float32], batch: Float32) -> bytes:
    """golden.npz of a network with one input "image". batch: (feed, channel, height, width); outputs: (feed, class)."""
    return golden_npz({name: values[:, None] for name, values in outputs.items()}, {"image": batch[:, None]})


def tiny_members(manifest: Manifest, **changed: bytes) -> dict[str, bytes]:
    """Every graph is the same network; golden outputs are those of numpy."""
    batch = np.linspace(0, 1, 2 * SIDE * SIDE, dtype=np.float32).reshape(2, 1, SIDE, SIDE)
    expected = logits_of(batch)
    outputs = {f"{graph.path}:logits": expected for graph in manifest.graphs}
    members = {"golden.npz": golden_batch(outputs, batch), "model.onnx": tiny_onnx()}
    members |= {graph.path: tiny_onnx() for graph in manifest.graphs}
    return members | changed


def tiny_bundle(manifest: Manifest | None = None, members: Mapping[str, bytes] | None = None) -> bytes:
    manifest = tiny_manifest() if manifest is None else manifest
    return pack_bundle(manifest, tiny_members(manifest) if members is None else members)


def write_explaining_bundle(path: Path, **changes: Any) -> Path:
    """`explaining_onnx` as an engine. changes: to the manifest."""
    maps = TensorSpec(
        name="class_maps",
        shape=(-1, 3, 4, 4),
        axes=("batch", "class", "height", "width"),
        dtype="float32",
        unit="logit at one place",
    )
    manifest = tiny_manifest(**{"outputs": (*tiny_manifest().outputs, maps), **changes})
    batch = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(1, 1, SIDE, SIDE)
    outputs = {"model.onnx:logits": logits_of(batch)[:, None], "model.onnx:class_maps": maps_of(batch)[:, None]}
    golden = golden_npz(outputs, {"image": batch[:, None]})
    path.write_bytes(pack_bundle(manifest, {"model.onnx": explaining_onnx(), "golden.npz": golden}))
    return path


def write_rating_bundle(path: Path, **changes: Any) -> Path:
    """`rating_onnx` as an engine. changes: to the manifest."""
    quality = TensorSpec(name="quality", shape=(-1, 1), axes=("batch", "quality"), dtype="float32", unit="0 to 1")
    manifest = tiny_manifest(**{"outputs": (*tiny_manifest().outputs, quality), **changes})
    batch = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(1, 1, SIDE, SIDE)
    mean = batch.mean(axis=(1, 2, 3))[:, None]
    outputs = {"model.onnx:logits": logits_of(batch)[:, None], "model.onnx:quality": mean[:, None]}
    golden = golden_npz(outputs, {"image": batch[:, None]})
    path.write_bytes(pack_bundle(manifest, {"model.onnx": rating_onnx(), "golden.npz": golden}))
    return path


def write_bundle(path: Path, manifest: Manifest | None = None, members: Mapping[str, bytes] | None = None) -> Path:
    path.write_bytes(tiny_bundle(manifest, members))
    return path
