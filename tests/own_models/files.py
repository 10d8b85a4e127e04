"""Small .onnx files as other people's tools write them, and data for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from edgeneuro.spec import Array

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name: str, shape: Sequence[int | str], kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: dict[str, Array] | None = None,
    *,
    opset: int = 17,
) -> Path:
    constants = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), path.stem, list(inputs), list(outputs), constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return path


def weights(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def classifier(
    path: Path, *, channels: int = 1, side: int | str = 32, batch: int | str = "n", ending: str = "Softmax"
) -> Path:
    """Two convolutions, mean over space, three classes, `ending`."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node(ending, ["f"], ["y"]),
    ]
    constants = {"w1": weights(16, channels, 3, 3), "w2": weights(3, 16, 3, 3, seed=1)}
    return save(path, nodes, [value("x", [batch, channels, side, side])], [value("y", [batch, 3])], constants)


def explaining(path: Path, *, maps: str = "class_maps", classes: int = 3, more: bool = False) -> Path:
    """As `classifier`, and its second output `maps` is what is averaged; of other `classes`, a part of it. more: a third
    output beside it."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1] * 4, strides=[4, 4]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["maps"]),
        helper.make_node("Slice", ["maps", "from", "to", "axis"], [maps])
        if classes < 3
        else helper.make_node("Identity", ["maps"], [maps]),
        helper.make_node("GlobalAveragePool", ["maps"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Add", ["f", "b"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
        *([helper.make_node("Flatten", ["r1"], ["features"])] if more else []),
    ]
    constants = {
        "w1": weights(16, 1, 3, 3),
        "w2": weights(3, 16, 1, 1, seed=1),
        "b": weights(3, seed=2),
        "from": np.array([0]),
        "to": np.array([classes]),
        "axis": np.array([1]),
    }
    outputs = [
        value("y", ["n", 3]),
        *([value("features", ["n", 1024])] if more else []),
        value(maps, ["n", classes, 8, 8]),
    ]
    return save(path, nodes, [value("x", ["n", 1, 32, 32])], outputs, constants)


def segmenter(path: Path, *, classes: int = 1, side: int | str = 64, scale: int = 1) -> Path:
    """One convolution to 16 channels and one to `classes`, `scale` times smaller; of one class, a sigmoid."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], pads=[1] * 4, strides=[scale] * 2),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["l"], pads=[1] * 4),
        helper.make_node("Sigmoid", ["l"], ["y"])
        if classes == 1
        else helper.make_node("Softmax", ["l"], ["y"], axis=1),
    ]
    small = side // scale if isinstance(side, int) else side
    constants = {"w1": weights(16, 1, 3, 3), "w2": weights(classes, 16, 3, 3, seed=1)}
    return save(path, nodes, [value("x", ["n", 1, side, side])], [value("y", ["n", classes, small, small])], constants)


def two_inputs(path: Path) -> Path:
    """A map (n, 2, 8, 8) through a convolution, plus an offset by index (int64): one float and one whole output."""
    nodes = [
        helper.make_node("Conv", ["map", "w"], ["c"], pads=[1] * 4),
        helper.make_node("Gather", ["table", "index"], ["offset"]),
        helper.make_node("Add", ["c", "offset"], ["sum"]),
        helper.make_node("Add", ["index", "index"], ["twice"]),
    ]
    return save(
        path,
        nodes,
        [value("map", ["n", 2, 8, 8]), value("index", [1], INT64)],
        [value("sum", ["n", 16, 8, 8]), value("twice", [1], INT64)],
        {"w": weights(16, 2, 3, 3), "table": np.array([0.0, 1.0, -1.0], np.float32)},
    )


def frames(folder: Path, count: int = 6, *, height: int = 72, width: int = 80, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        smooth = cv2.GaussianBlur(rng.random((height, width)), (0, 0), 2)
        grey = np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"f{number}.png"), grey)
    return folder


def samples(folder: Path, count: int = 6) -> Path:
    """.npz files for `two_inputs`; every second one leaves the batch axis out."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = rng.standard_normal((2, 8, 8)).astype(np.float32)
        np.savez(folder / f"s{number}.npz", map=picture if number % 2 else picture[None], index=np.array([number % 3]))
    return folder
