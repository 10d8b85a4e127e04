"""Results as pictures. Frames are small, so that every pixel asked for can be found by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.drawing import Drawing
from edgeneuro.errors import UsageError
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import open_engine
from edgeneuro.runtime import overlay as overlays
from edgeneuro.runtime.caption import ALERT, PAPER, Line, captioned, side_by_side
from edgeneuro.runtime.overlay import NOTHING, PALETTE, check_overlay, heat_map, overlay
from edgeneuro.runtime.postprocess import Prediction, Segmentation, TensorOutputs
from edgeneuro.spec import Array, Frame
from tests.neurons import tree
from tests.runtime.bundles import SIDE as INPUT_PX
from tests.runtime.bundles import tiny_manifest, write_bundle, write_explaining_bundle
from tests.runtime.foreign import write_array_bundle, write_mask_bundle

SIDE = 64
FACTOR = 5
"""A frame of 64 px is enlarged so many times, to 320."""
GREY = np.full((SIDE, SIDE), 100, np.uint8)


def explained(maps: Array, *flags: str, label: str = "b") -> Prediction:
    """Of classes a and b. maps: (2, height, width)."""
    return Prediction(
        label=label, probabilities={"a": 0.25, "b": 0.75}, class_maps=maps.astype(np.float32), flags=flags
    )


def hot_corner() -> Array:
    """Maps of 4 x 4 places: of b the upper left one alone is above zero, of a the lower right one."""
    maps = np.full((2, 4, 4), -1.0)
    maps[1, 0, 0], maps[0, 3, 3] = 2.0, 2.0
    return maps


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """Everything that is written below pictures."""
    lines: list[Line] = []

    def remember(left: Array, right: Array, given: list[Line]) -> Array:
        lines.extend(given)
        return side_by_side(left, right, given)

    def remember_one(picture: Array, given: list[Line]) -> Array:
        lines.extend(given)
        return captioned(picture, given)

    monkeypatch.setattr(overlays, "side_by_side", remember)
    monkeypatch.setattr(overlays, "captioned", remember_one)
    return lines


def texts(lines: list[Line]) -> str:
    return " | ".join(line.text for line in lines)


def halves(picture: Array, side: int = SIDE * FACTOR) -> tuple[Array, Array]:
    """The frame and what was drawn over it, without what lies between and below."""
    gap = picture.shape[1] - 2 * side
    return picture[:side, :side], picture[:side, side + gap :]


# --- the map


def test_the_map_is_rectified_upsampled_to_the_frame_and_scaled_to_one() -> None:
    heat = heat_map(np.array([[-3.0, 4.0], [0.0, 2.0]], np.float32), 4, 4)
    # linear between the centres of the places, which lie between pixels: 1/4 and 3/4 of the way
    np.testing.assert_allclose(heat[0], [0, 0.25, 0.75, 1.0])
    np.testing.assert_allclose(heat[3], [0, 0.125, 0.375, 0.5])
    np.testing.assert_allclose(heat[:, 3], [1.0, 0.875, 0.625, 0.5])
    assert heat.dtype == np.float32


@pytest.mark.parametrize("values", [[[-1.0, -2.0], [0.0, -0.5]], [[0.0, 0.0], [0.0, 0.0]]])
def test_a_map_that_is_nowhere_above_zero_stays_zero(values: list[list[float]]) -> None:
    assert not heat_map(np.array(values, np.float32), 8, 8).any()


def test_the_picture_shows_the_frame_beside_the_map_of_the_predicted_class() -> None:
    left, right = halves(overlay(GREY, explained(hot_corner()), ("a", "b")))
    assert (left == 100).all()
    hottest, coldest = right[0, 0].astype(int), right[-1, -1]
    assert (coldest == 100).all()  # also where the other class has its largest value
    # 60 % yellow of viridis, (253, 231, 37), over 40 % of the frame
    np.testing.assert_allclose(hottest, 0.6 * np.array([253, 231, 37]) + 40, atol=2)
    _, other = halves(overlay(GREY, explained(hot_corner(), label="a"), ("a", "b")))
    np.testing.assert_array_equal(other[::-1, ::-1], right)


def test_a_colour_frame_is_shown_as_it_is_on_the_left_and_in_grey_under_the_map() -> None:
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame[..., 0] = 200  # red
    left, right = halves(overlay(frame, explained(hot_corner()), ("a", "b")))
    assert (left == (200, 0, 0)).all()
    assert (right[-1, -1] == 60).all()  # 0.299 x 200


def test_a_map_without_anything_to_show_leaves_the_frame_plain_and_says_so(said: list[Line]) -> None:
    left, right = halves(overlay(GREY, explained(np.full((2, 4, 4), -1.0)), ("a", "b")))
    np.testing.assert_array_equal(left, right)
    assert texts(said) == f"b 75.0 % | {NOTHING}"


def test_the_caption_names_class_probability_resolution_and_what_makes_the_answer_doubtful(said: list[Line]) -> None:
    overlay(GREY, explained(hot_corner(), "simulated_training", "size_unseen"), ("a", "b"))
    assert texts(said).startswith("b 75.0 % | none to most: what each place of a 4 x 4 grid added to this score.")
    assert texts(said).endswith("Trained on simulated images: says nothing about people. | Flags: size_unseen")
    assert [line.colour for line in said[-2:]] == [ALERT, ALERT]


def test_without_flags_nothing_is_warned_of(said: list[Line]) -> None:
    overlay(GREY, explained(hot_corner()), ("a", "b"))
    assert len(said) == 2


# --- frames


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 1), (64, 64, 3), (64, 64, 4)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.bool_, np.float32])
def test_every_kind_of_frame_an_engine_takes_becomes_a_picture(shape: tuple[int, ...], kind: type) -> None:
    frame: Frame = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    picture = overlay(frame, explained(hot_corner()), ("a", "b"))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_a_16_bit_frame_is_windowed_so_that_its_own_contrast_shows(said: list[Line]) -> None:
    frame = np.repeat(np.linspace(1000, 2000, SIDE).astype(np.uint16)[None], SIDE, 0)
    frame[0, 0] = 65535  # one hot pixel, which must not make all others black
    left, _ = halves(overlay(frame, explained(hot_corner()), ("a", "b")))
    assert left[-1, 0, 0] < 3 and left[-1, -1, 0] > 252
    assert abs(int(left[-1, SIDE * FACTOR // 2, 0]) - 128) < 4
    assert "16-bit frame, shown from 1000 (black) to 2000 (white)." in texts(said)


def test_a_16_bit_frame_of_one_value_divides_by_nothing() -> None:
    left, _ = halves(overlay(np.full((SIDE, SIDE), 700, np.uint16), explained(hot_corner()), ("a", "b")))
    assert (left == 0).all()


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(32, 40, (320, 400)), (150, 200, (450, 600)), (320, 500, (320, 500)), (32, 900, (32, 900))],
)
def test_small_frames_are_enlarged_by_a_whole_number_as_far_as_the_longer_side_allows(
    height: int, width: int, shown: tuple[int, int]
) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    picture = overlay(frame, explained(hot_corner()), ("a", "b"))
    factor = shown[0] // height
    np.testing.assert_array_equal(picture[: shown[0], : shown[1], 0], frame.repeat(factor, 0).repeat(factor, 1))
    assert 2 * shown[1] < picture.shape[1] < 2.1 * shown[1]


# --- segmentations


def outlined(mask: Array, classes: tuple[str, ...]) -> Array:
    made = Segmentation(mask=mask, foreground_fraction=float((mask > 0).mean()))
    return halves(overlay(GREY, made, classes))[1]


def test_a_region_is_tinted_inside_and_outlined_in_the_colour_of_its_class(said: list[Line]) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[16:48, 16:48] = 1
    right = outlined(mask, ("background", "lesion"))
    np.testing.assert_allclose(right[160, 160], 0.7 * 100 + 0.3 * PALETTE[0].astype(float), atol=1)
    np.testing.assert_array_equal(right[160, 16 * FACTOR], PALETTE[0])  # its left edge
    assert (right[:70] == 100).all()
    assert texts(said) == "lesion 25.00 % of the frame"


def test_classes_differ_in_colour_and_those_that_are_not_there_are_not_named(said: list[Line]) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:32, :32], mask[32:, 32:] = 1, 3
    right = outlined(mask, ("background", "fat", "bone", "muscle"))
    assert (right[80, 80] != right[240, 240]).any()
    assert texts(said) == "fat 25.00 % of the frame | muscle 25.00 % of the frame"
    assert [line.key[0].tolist() for line in said if line.key is not None] == PALETTE[[0, 2]].tolist()


def test_more_classes_than_colours_begin_again(said: list[Line]) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:32], mask[32:] = 1, len(PALETTE) + 1
    outlined(mask, ("background", *(f"c{number}" for number in range(1, 20))))
    first, last = (line.key for line in said)
    np.testing.assert_array_equal(first, last)


def test_a_mask_of_background_alone_says_so(said: list[Line]) -> None:
    assert (outlined(np.zeros((SIDE, SIDE), np.uint8), ("background", "lesion")) == 100).all()
    assert texts(said) == "All of the frame is background."


# --- captions


@pytest.mark.parametrize("word", ["word " * 60, "w" * 300, "Ménière größer 肌肉 " * 20])
def test_long_text_is_broken_and_nothing_is_cut_off(word: str) -> None:
    panel = np.zeros((40, 200, 3), np.uint8)
    picture = side_by_side(panel, panel, [Line(text=word, key=PALETTE[:1])])
    below = picture[40:].astype(int)
    written = np.abs(below - PAPER).sum(2) > 60
    assert written[:, : below.shape[1] // 2].any() and written[:, below.shape[1] // 2 :].any()
    assert not written[:, -4:].any() and not written[-3:].any() and not written[:3].any()


def test_a_longer_text_takes_more_rows() -> None:
    panel = np.zeros((40, 200, 3), np.uint8)
    heights = [len(side_by_side(panel, panel, [Line(text="word " * count)])) for count in (1, 40, 80)]
    assert heights[0] < heights[1] < heights[2]


def test_letters_this_opencv_lacks_lose_their_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeneuro.runtime import caption

    written: list[str] = []
    monkeypatch.setattr(caption, "_WRITES_UNICODE", False)
    monkeypatch.setattr(cv2, "putText", lambda *args: written.append(args[1]))
    panel = np.zeros((40, 400, 3), np.uint8)
    side_by_side(panel, panel, [Line(text="Ménière 肌")])
    assert written == ["Meniere ?"]


# --- what cannot be drawn


def test_results_without_anything_to_draw_are_refused() -> None:
    with pytest.raises(UsageError, match="got TensorOutputs, expected a prediction or a mask"):
        overlay(GREY, TensorOutputs(outputs={}), ("a",))


# --- neurons


def test_the_caption_of_a_neuron_names_what_else_is_likely_and_what_the_colours_mean(said: list[Line]) -> None:
    shares = {"MC": 0.05, "TPC": 0.6, "UPC": 0.2, "DBC": 0.1, "BTC": 0.05}
    made = Prediction(label="TPC", probabilities=shares, quality=0.71, flags=("size_unseen",))
    picture = overlay(GREY, made, tuple(shares), tree())
    assert [line.text for line in said] == [
        "TPC 60.0 %",
        "Then: UPC 20.0 %, DBC 10.0 %, MC 5.0 %",
        "Quality 0.71: how typical it is, from 0 to 1.",
        "Left what the network sees, right the whole neuron:",
        *("soma", "axon", "dendrite", "apical dendrite"),
        "Flags: size_unseen",
    ]
    assert picture.shape[1] > 2 * 320


def test_a_prediction_about_a_frame_alone_has_no_second_picture(said: list[Line]) -> None:
    picture = overlay(GREY, Prediction(label="a", probabilities={"a": 1.0}), ("a",))
    assert [line.text for line in said] == ["a 100.0 %"]
    assert picture.shape[1] < 2 * 320


def test_engines_are_asked_before_the_first_frame_whether_they_can_be_drawn(tmp_path: Path, edge: Path) -> None:
    refusals = {
        edge: "gives no class activation maps to draw; build the engine from a network that does .model skin, or an .onnx",
        write_array_bundle(tmp_path / "sum.edge"): "takes arrays, which are no pictures",
    }
    for path, words in refusals.items():
        with open_engine(path) as engine, pytest.raises(UsageError, match=f"^--overlay pictures: .*{words}"):
            check_overlay(engine.manifest, Path("pictures"), None)
    looking = tiny_manifest(preprocess=Preprocess(height=INPUT_PX, width=INPUT_PX, drawing=Drawing()))
    for path in (
        write_mask_bundle(tmp_path / "mask.edge"),
        write_explaining_bundle(tmp_path / "e.edge"),
        write_bundle(tmp_path / "neurons.edge", looking),
    ):
        with open_engine(path) as engine:
            check_overlay(engine.manifest, Path("pictures"), Path("masks"))
            with pytest.raises(UsageError, match="is the folder of --out"):
                check_overlay(engine.manifest, Path("masks"), Path("masks"))


# --- volumes


def test_of_a_volume_the_projection_is_shown_and_the_outline_of_what_was_found_in_any_plane(said: list[Line]) -> None:
    volume = np.random.default_rng(0).integers(0, 100, (5, SIDE, SIDE)).astype(np.uint16)
    volume[3, 10:20] = 4000
    mask = np.zeros(volume.shape, np.uint8)
    mask[3, 10:20] = 1
    made = Segmentation(mask=mask, foreground_fraction=0.03125)
    left, right = halves(overlay(volume, made, ("background", "neurite")))
    rows = np.flatnonzero((left[:, 0] > 200).all(1))
    assert (rows.min(), rows.max()) == (
        10 * FACTOR,
        20 * FACTOR - 1,
    )  # the bright rows of plane 3, whatever plane is shown
    changed = (left != right).any(axis=(1, 2))
    assert changed[10 * FACTOR : 20 * FACTOR].all()
    assert not changed[: 10 * FACTOR - 2].any() and not changed[20 * FACTOR + 2 :].any()
    assert "Largest of 5 planes" in texts(said)
    assert "neurite 3.12 % of the volume" in texts(said)


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.float32])
def test_grey_values_of_any_type_are_spread_from_black_to_white(kind: type, said: list[Line]) -> None:
    frame = np.linspace(-3000 if kind is not np.uint32 else 70_000, 90_000 if kind is np.uint32 else 2000, SIDE * SIDE)
    frame = frame.reshape(SIDE, SIDE).astype(kind)
    left, _ = halves(
        overlay(frame, Segmentation(mask=np.zeros((SIDE, SIDE), np.uint8), foreground_fraction=0.0), ("a", "b"))
    )
    assert (left[0, 0] == 0).all() and (left[-1, -1] == 255).all()
    assert "(black) to" in texts(said)
