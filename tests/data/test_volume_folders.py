"""Folders and containers of volumes as data sets: stacks, masks of three kinds, blocks, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.describe import summarise
from edgeneuro.data.make_split import make_split
from edgeneuro.data.masks import read_mask
from edgeneuro.data.volumes.block_set import block_of
from edgeneuro.data.volumes.blocks import Block, Origin, write_block
from edgeneuro.data.volumes.tiff_writing import encode_tiff
from edgeneuro.errors import DataError, FrameError
from edgeneuro.spec import Array
from edgeneuro.volume import Volume
from tests.data.folders import write_frames, write_table
from tests.data.volumes.files import STACK, v3draw, write_tiff, write_zarr
from tests.neurons import swc

LABEL: Array = (STACK > 3000).astype(np.uint8)
WITH_DOUBT: Array = np.where(STACK < 500, 255, LABEL).astype(np.uint8)


def write_raw(path: Path, voxels: Array) -> None:
    path.write_bytes(v3draw(voxels[None]))


def write_hdf5(path: Path, voxels: Array) -> None:
    with h5py.File(path, "w") as file:
        file["volume"] = voxels


WRITERS: dict[str, Callable[[Path, Array], object]] = {
    ".tif": write_tiff,
    ".v3draw": write_raw,
    ".h5": write_hdf5,
    ".zarr": write_zarr,
}


def tabled(folder: Path, ending: str, mask: Array) -> Path:
    """Three stacks of three animals with masks."""
    (folder / "masks").mkdir()
    for number in range(3):
        WRITERS[ending](folder / f"{number}{ending}", STACK + number)
        write_tiff(folder / f"masks/{number}.tif", mask)
    write_table(folder, ["file,mask,group_id", *(f"{n}{ending},masks/{n}.tif,animal{n}" for n in range(3))])
    return folder


@pytest.mark.parametrize("ending", WRITERS)
def test_a_table_of_stacks_is_a_set_of_volumes_with_masks(tmp_path: Path, ending: str) -> None:
    data = open_data(str(tabled(tmp_path, ending, WITH_DOUBT)))
    assert data.has_volumes and data.has_masks and data.classes == ("background", "foreground")
    np.testing.assert_array_equal(data.read(data.samples[2]), STACK + 2)
    np.testing.assert_array_equal(data.mask(data.samples[2]), WITH_DOUBT, strict=True)
    np.testing.assert_array_equal(data.item(data.samples[2]), STACK + 2)
    assert make_split(data).test
    assert summarise(data).sizes == {"7x6x5": 3}


def test_255_is_foreground_where_no_voxel_is_1(tmp_path: Path) -> None:
    data = open_data(str(tabled(tmp_path, ".tif", LABEL * 255)))
    np.testing.assert_array_equal(data.mask(data.samples[0]), LABEL, strict=True)


@pytest.mark.parametrize("ending", WRITERS)
def test_folders_images_and_masks_of_stacks_are_paired_by_name(tmp_path: Path, ending: str) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in "ab":
        WRITERS[ending](tmp_path / f"images/{name}{ending}", STACK)
        write_zarr(tmp_path / f"masks/{name}.zarr", LABEL)
    data = open_data(str(tmp_path))
    assert [(sample.source, sample.mask) for sample in data.samples] == [
        (f"images/{name}{ending}", f"masks/{name}.zarr") for name in "ab"
    ]
    assert data.has_volumes and not data.dropped
    np.testing.assert_array_equal(data.mask(data.samples[1]), LABEL)


def test_stacks_alone_are_unlabelled_volumes(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", STACK)
    write_zarr(tmp_path / "b.zarr", STACK)
    data = open_data(str(tmp_path))
    assert ([s.source for s in data.samples], data.classes, data.has_masks) == (["a.tif", "b.zarr"], (), False)
    assert data.has_volumes and not data.dropped


def test_a_tiff_of_one_page_is_still_an_image(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", STACK[0])
    data = open_data(str(tmp_path))
    assert not data.has_volumes and data.read(data.samples[0]).shape == (6, 7)


def test_a_neuron_as_mask_is_drawn_in_um_where_the_spacing_is_known_else_in_voxels(tmp_path: Path) -> None:
    volume = Volume(voxels=np.zeros((5, 12, 12), np.uint16), spacing_um=(1.0, 0.5, 0.5))
    (tmp_path / "known.tif").write_bytes(encode_tiff(volume))
    (tmp_path / "unknown.tif").write_bytes(encode_tiff(replace(volume, spacing_um=(1, 1, 1), spacing_known=False)))
    for name in ("tree", "other"):
        (tmp_path / f"{name}.swc").write_bytes(swc([(1, 2, 2, 2, 1, -1), (3, 4, 2, 2, 0.5, 1), (3, 5, 2, 2, 0.5, 2)]))
    write_table(tmp_path, ["file,mask,group_id", "known.tif,tree.swc,a", "unknown.tif,other.swc,b"])
    data = open_data(str(tmp_path))
    in_um, in_voxels = (data.mask(sample) for sample in data.samples)
    assert in_um[2, 4, 10] == 1 and in_um[2, 2, 5] != 1
    assert in_voxels[2, 2, 5] == 1 and in_voxels[2, 4, 10] == 0


def test_a_neuron_outside_its_volume_is_refused_by_name(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", STACK)
    (tmp_path / "far.swc").write_bytes(swc([(1, 2, 2, 2, 1, -1), (3, 40, 2, 2, 0.5, 1), (3, 50, 2, 2, 0.5, 2)]))
    write_table(tmp_path, ["file,mask,group_id", "a.tif,far.swc,a"])
    data = open_data(str(tmp_path))
    with pytest.raises(DataError, match=r"far\.swc: neuron: 2 of 3 nodes lie outside the volume"):
        data.mask(data.samples[0])


def test_labels_that_mean_nothing_are_refused_by_value(tmp_path: Path) -> None:
    data = open_data(str(tabled(tmp_path, ".tif", LABEL * 7)))
    with pytest.raises(DataError, match=r"0\.tif: has labels 7 in places, expected 0, 1, 255 only"):
        data.mask(data.samples[0])


def test_masks_of_another_size_are_found_when_a_set_is_described(tmp_path: Path) -> None:
    summary = summarise(open_data(str(tabled(tmp_path, ".tif", LABEL[:, :4]))))
    assert len(summary.unreadable) == 3
    assert "has a mask of (5, 4, 7), expected (5, 6, 7); crop and turn both alike" in summary.unreadable["0.tif"]


def test_a_truncated_stack_is_named_when_it_is_read(tmp_path: Path) -> None:
    folder = tabled(tmp_path, ".v3draw", LABEL)
    (folder / "1.v3draw").write_bytes((folder / "1.v3draw").read_bytes()[:-9])
    data = open_data(str(folder))
    with pytest.raises(FrameError, match=r"1\.v3draw: .*truncated"):
        data.read(data.samples[1])


def test_a_zarr_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    write_table(tmp_path, ["file,mask,group_id", "a.zarr,a.swc,g"])
    with pytest.raises(DataError, match=r"1 of 1 files are missing, first 'a\.zarr' on line 2"):
        open_data(str(tmp_path))


@pytest.mark.parametrize("first", ["a", "z"])
def test_images_among_volumes_are_refused(tmp_path: Path, first: str) -> None:
    write_frames(tmp_path, [f"{first}.png"])
    write_raw(tmp_path / "m.v3draw", STACK)
    with pytest.raises(DataError, match=r"has images and volumes in one set .* keep them in folders of their own"):
        open_data(str(tmp_path))


def test_volumes_of_more_classes_are_refused(tmp_path: Path) -> None:
    folder = tabled(tmp_path, ".tif", LABEL)
    (folder / "dataset.json").write_text('{"name": "x", "mask_column": "mask", "classes": ["a", "b", "c"]}')
    with pytest.raises(DataError, match="has volumes with masks of 3 classes, expected 2"):
        open_data(str(folder))


def block(group: str | None = None) -> Block:
    return Block(
        volume=Volume(voxels=STACK, spacing_um=(2.0, 1.0, 1.0)),
        label=WITH_DOUBT,
        weight=np.full(STACK.shape, 0.5, np.float32),
        origin=Origin(source="manual"),
        group=group,
    )


def test_a_container_of_blocks_is_a_set_grouped_by_what_blocks_were_cut_from(tmp_path: Path) -> None:
    container = tmp_path / "few.zarr"
    for name, group in (("a", "brain1"), ("b", "brain1"), ("c", None)):
        write_block(container, name, block(group))
    data = open_data(str(container))
    assert [(s.source, s.group) for s in data.samples] == [
        ("blocks/a", "brain1"),
        ("blocks/b", "brain1"),
        ("blocks/c", "c"),
    ]
    assert data.name == "few.zarr" and data.volume(data.samples[0]).spacing_um == (2.0, 1.0, 1.0)
    np.testing.assert_array_equal(data.read(data.samples[0]), STACK)
    np.testing.assert_array_equal(data.mask(data.samples[0]), WITH_DOUBT)
    assert block_of(container, data.samples[0]).weight.max() == np.float32(0.5)


def test_a_container_without_blocks_is_refused(tmp_path: Path) -> None:
    write_block(tmp_path / "few.zarr", "a", block())
    for file in sorted((tmp_path / "few.zarr/blocks/a").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (tmp_path / "few.zarr/blocks/a").rmdir()
    with pytest.raises(DataError, match="holds no blocks, expected at least one"):
        open_data(str(tmp_path / "few.zarr"))


def test_an_image_mask_with_0_1_and_255_ignores_255(tmp_path: Path) -> None:
    write_tiff(tmp_path / "m.tif", WITH_DOUBT[0])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif", 2), WITH_DOUBT[0], strict=True)
