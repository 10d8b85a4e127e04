"""From a frame to the network's input: values computed by hand, and one result wherever it is computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeneuro.calibration.cache import identity
from edgeneuro.data import DataSet, open_data
from edgeneuro.errors import FrameError, InputError
from edgeneuro.files import canonical_json
from edgeneuro.manifest import Compute, Manifest
from edgeneuro.preprocess import Preprocess, frame_depth
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime import open_engine
from edgeneuro.spec import Float32, Frame
from tests.data.folders import png, speckle, write_table
from tests.runtime.bundles import SIDE, tiny_manifest, write_bundle

SAME = Preprocess(height=32, width=32)
SAME_16 = replace(SAME, bit_depth=16, max_value=65535.0)
RGB = Preprocess(height=32, width=32, channels=3)

sides = st.integers(32, 80)
frames = st.tuples(sides, sides).flatmap(
    lambda shape: st.sampled_from((shape, (*shape, 1), (*shape, 3), (*shape, 4))).flatmap(
        lambda shape: st.sampled_from(("uint8", "uint16")).flatmap(
            lambda kind: arrays.arrays(kind, shape, fill=st.integers(0, 255 if kind == "uint8" else 65535))
        )
    )
)


def flat(*colour: Any, kind: Any = np.uint8) -> Frame:
    """32 x 32 px of one grey level or colour."""
    values = np.array(colour, kind)
    return np.full((32, 32), values[0]) if len(colour) == 1 else np.tile(values, (32, 32, 1))


def level(preprocess: Preprocess, frame: Frame) -> int:
    """The only pixel value of a one-coloured frame after resizing."""
    (value,) = np.unique(preprocess.resize(frame))
    return int(value)


# --- scale


def test_every_pixel_is_divided_by_the_largest_value_then_normalised() -> None:
    frame = np.zeros((32, 32), np.uint8)
    frame[0, :4] = 0, 51, 204, 255
    tensor = replace(SAME, mean=(0.2,), std=(0.4,))(frame)
    assert tensor.shape == (1, 32, 32) and tensor.dtype == np.float32 and tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor[0, 0, :4], [-0.5, 0.0, 1.5, 2.0], atol=1e-6)  # (x / 255 - 0.2) / 0.4


def test_every_channel_has_its_own_mean_and_deviation_and_red_comes_first() -> None:
    tensor = replace(RGB, mean=(0.0, 0.2, 0.4), std=(1.0, 0.5, 0.2))(flat(255, 51, 102))
    np.testing.assert_allclose(tensor[:, 5, 7], [1.0, 0.0, 0.0], atol=1e-6)
    tensor = replace(RGB, mean=(0.0, 0.2, 0.4), std=(1.0, 0.5, 0.2))(flat(0, 0, 0))
    np.testing.assert_allclose(tensor[:, 5, 7], [0.0, -0.4, -2.0], atol=1e-6)


def test_one_mean_and_deviation_serve_every_channel() -> None:
    one, three = replace(RGB, mean=(0.3,), std=(0.2,)), replace(RGB, mean=(0.3,) * 3, std=(0.2,) * 3)
    np.testing.assert_array_equal(one(flat(9, 99, 199)), three(flat(9, 99, 199)), strict=True)


# --- channels


def test_colour_becomes_grey_by_luminance_and_grey_becomes_three_equal_channels() -> None:
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B
    assert [level(SAME, flat(*colour)) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))] == [76, 150, 29]
    assert RGB.resize(flat(77)).tolist() == flat(77, 77, 77).tolist()


@pytest.mark.parametrize("preprocess", [SAME, RGB])
def test_transparency_and_a_lone_last_axis_change_nothing(preprocess: Preprocess) -> None:
    colour, clear = flat(10, 20, 30), flat(10, 20, 30, 0)
    np.testing.assert_array_equal(preprocess(clear), preprocess(colour), strict=True)
    np.testing.assert_array_equal(preprocess(flat(7)[:, :, None]), preprocess(flat(7)), strict=True)


# --- bit depth


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (32896, 128), (51400, 200), (65535, 255)]
)
def test_16_bit_pixels_become_8_bit_by_rounding_to_the_nearest_of_257_steps(value: int, expected: int) -> None:
    assert level(SAME, flat(value, kind=np.uint16)) == expected
    assert SAME.resize(flat(value, kind=np.uint16)).dtype == np.uint8


def test_16_bit_pixels_are_kept_where_16_bits_are_asked_for() -> None:
    frame = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 64
    np.testing.assert_array_equal(SAME_16.resize(frame), frame, strict=True)
    assert SAME_16(flat(65535, kind=np.uint16)).max() == 1.0
    assert SAME_16(flat(13107, kind=np.uint16)).max() == pytest.approx(0.2, abs=1e-7)  # 65535 / 5


def test_8_bit_pixels_fill_the_16_bit_range() -> None:
    assert [level(SAME_16, flat(value)) for value in (0, 1, 255)] == [0, 257, 65535]


def test_black_and_white_is_black_and_white_in_either_depth() -> None:
    assert [level(SAME, flat(value, kind=bool)) for value in (False, True)] == [0, 255]
    assert [level(SAME_16, flat(value, kind=bool)) for value in (False, True)] == [0, 65535]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_become_the_nearest_grey_level(kind: Any) -> None:
    assert [level(SAME, flat(value, kind=kind)) for value in (0.0, 0.25, 1.0)] == [0, 64, 255]  # 63.75 rounds up
    assert [level(SAME_16, flat(value, kind=kind)) for value in (0.0, 0.25, 1.0)] == [0, 16384, 65535]


@pytest.mark.parametrize(
    ("value", "came"),
    [(1.01, "1.01 to 1.01"), (-0.01, "-0.01 to -0.01"), (255.0, "255 to 255"), (np.nan, "nan"), (np.inf, "inf")],
)
def test_floats_of_another_range_are_refused_with_what_to_do(value: float, came: str) -> None:
    with pytest.raises(FrameError, match=rf"floating-point pixels from {came}.*, expected 0 to 1; divide by"):
        SAME(flat(value, kind=np.float64))


def test_one_bad_pixel_is_enough_to_refuse_a_frame() -> None:
    frame = np.full((32, 32), 0.5)
    frame[3, 4] = np.nan
    with pytest.raises(FrameError, match="expected 0 to 1"):
        SAME(frame)


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.uint32, np.complex64])
def test_pixels_of_another_type_are_refused_with_those_accepted(kind: Any) -> None:
    with pytest.raises(FrameError, match=rf"pixels of {np.dtype(kind)}, expected uint8, uint16 or float in 0\.\.1"):
        SAME(flat(1, kind=kind))


def test_the_depth_of_a_frame_is_that_of_the_file_it_came_from() -> None:
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, bool, np.float32)
    assert [frame_depth(flat(1, kind=kind)) for kind in kinds] == [8, 16, 8, 8]


# --- size


def test_shrinking_averages_areas() -> None:
    frame = np.zeros((64, 64), np.uint8)
    frame[0:2, 0:2] = [[10, 20], [30, 40]]  # mean 25
    frame[0:2, 2:4] = [[0, 0], [0, 1]]  # mean 0.25
    frame[0:2, 4:6] = [[255, 255], [255, 0]]  # mean 191.25
    assert SAME.resize(frame)[0, :4].tolist() == [25, 0, 191, 0]


def test_growing_interpolates_between_pixel_centres() -> None:
    frame = np.repeat(np.arange(32, dtype=np.uint8)[None] * 8, 32, axis=0)
    grown = replace(SAME, height=64, width=64).resize(frame)
    # centre of new column 3 lies at old 1.25, of column 4 at 1.75; the edge is repeated
    assert grown[10, :5].tolist() == [0, 2, 6, 10, 14]


@pytest.mark.parametrize(
    ("height", "width", "how"),
    [
        (40, 40, cv2.INTER_AREA),
        (48, 40, cv2.INTER_AREA),
        (64, 64, cv2.INTER_LINEAR),
        (48, 64, cv2.INTER_LINEAR),
        (64, 40, cv2.INTER_LINEAR),  # one side grows, the other shrinks
        (40, 64, cv2.INTER_LINEAR),
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_areas_are_averaged_unless_a_side_grows(height: int, width: int, how: int, depth: Literal[8, 16]) -> None:
    rng = np.random.default_rng(3)
    frame = rng.integers(0, 2**depth, (48, 48), np.uint8 if depth == 8 else np.uint16)
    resized = replace(SAME, height=height, width=width, bit_depth=depth).resize(frame)
    np.testing.assert_array_equal(resized, cv2.resize(frame, (width, height), interpolation=how), strict=True)
    other = cv2.INTER_AREA + cv2.INTER_LINEAR - how
    assert not np.array_equal(resized, cv2.resize(frame, (width, height), interpolation=other))


def test_a_frame_of_the_right_size_is_not_touched() -> None:
    frame = speckle(1, 32, 32)
    np.testing.assert_array_equal(SAME.resize(frame), frame, strict=True)


@pytest.mark.parametrize("shape", [(31, 100), (100, 31), (31, 31, 3), (0, 0)])
def test_less_than_32_px_on_a_side_is_refused_with_the_size_that_came(shape: tuple[int, ...]) -> None:
    came = f"got {shape[1]} x {shape[0]} px, expected at least 32 px on each side"
    with pytest.raises(FrameError, match=came):
        SAME(np.zeros(shape, np.uint8))
    assert SAME(np.zeros((32, 32), np.uint8)).shape == (1, 32, 32)


@pytest.mark.parametrize("shape", [(64,), (2, 64, 64), (64, 64, 2), (64, 64, 5), (1, 64, 64, 3)])
def test_what_is_not_one_frame_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameError, match=r"expected \(height, width\) or \(height, width, 3\); give one frame"):
        SAME(np.zeros(shape, np.uint8))


# --- any frame


@settings(max_examples=50, deadline=None)
@given(frames, st.sampled_from((8, 16)), st.sampled_from((1, 3)), sides, sides)
def test_any_frame_becomes_a_tensor_of_the_asked_size_between_0_and_1(
    frame: Frame, depth: Literal[8, 16], channels: Literal[1, 3], height: int, width: int
) -> None:
    preprocess = Preprocess(
        height=height, width=width, channels=channels, bit_depth=depth, max_value=255.0 if depth == 8 else 65535.0
    )
    before = frame.copy()
    tensor = preprocess(frame)
    assert tensor.shape == (channels, height, width) and tensor.dtype == np.float32
    assert tensor.min() >= 0.0 and tensor.max() <= 1.0
    np.testing.assert_array_equal(frame, before, strict=True)
    if channels == 3 and (frame.ndim == 2 or frame.shape[2] == 1):
        assert np.array_equal(tensor[0], tensor[1]) and np.array_equal(tensor[0], tensor[2])


VIEWS: dict[str, Callable[[Frame], Frame]] = {
    "mirrored": lambda frame: frame[:, ::-1],
    "upside down": lambda frame: frame[::-1],
    "cropped": lambda frame: frame[3:-3, 2:-5],
    "every second": lambda frame: frame[::2, ::2],
    "turned": lambda frame: np.moveaxis(frame, 0, 1),
    "blue first": lambda frame: frame[..., ::-1] if frame.ndim == 3 else frame,
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(80, 90), (80, 90, 3)])
def test_a_view_of_a_larger_array_gives_what_its_copy_gives(view: str, shape: tuple[int, ...]) -> None:
    whole = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    whole.flags.writeable = False
    seen = VIEWS[view](whole)
    for preprocess in (SAME, RGB):
        np.testing.assert_array_equal(preprocess(seen), preprocess(np.array(seen)), strict=True)


# --- as data


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=3, max_size=3),
    st.lists(st.floats(1e-6, 10), min_size=3, max_size=3),
    st.floats(1.0, 65535.0),
)
def test_preprocessing_survives_json_to_the_last_bit(mean: list[float], std: list[float], largest: float) -> None:
    preprocess = replace(RGB, mean=tuple(mean), std=tuple(std), max_value=largest)
    back = from_json(Preprocess, json.loads(canonical_json(to_json(preprocess))), "manifest.json")
    assert back == preprocess
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(back(frame), preprocess(frame), strict=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 0}, "got 32 x 0 px and max_value 255, expected all above 0"),
        ({"width": -1}, "got -1 x 32 px and max_value 255, expected all above 0"),
        ({"max_value": 0.0}, "got 32 x 32 px and max_value 0, expected all above 0"),
        ({"mean": (0.1, 0.2, 0.3)}, r"mean \(0\.1, 0\.2, 0\.3\) and std \(1\.0,\) for 1 channel"),
        ({"std": (1.0, 1.0)}, "one value each a channel, or one for all"),
        ({"mean": ()}, "one value each a channel, or one for all"),
        ({"std": (0.0,)}, "every std above 0"),
        ({"std": (float("nan"),)}, "every std above 0"),
    ],
)
def test_preprocessing_that_cannot_be_applied_is_refused_when_it_is_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SAME, **changes)


# --- the same everywhere


@pytest.fixture(scope="module")
def many_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder with frames of either depth, grey and colour, larger, smaller and of the network's size."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(11)
    shapes = ((200, 150), (40, 52), (SIDE, SIDE), (64, 34, 3), (90, 90, 3))
    rows = ["file,label,group_id"]
    for number, (kind, shape) in enumerate((kind, shape) for kind in (np.uint8, np.uint16) for shape in shapes):
        (folder / f"{number}.png").write_bytes(png(rng.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)))
        rows.append(f"{number}.png,{'ab'[number % 2]},{number}")
    write_table(folder, rows)
    return folder


def taking_images(channels: int) -> onnx.ModelProto:
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", channels, SIDE, SIDE])
    return onnx.helper.make_model(onnx.helper.make_graph([], "none", [image], [image]))


def as_trained(dataset: DataSet, channels: Literal[1, 3]) -> tuple[Preprocess, Float32]:
    """The preprocessing that training settles on, and the network's inputs without augmentation, in order."""
    from edgeneuro.training.frames import FrameBatches, normalised_for, read_frames

    sized = Preprocess(height=SIDE, width=SIDE, channels=channels)
    stored = read_frames(dataset, sized)
    preprocess = normalised_for(sized, stored)
    images, _ = FrameBatches(stored, preprocess).__getitems__(range(len(dataset)))
    return preprocess, images.numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_manifest_read_back_gives_the_bits_that_training_saw(many_frames: Path, channels: Literal[1, 3]) -> None:
    dataset = open_data(str(many_frames))
    preprocess, trained = as_trained(dataset, channels)
    back = Manifest.from_bytes(tiny_manifest(preprocess=preprocess).to_bytes()).preprocess
    assert back is not None
    assert (back.mean, back.std) == (preprocess.mean, preprocess.std)
    for sample, tensor in zip(dataset.samples, trained, strict=True):
        np.testing.assert_array_equal(back(dataset.read(sample)), tensor, strict=True)


def test_an_opened_engine_gives_the_bits_that_training_saw(many_frames: Path, tmp_path: Path) -> None:
    dataset = open_data(str(many_frames))
    preprocess, trained = as_trained(dataset, 1)
    with open_engine(write_bundle(tmp_path / "tiny.edge", tiny_manifest(preprocess=preprocess))) as engine:
        for sample, tensor in zip(dataset.samples, trained, strict=True):
            np.testing.assert_array_equal(engine.feed(dataset.read(sample))["image"][0], tensor, strict=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_calibration_gives_the_bits_that_training_saw(many_frames: Path, channels: Literal[1, 3]) -> None:
    from edgeneuro.export.calibrate import calibrate
    from edgeneuro.export.plan import Plan
    from edgeneuro.export.source import FloatModel

    dataset = open_data(str(many_frames))
    preprocess, trained = as_trained(dataset, channels)
    model = FloatModel(
        name="any",
        graph=taking_images(channels),
        compute=Compute(params=0, macs=0),
        classes=dataset.classes,
        primary_metric="balanced_accuracy",
        preprocess=preprocess,
        provenance={},
    )
    plan = Plan(method="any", ranges={}, biases={})
    done = calibrate(
        model, dataset, (), threads=1, search_s=0.0, recorded=plan, kept_float={}, progress=lambda step: None
    )
    assert done.record.identity == identity([{"image": tensor[None]} for tensor in trained])
    assert done.record.identity != identity([{"image": tensor[None] + np.float32(1e-6)} for tensor in trained])
