"""Simulated neurites under a microscope: volumes and projections, with their masks, and as folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from edgeneuro.data import open_data, phantom_neurites
from edgeneuro.data.describe import summarise
from edgeneuro.data.make_split import make_split
from edgeneuro.data.phantom_neurites import neurites_dataset, project_labels, volumes_dataset
from edgeneuro.data.sample import Sample
from edgeneuro.data.writing import write_folder
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

SCHEMA = Path(__file__).parents[2] / "docs/schemas/data-describe.schema.json"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Volumes that take hundredths of a second; nothing of them is kept for other tests."""
    monkeypatch.setattr(phantom_neurites, "VOLUME_SHAPE", (8, 32, 32))
    monkeypatch.setattr(phantom_neurites, "CELL_SHAPE", (12, 40, 40))
    for kept in (phantom_neurites._volume, phantom_neurites._cell):
        kept.cache_clear()


def test_every_volume_is_its_own_group_and_says_how_far_apart_its_voxels_are() -> None:
    data = open_data("phantom-volumes:3")
    assert (len(data), data.name, data.classes) == (24, "phantom-volumes:3", ("background", "neurite"))
    assert data.simulated and data.has_masks and data.has_volumes
    assert len({sample.group for sample in data.samples}) == 24
    assert {sample.fold for sample in data.samples} == {0, 1, 2, 3, 4}
    volume = data.volume(data.samples[1])
    assert volume.spacing_um == (1.0, 0.5, 0.5)
    np.testing.assert_array_equal(volume.voxels, data.read(data.samples[1]))
    assert data.mask(data.samples[1]).shape == volume.voxels.shape


def test_neurites_are_brighter_than_what_is_around_them() -> None:
    data = neurites_dataset(cells=2)
    for sample in data.samples[:2]:
        image, mask = data.read(sample), data.mask(sample)
        assert image.dtype == np.uint16 and image.shape == mask.shape == (40, 40)
        assert np.median(image[mask == FOREGROUND]) > np.median(image[mask == BACKGROUND])


def test_the_slabs_of_one_cell_are_one_group_and_differ() -> None:
    data = open_data("phantom-neurites")
    assert len(data) == 60 and not data.has_volumes
    first = data.samples[:3]
    assert len({sample.group for sample in first}) == 1 and data.samples[3].group != first[0].group
    assert not np.array_equal(data.read(first[0]), data.read(first[1]))
    split = make_split(data)
    parts = [{s.group for s in split.part(data.samples, part)} for part in ("training", "validation", "test")]
    assert all(parts) and not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]


def test_a_frame_depends_on_seed_and_number_alone_and_cannot_be_spoilt_by_its_reader() -> None:
    few, many = volumes_dataset(2, volumes=2), volumes_dataset(2, volumes=5)
    before = few.read(few.samples[1])
    few.read(few.samples[1])[:] = 0
    few.mask(few.samples[1])[:] = 7
    np.testing.assert_array_equal(many.read(many.samples[1]), before)
    assert set(np.unique(many.mask(many.samples[1]))) <= {BACKGROUND, FOREGROUND, IGNORE}
    other = volumes_dataset(3, volumes=2)
    assert not np.array_equal(other.read(other.samples[1]), before)


def test_a_projection_is_foreground_where_any_plane_is_and_doubtful_only_elsewhere() -> None:
    planes = np.array([[[0, 1, 255, 0]], [[0, 255, 0, 0]]], np.uint8)
    assert project_labels(planes).tolist() == [[0, 1, 255, 0]]
    assert project_labels(planes[1:]).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("name", ["phantom-volumes", "phantom-neurites"])
def test_a_written_set_reads_back_with_its_masks_and_spacing(tmp_path: Path, name: str) -> None:
    made = volumes_dataset(volumes=2) if name == "phantom-volumes" else neurites_dataset(cells=1)
    write_folder(made, tmp_path / "copy")
    back = open_data(str(tmp_path / "copy"))
    assert (back.name, back.classes, back.simulated, back.has_volumes) == (name, made.classes, True, made.has_volumes)
    for mine, theirs in zip(made.samples, back.samples, strict=True):
        assert (mine.group, mine.fold) == (theirs.group, theirs.fold)
        np.testing.assert_array_equal(made.read(mine), back.read(theirs), strict=True)
        np.testing.assert_array_equal(made.mask(mine), back.mask(theirs), strict=True)
        if made.has_volumes:
            assert (
                back.volume(theirs).spacing_um == pytest.approx((1.0, 0.5, 0.5)) and back.volume(theirs).spacing_known
            )


def test_a_summary_gives_the_depth_of_volumes() -> None:
    summary = summarise(volumes_dataset(volumes=2))
    assert (summary.sizes, summary.pixels, summary.unreadable) == ({"32x32x8": 2}, {"uint16 volume": 2}, {})
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(to_json(summary))


def test_foreign_samples_and_empty_sets_are_refused() -> None:
    with pytest.raises(DataError, match="phantom-0/subject-000: not simulated here, expected phantom-volumes-SEED"):
        volumes_dataset().read(Sample(source="phantom-0/subject-000", index=0, target=None, group="g"))
    with pytest.raises(DataError, match="phantom-neurites: got seed 0 and 0 to simulate"):
        neurites_dataset(cells=0)
    with pytest.raises(DataError, match="holds images or tiles, expected volumes"):
        neurites_dataset(cells=1).volume(neurites_dataset(cells=1).samples[0])
