"""Masks and plain arrays, beside classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import (
    ShapeError,
)
from edgeneuro.preprocess import Preprocess
from tests.benchmarks.compare.files import (
    BIAS,
    arrays,
    unlabelled,
    write_float,
    write_onnx,
)
from tests.benchmarks.compare.running import one, pictures, run
from tests.benchmarks.frames import LEVELS, flat_data
from tests.runtime.bundles import SIDE, logits_of
from tests.runtime.foreign import sum_onnx, write_array_bundle, write_mask_bundle


def masks() -> DataSet:
    """Six frames of three people: bright on the left, dark on the right."""
    samples = tuple(Sample(source=f"{n}", index=0, target=None, group=f"P{n // 2}") for n in range(6))

    def read(sample: Sample) -> Any:
        frame = np.full((SIDE, SIDE), 20, np.uint8)
        frame[:, : SIDE // 2] = 140 + 10 * int(sample.source)
        return frame

    return DataSet(
        name="halves",
        classes=("background", "bright"),
        samples=samples,
        reader=read,
        mask_reader=lambda sample: (read(sample) > 100).astype(np.uint8),
    )


def moved_masks(path: Path, offset: float) -> Path:
    """The bare graph of `write_mask_bundle`, its logits moved."""
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"], strides=[2, 2])
    graph = helper.make_graph(
        [node],
        "mask",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, SIDE // 2, SIDE // 2])],
        [
            numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w"),
            numpy_helper.from_array(np.array([offset], np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return path


def test_masks_agree_by_their_dice_and_are_scored_by_the_labels(tmp_path: Path) -> None:
    """A threshold of 0.6 in place of 0.5 leaves frames of 140 and 150 (of 255) without a mask."""
    engine = write_mask_bundle(tmp_path / "m.edge")
    same, moved = moved_masks(tmp_path / "same.onnx", -0.5), moved_masks(tmp_path / "moved.onnx", -0.6)
    done = run(engine, same, moved, data=masks())
    assert (done.task, done.metric) == ("segmentation", "dice")
    assert done.reference_value is not None and done.reference_value.value == 1.0
    first, second = done.executables
    assert first.verdict == "pass" and first.agreement is not None and first.agreement.value == 1.0
    assert second.verdict == "fail"
    assert second.agreement is not None and second.agreement.value == pytest.approx(4 / 6)
    assert second.value is not None and second.value.value == pytest.approx(4 / 6)
    assert second.drop_points is not None and second.drop_points.value == pytest.approx(100 * 2 / 6)
    assert second.outputs[0].max == pytest.approx(0.1, abs=1e-6)


def test_masks_without_labels_still_agree(tmp_path: Path) -> None:
    engine = write_mask_bundle(tmp_path / "m.edge")
    done = run(engine, moved_masks(tmp_path / "same.onnx", -0.5), data=unlabelled())
    assert done.metric is None and one(done).verdict == "pass"
    assert one(done).judged_by[-1] == "Dice of the masks 1, at least 0.999"


def test_outputs_of_a_network_for_arrays_are_compared_one_by_one(tmp_path: Path) -> None:
    engine = write_array_bundle(tmp_path / "t.edge")
    (tmp_path / "t.onnx").write_bytes(sum_onnx())
    items = [{"left": np.full((1, 4), n, np.float32), "steps": np.array([n, 2])} for n in range(3)]
    done = run(engine, tmp_path / "t.onnx", data=arrays(items))
    found = one(done)
    assert (done.task, found.agreement, found.verdict) == ("tensors", None, "pass")
    assert [(output.output, output.dtype, output.max) for output in found.outputs] == [
        ("total", "float32", 0.0),
        ("index", "int64", 0.0),
    ]
    assert [text.partition(" of")[0] for text in found.judged_by] == [
        "total: largest difference 0",
        "index: mean difference 0",
    ]


def test_bare_onnx_files_are_compared_on_arrays_and_say_so_when_given_pictures(tmp_path: Path) -> None:
    files = write_onnx(tmp_path / "a.onnx"), write_onnx(tmp_path / "b.onnx", (0.25, 0.0, 0.0))
    done = run(*files, data=arrays(pictures()))
    assert (done.task, done.reference.name) == ("tensors", "a.onnx: fp32 onnxruntime")
    assert one(done).outputs[0].max == pytest.approx(0.25, abs=1e-5)
    assert one(done).outputs[0].magnitude == pytest.approx(np.abs(expected_levels()).max(), rel=1e-5)
    with pytest.raises(ShapeError, match="nothing compared here says how a frame becomes an input"):
        run(*files, data=unlabelled())


def expected_levels() -> Any:
    return logits_of(np.array([0.1, 0.5, 0.9], np.float32)[:, None, None, None], bias=BIAS)


def test_a_bare_onnx_file_is_fed_by_the_preprocessing_of_the_file_that_has_one(tmp_path: Path) -> None:
    half = Preprocess(height=SIDE, width=SIDE, std=(0.5,))
    done = run(write_onnx(tmp_path / "a.onnx"), write_float(tmp_path / "b.edge", preprocess=half))
    assert done.reference.kind == "onnx" and one(done).verdict == "pass"
    levels = np.array([LEVELS[s.source.partition("-")[0]] / 255 / 0.5 for s in flat_data().samples], np.float32)
    assert one(done).outputs[0].magnitude == pytest.approx(
        np.abs(logits_of(levels[:, None, None, None])).max(), rel=1e-5
    )
