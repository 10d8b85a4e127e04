"""The mask of a volume, chunk by chunk: what one blend over all of it would give, whatever interrupts it."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from edgeneuro.data.volumes import read_volume
from edgeneuro.data.volumes.whole_chunks import chunk_file
from edgeneuro.errors import FrameError, InputError, IntegrityError, OutputError, UsageError
from edgeneuro.runtime.segment.ledger import Ledger, text_of
from edgeneuro.runtime.segment.run import segment_volume
from edgeneuro.runtime.segment.work import count_part, forget, make_chunk
from edgeneuro.runtime.segment.workers import Here
from tests.data.volumes.files import write_zarr
from tests.runtime.bundles import write_bundle
from tests.runtime.segment.volumes import SHAPE, Case, write_case
from tests.runtime.tiled_bundles import TILE_3D, write_tiled_bundle


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path)


@pytest.fixture(autouse=True)
def nothing_kept_open() -> Any:
    yield
    forget()


@pytest.mark.parametrize("chunk", [11, 20, None])
def test_it_is_one_blend_over_the_whole_volume_whatever_the_chunks(case: Case, chunk: int | None) -> None:
    done = case.run(chunk=chunk)
    expected = case.expected()
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(case.mask(), expected)
    assert done.foreground_fraction == expected.mean()
    assert (done.resumed, done.chunks) == (0, len(case.notes()))
    assert done.levels == (np.percentile(case.voxels, 0.1), np.percentile(case.voxels, 99.9))


def test_an_engine_for_images_takes_a_stack_plane_by_plane_between_the_levels_of_all(tmp_path: Path) -> None:
    case = write_case(tmp_path, (3, 30, 50), planes=True)
    done = case.run()
    np.testing.assert_array_equal(case.mask(), case.expected())
    assert done.chunk == (1, 20, 20)


def test_the_mask_keeps_the_spacing_and_is_read_as_ome_zarr(case: Case) -> None:
    case.run()
    made = read_volume(case.out)
    assert (made.spacing_um, made.spacing_known) == ((1.0, 0.3, 0.25), True)
    attributes: dict[str, Any] = dict(zarr.open_group(str(case.out), mode="r").attrs)
    image = attributes.get("ome", attributes)["multiscales"][0]
    assert [axis["unit"] for axis in image["axes"]] == ["micrometer"] * 3
    assert image["datasets"][0]["path"] == "0"


def test_of_a_volume_without_spacing_the_mask_has_none(case: Case) -> None:
    del zarr.open_array(str(case.volume), mode="r+").attrs["spacing_um"]
    case.run()
    assert not read_volume(case.out).spacing_known


def as_tiff(path: Path, case: Case) -> None:
    tifffile.imwrite(path, case.voxels, photometric="minisblack")


def as_hdf5(path: Path, case: Case) -> None:
    with h5py.File(path, "w") as file:
        file["raw"] = case.voxels


@pytest.mark.parametrize("write", [as_tiff, as_hdf5])
def test_other_formats_give_the_same_mask(case: Case, write: Callable[[Path, Case], None]) -> None:
    shutil.rmtree(case.volume)
    write(case.volume, case)
    case.run()
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_one_channel_of_several_is_chosen(case: Case) -> None:
    shutil.rmtree(case.volume)
    write_zarr(case.volume, np.stack([np.zeros_like(case.voxels), case.voxels]))
    with pytest.raises(FrameError, match="holds 2 channels"):
        case.run()
    case.run(channel=1)
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_levels_that_are_given_are_used_without_a_pass_over_the_volume(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    case.run(levels=(10.0, 300.0), progress=lambda step, done, of: steps.append(step))
    assert set(steps) == {"mask"}
    np.testing.assert_array_equal(case.mask(), case.expected((10.0, 300.0)))
    assert not np.array_equal(case.mask(), case.expected())


def test_progress_counts_to_the_end(case: Case) -> None:
    told: list[tuple[str, int, int]] = []
    case.run(progress=lambda *step: told.append(step))
    assert told[-1] == ("mask", 6, 6)
    assert ("grey levels, pass 1", 1, 1) in told


# --- interrupted


def interrupted(case: Case, monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException) -> None:
    """Run until `after` chunks are written, then raise `error` instead of writing the next one."""
    written = 0
    write = zarr.Array.__setitem__

    def failing(self: Any, region: Any, values: Any) -> None:
        nonlocal written
        if written == after:
            raise error
        written += 1
        write(self, region, values)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", failing)
        case.run()


def test_a_full_disk_in_mid_volume_is_said_and_the_rest_is_made_later(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        OutputError, match=r"mask\.zarr: the disk is full; chunks written before stand, free some space"
    ):
        interrupted(case, monkeypatch, 4, OSError(errno.ENOSPC, "No space left on device"))
    before = case.notes()
    assert len(before) == 4
    done = case.run(resume=True)
    assert (done.resumed, done.chunks) == (4, 6)
    np.testing.assert_array_equal(case.mask(), case.expected())
    assert done.foreground_fraction == case.expected().mean()
    assert all(case.notes()[chunk] == note for chunk, note in before.items())


def test_an_interrupt_is_resumed_without_a_second_pass_for_the_levels(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(case, monkeypatch, 2, KeyboardInterrupt())
    steps: list[str] = []
    done = case.run(resume=True, chunk=None, progress=lambda step, *_: steps.append(step))
    assert set(steps) == {"mask"}
    assert done.resumed == 2
    assert done.chunk == (13, 20, 20)  # as it was begun
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_a_chunk_that_was_cut_short_before_it_was_noted_is_made_again(case: Case) -> None:
    case.run()
    chunk = chunk_file(case.out / "0", (0, 1, 1))
    chunk.write_bytes(chunk.read_bytes()[:-5])
    (case.folder / "mask.zarr.ledger" / "done" / "0" / "1" / "1.json").unlink()
    assert case.run(resume=True).resumed == 5
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_resume_begins_where_nothing_is_and_ends_at_once_where_all_is(case: Case) -> None:
    assert case.run(resume=True).resumed == 0
    again = case.run(resume=True)
    assert (again.resumed, again.voxels_per_second) == (6, 0)


def test_resume_refuses_what_would_make_another_mask(case: Case) -> None:
    case.run()
    with pytest.raises(
        UsageError, match=r"levels was \[.*\], is \[1\.0, 2\.0\]; ask for the same, or begin again with"
    ):
        case.run(resume=True, levels=(1.0, 2.0))
    with pytest.raises(UsageError, match=r"chunk was \[13, 20, 20\], is \[10, 10, 10\]"):
        case.run(resume=True, chunk=10)
    write_tiled_bundle(case.engine, TILE_3D, threshold=0.6)
    with pytest.raises(UsageError, match="engine_sha256 was "):
        case.run(resume=True)


def test_an_engine_that_has_moved_is_the_same_engine(case: Case) -> None:
    case.run()
    moved = case.engine.rename(case.folder / "moved.edge")
    done = segment_volume(case.volume, moved, case.out, Here(1), resume=True)
    assert done.resumed == done.chunks


def test_a_mask_that_exists_is_replaced_with_force_alone_and_only_a_mask_is(case: Case) -> None:
    case.run()
    with pytest.raises(OutputError, match="exists already; give --force"):
        case.run()
    assert case.run(force=True, levels=(10.0, 300.0)).resumed == 0
    np.testing.assert_array_equal(case.mask(), case.expected((10.0, 300.0)))
    shutil.rmtree(case.folder / "mask.zarr.ledger")
    for options in ({"force": True}, {"resume": True}):
        with pytest.raises(OutputError, match=r"has no ledger .*, so it is no mask of this command"):
            case.run(**options)


@pytest.mark.parametrize("out", ["v.zarr", "v.zarr/mask", "."])
def test_the_volume_is_never_written_to(case: Case, out: str) -> None:
    with pytest.raises(OutputError, match="is the volume itself, holds it or lies in it"):
        segment_volume(case.volume, case.engine, case.folder / out, Here(1), force=True)
    np.testing.assert_array_equal(read_volume(case.volume).voxels, case.voxels)


# --- refused


def test_an_engine_that_covers_nothing_with_tiles_is_refused_before_anything_is_read(case: Case) -> None:
    write_bundle(case.engine)
    with pytest.raises(InputError, match="does not cover images or volumes with tiles"):
        case.run()
    assert not case.out.exists()


def test_a_worker_with_another_engine_refuses(case: Case) -> None:
    case.run()
    job = Ledger(case.out).job()
    write_tiled_bundle(case.engine, TILE_3D, threshold=0.6)
    forget()
    with pytest.raises(IntegrityError, match="put the same file on every worker"):
        make_chunk(text_of(job), 1, False, (0, 0, 0))
    with pytest.raises(InputError, match=r"runs model\.onnx, the mask was begun with graphs/other\.onnx"):
        write_tiled_bundle(case.engine, TILE_3D)
        make_chunk(text_of(replace(job, graph="graphs/other.onnx")), 1, False, (0, 0, 0))


def test_voxels_that_are_no_numbers_are_said(case: Case) -> None:
    shutil.rmtree(case.volume)
    voxels = case.voxels.astype(np.float32)
    voxels[3, 30, 30] = np.nan
    write_zarr(case.volume, voxels)
    with pytest.raises(FrameError, match=r"1 of .* voxels are NaN or infinite"):
        case.run()


def test_a_damaged_note_is_named(case: Case) -> None:
    case.run()
    note = case.folder / "mask.zarr.ledger" / "done" / "0" / "0" / "1.json"
    note.write_bytes(b"{")
    with pytest.raises(OutputError, match=r"1\.json: cannot be read .*remove it, then the chunk is made again"):
        case.run(resume=True)
    (case.folder / "mask.zarr.ledger" / "job.json").write_text(json.dumps({"levels": 3}))
    with pytest.raises(OutputError, match=r"job\.json: cannot be read"):
        case.run(resume=True)


def test_parts_of_a_volume_are_counted_by_bounds(case: Case) -> None:
    counts = count_part(str(case.volume), None, None, ((0, 0, 0), SHAPE), 0, (0,))
    np.testing.assert_array_equal(counts[0, :256], np.bincount(case.voxels.ravel(), minlength=256))


def test_a_disk_error_of_another_kind_is_an_output_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"cannot be written .Input/output error.; chunks written before stand"):
        interrupted(case, monkeypatch, 1, OSError(errno.EIO, "Input/output error"))
