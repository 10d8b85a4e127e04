"""edgeneuro run on volumes, and on images of any size."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import tifffile
import zarr

from edgeneuro.cli.main import main
from edgeneuro.data.volumes import read_volume
from tests.cli.conftest import Validate
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, mask_by_hand, write_tiled_bundle

SHAPE = (10, 40, 56)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_tiled_bundle(tmp_path / "m.edge", TILE_3D)


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """stacks/a.tif with spacing, b.h5, c.zarr, d.v3draw and notes.txt: the same bright bar on noise in each."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    voxels = np.random.default_rng(0).integers(0, 60, SHAPE).astype(np.uint8)
    voxels[4:7, 10:14, 5:50] = 200
    said = {"axes": "ZYX", "PhysicalSizeZ": 1.0, "PhysicalSizeY": 0.3, "PhysicalSizeX": 0.25}
    tifffile.imwrite(folder / "a.tif", voxels, ome=True, metadata=said)
    with h5py.File(folder / "b.h5", "w") as file:
        file["data"] = voxels
    zarr.open_array(str(folder / "c.zarr"), mode="w", shape=SHAPE, chunks=(4, 32, 32), dtype="u1")[...] = voxels
    header = (
        b"raw_image_stack_by_hpeng" + b"L" + np.uint16(1).tobytes() + np.array([*SHAPE[::-1], 1], np.uint32).tobytes()
    )
    (folder / "d.v3draw").write_bytes(header + voxels.tobytes())
    (folder / "notes.txt").write_text("no volume")
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_volume_of_a_folder_gets_a_stack_with_its_mask_and_a_projection(
    engine: Path, stacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    masks, pictures = tmp_path / "masks", tmp_path / "pictures"
    command = ["run", str(engine), str(stacks), "--out", str(masks), "--overlay", str(pictures), "--json"]
    assert main(command) == 0
    said = capsys.readouterr()
    got = [json.loads(line) for line in said.out.splitlines()]
    for line in got:
        validate("run", line)
    assert [Path(line["source"]).name for line in got] == ["a.tif", "b.h5", "c.zarr", "d.v3draw"]
    assert "left out 1 of 5 files" in said.err
    expected = 255 * mask_by_hand(engine, read_volume(stacks / "a.tif").voxels)
    assert 0 < expected.mean() < 60
    for line in got:
        made = read_volume(Path(line["mask"]))
        np.testing.assert_array_equal(made.voxels, expected)
        assert made.spacing_known == (line is got[0])
        assert line["foreground_fraction"] == pytest.approx((expected > 0).mean())
        assert cv2.imread(line["overlay"]) is not None
    assert read_volume(Path(got[0]["mask"])).spacing_um == pytest.approx(
        (1.0, 0.3, 0.25), rel=1e-5
    )  # a ratio of whole numbers


def test_a_zarr_folder_by_name_is_one_volume_and_so_is_one_found_by_a_pattern(
    engine: Path, stacks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(engine), str(stacks / "c.zarr"), str(stacks / "c.*"), "--json"]) == 0
    got = lines(capsys)
    assert [line["source"] for line in got] == [str(stacks / "c.zarr")] * 2
    assert got[0]["foreground_fraction"] == got[1]["foreground_fraction"]


def test_a_volume_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    engine: Path, stacks: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    whole = (stacks / "d.v3draw").read_bytes()
    (stacks / "d.v3draw").write_bytes(whole[:-100])
    assert main(["run", str(engine), str(stacks / "d.v3draw"), str(stacks / "a.tif"), "--json"]) == 1
    first, second = lines(capsys)
    validate("run", first)
    assert "it is truncated" in str(first["error"])
    assert second["error"] is None


def test_an_image_of_any_size_gets_a_mask_of_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    engine = write_tiled_bundle(tmp_path / "m2.edge", TILE_2D)
    image = np.zeros((50, 71), np.uint8)
    image[20:25] = 90
    cv2.imwrite(str(tmp_path / "i.png"), image)
    out, pictures = tmp_path / "masks", tmp_path / "pictures"
    command = ["run", str(engine), str(tmp_path / "i.png"), "--out", str(out), "--overlay", str(pictures), "--json"]
    assert main(command) == 0
    (line,) = lines(capsys)
    validate("run", line)
    made = cv2.imread(str(line["mask"]), cv2.IMREAD_GRAYSCALE)
    assert made is not None
    np.testing.assert_array_equal(made, 255 * mask_by_hand(engine, image))
    assert np.flatnonzero(made.any(1)).tolist() == [20, 21, 22, 23, 24]
