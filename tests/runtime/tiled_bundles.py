"""Tiny engines that cover images and volumes with tiles: what is brighter than half, on the mean of a voxel's neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.manifest import Manifest
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.bundle import pack_bundle
from edgeneuro.spec import Array, Float32, Frame, TensorSpec
from edgeneuro.tiled import FULL, Tiled
from edgeneuro.tiles import Tiling, infer_region
from tests.runtime.bundles import golden_npz, tiny_manifest

TILE_2D, TILE_3D = (16, 16), (8, 16, 16)


def tiled_preprocess(tile: tuple[int, ...]) -> Preprocess:
    return Preprocess(
        height=tile[-2],
        width=tile[-1],
        depth=tile[0] if len(tile) == 3 else None,
        bit_depth=16,
        max_value=float(FULL),
        tiled=Tiled(),
    )


def mean_onnx(tile: tuple[int, ...], *, threshold: float = 0.5) -> bytes:
    """image (batch, 1, *tile) -> logits (batch, 1, *tile): the mean of 3 x 3 [x 3] neighbours, zeros outside, less `threshold`."""
    axes = len(tile)
    weight = np.full((1, 1, *(3,) * axes), 1 / 3**axes, np.float32)
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"], pads=[1] * (2 * axes))
    graph = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, *tile])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, *tile])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([-threshold], np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_tiled_bundle(path: Path, tile: tuple[int, ...], *, threshold: float = 0.5) -> Path:
    """`mean_onnx` as an engine for images, or for volumes where the tile has three axes."""
    axes = ("depth", "height", "width")[-len(tile) :]
    network = mean_onnx(tile, threshold=threshold)
    golden = np.linspace(0, 1, int(np.prod(tile)), dtype=np.float32).reshape(1, 1, *tile)
    logits = onnxruntime.InferenceSession(network).run(None, {"image": golden})[0]
    members = {
        "model.onnx": network,
        "golden.npz": golden_npz({"model.onnx:logits": logits[None]}, {"image": golden[None]}),
    }
    path.write_bytes(pack_bundle(_manifest(tile, axes), members))
    return path


def _manifest(tile: tuple[int, ...], axes: tuple[str, ...]) -> Manifest:
    def spec(name: str, axis: str) -> TensorSpec:
        return TensorSpec(name=name, shape=(-1, 1, *tile), axes=("batch", axis, *axes), dtype="float32", unit="-")

    return tiny_manifest(
        model=f"segmentation-{len(tile)}d",
        task="segmentation",
        classes=("background", "neurite"),
        primary_metric="dice",
        inputs=(spec("image", "channel"),),
        outputs=(spec("logits", "class"),),
        preprocess=tiled_preprocess(tile),
    )


def mask_by_hand(path: Path, frame: Frame, levels: tuple[float, float] | None = None) -> Array:
    """What the engine `path` makes of a whole image or volume, all of it blended in one region: ([depth,] height, width) 0 and 1."""
    from edgeneuro.runtime import open_engine

    with open_engine(path) as engine:
        preprocess = engine.manifest.frame_preprocess
        assert preprocess.tiled is not None
        scaled = preprocess.whole(frame, levels)
        tiling = Tiling(shape=scaled.shape, tile=preprocess.tile, overlap=preprocess.tiled.overlaps(preprocess.tile))

        def run(tile: Float32) -> Array:
            return engine.infer({"image": tile})["logits"]

        logits = infer_region(lambda region: preprocess.normalise(scaled[region]), run, tiling, tiling.whole)
    mask: Array = (logits[0] > 0).astype(np.uint8)
    return mask
