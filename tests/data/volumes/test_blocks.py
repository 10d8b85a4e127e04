"""Blocks: written whole or not at all, read back as they were, and refused where they are not what they say."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from edgeneuro.data.volumes import read_volume
from edgeneuro.data.volumes.blocks import Block, Origin, block_names, read_block, write_block
from edgeneuro.errors import DataError, OutputError
from edgeneuro.volume import Volume
from tests.data.volumes.files import STACK

LABEL = (STACK > 3000).astype(np.uint8)
LABEL[0] = 255
BLOCK = Block(
    volume=Volume(voxels=STACK, spacing_um=(1.0, 0.5, 0.25)),
    label=LABEL,
    weight=np.full(STACK.shape, 0.6, np.float32),
    origin=Origin(source="network", round=2, confidence=0.91),
)


def test_a_block_comes_back_as_it_was(tmp_path: Path) -> None:
    write_block(tmp_path / "few.zarr", "cell-01", BLOCK)
    read = read_block(tmp_path / "few.zarr", "cell-01")
    np.testing.assert_array_equal(read.volume.voxels, STACK)
    np.testing.assert_array_equal(read.label, LABEL)
    np.testing.assert_array_equal(read.weight, BLOCK.weight)
    assert read.volume.spacing_um == (1.0, 0.5, 0.25) and read.volume.spacing_known
    assert read.origin == BLOCK.origin


def test_that_a_spacing_is_not_known_stays_known(tmp_path: Path) -> None:
    unknown = replace(BLOCK, volume=Volume(voxels=STACK, spacing_um=(1, 1, 1), spacing_known=False))
    write_block(tmp_path / "few.zarr", "a", unknown)
    assert not read_block(tmp_path / "few.zarr", "a").volume.spacing_known


def test_the_container_is_zarr_that_anything_can_open(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_block(tmp_path / "few.zarr", name, BLOCK)
    assert block_names(tmp_path / "few.zarr") == ["a", "b"]
    root: Any = zarr.open(str(tmp_path / "few.zarr"), mode="r")
    np.testing.assert_array_equal(root["blocks/a/label"][...], LABEL)
    assert root["blocks/a"].attrs["origin"] == {"source": "network", "round": 2, "confidence": 0.91}
    assert read_volume(tmp_path / "few.zarr", dataset="blocks/b/data").spacing_um == (1.0, 0.5, 0.25)


def test_a_block_is_replaced_only_by_force(tmp_path: Path) -> None:
    write_block(tmp_path, "a", BLOCK)
    with pytest.raises(OutputError, match="exists already"):
        write_block(tmp_path, "a", BLOCK)
    write_block(tmp_path, "a", replace(BLOCK, origin=Origin(source="manual")), force=True)
    assert read_block(tmp_path, "a").origin == Origin(source="manual")


def test_a_disk_that_fills_up_within_a_block_leaves_the_container_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_block(tmp_path, "a", BLOCK)
    before = sorted(tmp_path.rglob("*"))
    whole: Callable[..., Any] = zarr.open_array

    def full(store: str, **how: Any) -> Any:
        if Path(store).name == "weight":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(store, **how)

    monkeypatch.setattr(zarr, "open_array", full)
    for name in ("b", "a"):
        with pytest.raises(OutputError, match="the disk is full"):
            write_block(tmp_path, name, BLOCK, force=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert block_names(tmp_path) == ["a"]
    np.testing.assert_array_equal(read_block(tmp_path, "a").label, LABEL)


@pytest.mark.parametrize("label", [2, 128, 254])
def test_other_labels_are_refused_by_their_number(label: int) -> None:
    odd = LABEL.copy()
    odd[1, 2, 3] = label
    with pytest.raises(DataError, match=f"labels are {label} in places, expected 0, 1, 255 only"):
        replace(BLOCK, label=odd)


@pytest.mark.parametrize("weight", [-0.5, np.nan, np.inf])
def test_impossible_weights_are_refused(weight: float) -> None:
    with pytest.raises(DataError, match="weights are negative or not finite"):
        replace(BLOCK, weight=np.full(STACK.shape, weight, np.float32))


def test_parts_of_different_shape_or_type_are_refused() -> None:
    with pytest.raises(DataError, match="expected one shape"):
        replace(BLOCK, label=LABEL[:2])
    with pytest.raises(DataError, match="expected uint8 and float32"):
        replace(BLOCK, weight=BLOCK.weight.astype(np.float64))


@pytest.mark.parametrize("name", ["../a", "", ".a", "a/b"])
def test_a_name_cannot_lead_out_of_the_container(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no name"):
        write_block(tmp_path, name, BLOCK)


def test_labels_that_were_changed_on_disk_are_found_when_read(tmp_path: Path) -> None:
    write_block(tmp_path, "a", BLOCK)
    stored: Any = zarr.open(str(tmp_path / "blocks" / "a" / "label"), mode="r+")
    stored[0, 0, 0] = 7
    with pytest.raises(DataError, match=r"blocks/a: labels are 7"):
        read_block(tmp_path, "a")


def test_a_damaged_or_missing_block_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no blocks"):
        block_names(tmp_path)
    write_block(tmp_path, "a", BLOCK)
    with pytest.raises(DataError, match="has no block 'b'"):
        read_block(tmp_path, "b")
    group: Any = zarr.open_group(str(tmp_path / "blocks" / "a"), mode="r+")
    group.attrs["origin"] = {"source": "guess"}
    with pytest.raises(DataError, match="source"):
        read_block(tmp_path, "a")
