"""Engines that are no classifiers: masks, and arrays in and out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data.arrays import encode_npz
from edgeneuro.errors import BundleError, FrameError, InputError, SelfTestError, ShapeError, UsageError
from edgeneuro.runtime import Segmentation, TensorOutputs, open_engine, pack_bundle, read_bundle
from edgeneuro.runtime.postprocess import class_mask
from edgeneuro.runtime.sources import read_sources
from edgeneuro.runtime.stream import run_sources
from edgeneuro.spec import Frame
from tests.runtime.bundles import SIDE, golden_npz
from tests.runtime.foreign import write_array_bundle, write_mask_bundle

ARRAYS = {"left": np.array([[1, 2, 3, 4]], np.float32), "steps": np.array([2, 3])}


def half_bright(height: int, width: int) -> Frame:
    """Left half black, right half white."""
    frame = np.zeros((height, width), np.uint8)
    frame[:, width // 2 :] = 255
    return frame


def masked(path: Path, frame: Frame) -> Segmentation:
    with open_engine(path) as engine:
        made = engine(frame)
    assert isinstance(made, Segmentation)
    return made


@pytest.mark.parametrize(("height", "width"), [(SIDE, SIDE), (64, 96), (48, 40)])
def test_a_mask_has_the_size_of_the_frame_and_marks_what_is_bright(tmp_path: Path, height: int, width: int) -> None:
    made = masked(write_mask_bundle(tmp_path / "mask.edge"), half_bright(height, width))
    assert made.mask.dtype == np.uint8
    np.testing.assert_array_equal(made.mask, half_bright(height, width) > 0)
    assert made.foreground_fraction == 0.5
    assert set(made.ms) == {"preprocess", "inference", "postprocess"}


def test_of_several_channels_the_largest_logit_names_the_class(tmp_path: Path) -> None:
    path = write_mask_bundle(tmp_path / "three.edge", channels=3, classes=("grey", "bright", "dark"))
    frame = np.repeat(np.array([0, 128, 255], np.uint8), 32)[None].repeat(SIDE, 0)  # three columns of 32 px
    made = masked(path, frame)
    assert [int(made.mask[5, column]) for column in (10, 47, 85)] == [2, 0, 1]
    assert made.foreground_fraction == pytest.approx(2 / 3, abs=0.05)  # borders of columns fall between pixels


def test_one_channel_is_foreground_above_zero() -> None:
    np.testing.assert_array_equal(class_mask(np.array([[[-1.0, 0.0, 1e-6]]])), [[0, 0, 1]])


def test_a_mask_of_other_classes_than_the_manifest_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"first output of shape .*1, 16, 16.* build the engine again"):
        open_engine(write_mask_bundle(tmp_path / "odd.edge", classes=("a", "b", "c")))


def test_arrays_go_in_by_name_and_every_output_comes_back(tmp_path: Path) -> None:
    with open_engine(write_array_bundle(tmp_path / "sum.edge")) as engine:
        made = engine(ARRAYS)
    assert isinstance(made, TensorOutputs)
    np.testing.assert_array_equal(made.outputs["total"], [[5, 10, 15, 20]])
    np.testing.assert_array_equal(made.outputs["index"], [3, 4])
    assert made.flags == ()


def test_the_batch_axis_may_be_left_out_and_numbers_of_a_kind_are_converted(tmp_path: Path) -> None:
    with open_engine(write_array_bundle(tmp_path / "sum.edge")) as engine:
        made = engine({"left": np.array([1.0, 2, 3, 4]), "steps": np.array([2, 3], np.int32)})
    assert isinstance(made, TensorOutputs)
    np.testing.assert_array_equal(made.outputs["total"], [[5, 10, 15, 20]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"left": np.zeros((1, 5), np.float32)}, r"'left': got shape \(1, 5\)"),
        ({"left": np.zeros((2, 4), np.float32)}, "'left': got 2 samples, expected 1; save one sample a file"),
        ({"steps": np.array([0.5, 1.5])}, "'steps': got elements of float64, expected int64"),
        ({"more": np.zeros(1)}, "got left, steps, more, expected left, steps"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Frame], words: str) -> None:
    with open_engine(write_array_bundle(tmp_path / "sum.edge")) as engine, pytest.raises(ShapeError, match=words):
        engine({**ARRAYS, **changes})


def test_frames_and_arrays_are_not_taken_for_each_other(tmp_path: Path, edge: Path) -> None:
    with open_engine(edge) as engine, pytest.raises(FrameError, match="got arrays left, steps, expected one image"):
        engine(ARRAYS)
    with open_engine(write_array_bundle(tmp_path / "sum.edge")) as engine:
        with pytest.raises(ShapeError, match="got left, expected left, steps"):
            engine(half_bright(40, 40))
        with pytest.raises(InputError, match=r"takes arrays \(left, steps\), not frames; give \.npz"):
            _ = engine.manifest.frame_preprocess
        with pytest.raises(UsageError, match="its task is tensors, expected classification"):
            engine.classify(ARRAYS)


def test_an_output_that_is_no_number_is_flagged(tmp_path: Path) -> None:
    with open_engine(write_array_bundle(tmp_path / "sum.edge")) as engine:
        made = engine({**ARRAYS, "left": np.array([np.nan, 0, 0, 0], np.float32)})
    assert made.flags == ("not_finite",)


@pytest.mark.parametrize(
    ("total", "index", "fails"),
    [
        ([[3.002, 3, 3, 3]], [2, 3], False),  # within a thousandth of the largest, 3.002
        ([[3.01, 3, 3, 3]], [2, 3], True),
        ([[3, 3, 3, 3]], [2, 4], False),  # whole numbers: a rounding may change them
        ([[3, 3, 3, 3]], [2.0, 3.0], True),  # but not their type
    ],
)
def test_golden_outputs_are_compared_by_the_size_of_their_output(
    tmp_path: Path, total: list[list[float]], index: list[float], fails: bool
) -> None:
    path = write_array_bundle(tmp_path / "sum.edge")
    bundle = read_bundle(path)
    outputs = {"model.onnx:total": np.array([total], np.float32), "model.onnx:index": np.array([index])}
    golden = golden_npz(outputs, {"left": np.ones((1, 1, 4), np.float32), "steps": np.array([[1, 2]])})
    path.write_bytes(pack_bundle(replace(bundle.manifest, files={}), {**bundle.members, "golden.npz": golden}))
    if fails:
        with pytest.raises((SelfTestError, ShapeError)):
            open_engine(path)
    else:
        open_engine(path).close()


# --- sources


def test_a_folder_of_arrays_is_read_in_natural_order_one_sample_a_file(tmp_path: Path) -> None:
    for number in (10, 9):
        np.savez(tmp_path / f"s{number}.npz", left=np.full((1, 4), number, np.float32), steps=ARRAYS["steps"])
    np.save(tmp_path / "s11.npy", np.zeros(3))
    items = list(read_sources([str(tmp_path)], arrays=True))
    assert [item.name.name for item in items] == ["s9.npz", "s10.npz", "s11.npy"]
    first = items[0].item
    assert isinstance(first, dict) and first["left"][0, 0] == 9


def test_a_file_of_arrays_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    path = write_array_bundle(tmp_path / "sum.edge")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.npz").write_bytes(encode_npz(ARRAYS))
    (folder / "b.npz").write_bytes(b"no archive")
    (folder / "c.npz").write_bytes(encode_npz({"left": ARRAYS["left"]}))
    with open_engine(path) as engine:
        results = list(run_sources(engine, [str(folder)]))
    assert [result.error is None for result in results] == [True, False, False]
    assert "b.npz: is not a readable .npz archive" in str(results[1].error)
    assert "got left, expected left, steps" in str(results[2].error)
