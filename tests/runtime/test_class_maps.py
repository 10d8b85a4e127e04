"""A classifier that explains itself: what each place of the frame gives to each class."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import BundleError, SelfTestError
from edgeneuro.runtime import open_engine, pack_bundle, read_bundle
from edgeneuro.spec import Frame
from tests.runtime.bundles import SIDE, golden_npz, logits_of, maps_of, write_explaining_bundle


def bright_corner() -> Frame:
    """Black, the upper left square of 8 x 8 px white: of 4 x 4 places one."""
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[:8, :8] = 255
    return frame


def test_a_prediction_holds_the_map_of_every_class_not_rectified(tmp_path: Path) -> None:
    with open_engine(write_explaining_bundle(tmp_path / "e.edge")) as engine:
        made = engine.classify(bright_corner())
    assert made.class_maps is not None
    assert made.class_maps.shape == (3, 4, 4)
    assert made.class_maps.dtype == np.float32
    dark, grey, bright = made.class_maps[:, 0, 0]
    assert (dark, grey, bright) == (-40, 0, 40)
    assert not made.class_maps[:, 1:].any()


def test_the_means_of_the_maps_and_the_bias_are_the_logits(tmp_path: Path) -> None:
    with open_engine(write_explaining_bundle(tmp_path / "e.edge")) as engine:
        feed = engine.feed(bright_corner())
        outputs = engine.infer(feed)
    bias = np.array([12.0, 0.0, -28.0], np.float32)
    np.testing.assert_allclose(outputs["class_maps"].mean((2, 3)) + bias, outputs["logits"], atol=1e-5)
    np.testing.assert_allclose(outputs["logits"], logits_of(feed["image"]), atol=1e-5)
    np.testing.assert_allclose(outputs["class_maps"], maps_of(feed["image"]), atol=1e-5)


def test_a_classifier_without_maps_has_none(edge: Path) -> None:
    with open_engine(edge) as engine:
        assert engine.classify(bright_corner()).class_maps is None


def test_maps_of_other_classes_than_the_manifest_names_are_refused(tmp_path: Path) -> None:
    logits, maps = read_bundle(write_explaining_bundle(tmp_path / "e.edge")).manifest.outputs
    with pytest.raises(
        BundleError, match=r"output class_maps of shape \[\(2, 4, 4\)\] a frame, .* build the engine again"
    ):
        open_engine(write_explaining_bundle(tmp_path / "o.edge", outputs=(logits, replace(maps, shape=(-1, 2, 4, 4)))))


def test_the_self_test_covers_the_maps_as_well_as_the_logits(tmp_path: Path) -> None:
    path = write_explaining_bundle(tmp_path / "e.edge")
    bundle = read_bundle(path)
    with np.load(BytesIO(bundle.members["golden.npz"])) as held:
        golden = {name: held[name] for name in held}
    golden["model.onnx:class_maps"] = golden["model.onnx:class_maps"] + np.float32(0.1)
    changed = golden_npz(golden, {})
    path.write_bytes(pack_bundle(replace(bundle.manifest, files={}), {**bundle.members, "golden.npz": changed}))
    with pytest.raises(SelfTestError, match=r"output 'class_maps' differs from its golden value by 0\.00281"):
        open_engine(path)
