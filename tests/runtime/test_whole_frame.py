"""Engines that cover whole images and volumes with tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import BackendError, FrameError
from edgeneuro.runtime import Segmentation, open_engine, whole_frame
from edgeneuro.runtime.backends.ort import OrtBackend
from edgeneuro.spec import Frame
from edgeneuro.tiles import infer_region
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, mask_by_hand, tiled_preprocess, write_tiled_bundle

SHAPES = {"image": (45, 70), "one tile": TILE_2D, "smaller": (7, 40), "volume": (13, 30, 41), "flat volume": (3, 20, 9)}


def speckle(shape: tuple[int, ...], kind: str = "uint16") -> Frame:
    """Bright and dark in patches of a few voxels."""
    coarse = np.random.default_rng(0).integers(0, 200, [-(-side // 4) for side in shape])
    for axis, side in enumerate(shape):
        coarse = coarse.repeat(4, axis).take(range(side), axis)
    return coarse.astype(kind)


def segmented(path: Path, frame: Frame) -> Segmentation:
    with open_engine(path) as engine:
        made = engine(frame)
    assert isinstance(made, Segmentation)
    return made


@pytest.mark.parametrize("name", SHAPES)
def test_the_mask_has_the_frames_size_and_is_blended_from_tiles(tmp_path: Path, name: str) -> None:
    shape = SHAPES[name]
    path = write_tiled_bundle(tmp_path / "m.edge", TILE_2D if len(shape) == 2 else TILE_3D)
    frame = speckle(shape)
    made = segmented(path, frame)
    assert made.mask.shape == shape
    assert made.mask.dtype == np.uint8
    np.testing.assert_array_equal(made.mask, mask_by_hand(path, frame))
    assert 0.1 < made.foreground_fraction < 0.9
    assert made.foreground_fraction == made.mask.mean()
    assert set(made.ms) == {"preprocess", "inference", "postprocess"}
    assert min(made.ms.values()) > 0
    assert made.flags == ()


@pytest.mark.parametrize("shape", [SHAPES["image"], SHAPES["volume"]])
def test_a_frame_too_large_to_be_blended_at_once_gets_the_same_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    path = write_tiled_bundle(tmp_path / "m.edge", TILE_2D if len(shape) == 2 else TILE_3D)
    frame = speckle(shape)
    at_once = segmented(path, frame).mask
    regions = []
    blended = infer_region

    def noting(read: object, run: object, tiling: object, region: object) -> object:
        regions.append(region)
        return blended(read, run, tiling, region)  # type: ignore[arg-type]

    monkeypatch.setattr(whole_frame, "REGION_VOXELS", frame.size // 3)
    monkeypatch.setattr(whole_frame, "infer_region", noting)
    np.testing.assert_array_equal(segmented(path, frame).mask, at_once)
    assert len(regions) == 4  # its longest side halved, and then the longest that was left


def test_gain_and_offset_of_the_microscope_change_nothing(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "m.edge", TILE_3D)
    frame = speckle(SHAPES["volume"])
    expected = segmented(path, frame).mask
    for other in (
        frame * 7 + 300,
        frame.astype(np.float32) / 8 - 3,
        frame.astype(np.int32) - 50,
        frame.astype(np.uint8),
    ):
        assert (segmented(path, other).mask == expected).mean() > 0.999  # beyond it, voxels on the threshold


def test_an_rgb_image_is_taken_in_grey(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "m.edge", TILE_2D)
    grey = speckle((45, 70), "uint8")
    np.testing.assert_array_equal(segmented(path, np.dstack([grey] * 3)).mask, segmented(path, grey).mask)


def bad(shape: tuple[int, ...], value: float) -> Frame:
    frame = np.zeros(shape, np.float32)
    frame[(0,) * len(shape)] = value
    return frame


@pytest.mark.parametrize(
    ("tile", "frame", "words"),
    [
        (TILE_2D, speckle((9, 40, 40)), r"got shape \(9, 40, 40\)"),
        (
            TILE_3D,
            speckle((40, 40)),
            r"expected \(depth, height, width\) in grey; choose one channel, or a network for images",
        ),
        (TILE_3D, np.zeros((0, 4, 4), np.uint8), r"got shape \(0, 4, 4\)"),
        (TILE_3D, bad((9, 40, 40), np.nan), "holds NaN or infinity"),
        (TILE_2D, bad((40, 40), np.inf), "holds NaN or infinity"),
        (TILE_2D, np.zeros((40, 40), complex), "complex128"),
    ],
)
def test_what_is_no_such_frame_is_refused(tmp_path: Path, tile: tuple[int, ...], frame: Frame, words: str) -> None:
    with open_engine(write_tiled_bundle(tmp_path / "m.edge", tile)) as engine, pytest.raises(FrameError, match=words):
        engine(frame)


def test_arrays_by_name_are_no_frame(tmp_path: Path) -> None:
    with (
        open_engine(write_tiled_bundle(tmp_path / "m.edge", TILE_2D)) as engine,
        pytest.raises(FrameError, match="got arrays image, expected one image or volume"),
    ):
        engine({"image": np.zeros((1, 1, *TILE_2D), np.float32)})


def test_a_tile_is_inferred_as_it_is(tmp_path: Path) -> None:
    preprocess = tiled_preprocess(TILE_3D)
    tile = preprocess.whole(speckle(TILE_3D))
    with open_engine(write_tiled_bundle(tmp_path / "m.edge", TILE_3D)) as engine:
        feed = engine.feed(tile)
        np.testing.assert_array_equal(engine.infer(feed)["logits"], engine.tile_logits(preprocess(tile)[None]))


def test_logits_that_are_not_finite_name_the_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_engine(write_tiled_bundle(tmp_path / "m.edge", TILE_2D)) as engine:
        monkeypatch.setattr(OrtBackend, "run", lambda self, feed: {"logits": np.full((1, 1, *TILE_2D), np.nan)})
        with pytest.raises((FrameError, BackendError), match=r"tile at \(0, 0\)"):
            engine(speckle((30, 30)))
