"""Writing a data set as a folder, and counting what one holds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.describe import known_sets, summarise
from edgeneuro.data.make_split import make_split
from edgeneuro.data.phantom import phantom_dataset
from edgeneuro.data.sample import Sample
from edgeneuro.data.writing import write_folder
from edgeneuro.errors import OutputError
from edgeneuro.spec import Frame
from tests.data.folders import speckle, write_frames, write_table

SMALL = phantom_dataset(3, subjects_per_class=4, frames_per_subject=2)


def test_a_written_phantom_reads_back_pixel_for_pixel_and_stays_simulated(tmp_path: Path) -> None:
    write_folder(SMALL, tmp_path / "copy")
    back = open_data(str(tmp_path / "copy"))
    assert (back.name, back.classes, back.licence, back.simulated) == (SMALL.name, SMALL.classes, SMALL.licence, True)
    for mine, theirs in zip(SMALL.samples, back.samples, strict=True):
        assert (mine.target, mine.group, mine.fold) == (theirs.target, theirs.group, theirs.fold)
        assert mine.tags.items() <= theirs.tags.items()
    np.testing.assert_array_equal(SMALL.read(SMALL.samples[5]), back.read(back.samples[5]), strict=True)
    assert make_split(SMALL) == make_split(back)


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_folder(SMALL, tmp_path / "copy", on_frame=_interrupt)
    assert list(tmp_path.iterdir()) == []


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_an_existing_folder_is_replaced_only_by_force_and_only_if_simulated(tmp_path: Path) -> None:
    out = tmp_path / "copy"
    write_folder(SMALL, out)
    (out / "stale.txt").touch()
    with pytest.raises(OutputError, match="copy: exists already; give --force"):
        write_folder(SMALL, out)
    write_folder(SMALL, out, force=True)
    assert not (out / "stale.txt").exists()
    write_frames(tmp_path / "mine", ["a.png"])
    with pytest.raises(OutputError, match="mine: is not a simulated data set, so --force does not remove it"):
        write_folder(SMALL, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "a.png").exists()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_folder(SMALL, tmp_path / "file" / "copy")


def test_a_summary_counts_frames_groups_folds_sizes_and_what_cannot_be_read(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "b.png", "c.png", "d.png"])
    np.save(tmp_path / "e.npy", speckle(5, 64, 50).astype(np.uint16))
    (tmp_path / "d.png").write_bytes((tmp_path / "d.png").read_bytes()[:100])
    rows = ["a.png,x,1,0", "b.png,x,1,0", "c.png,y,2,1", "d.png,y,2,1", "e.npy,y,3,1", "f.png,,3,1"]
    write_table(tmp_path, ["file,label,group_id,fold", *rows])
    seen: list[None] = []
    summary = summarise(open_data(str(tmp_path)), on_frame=lambda: seen.append(None))
    assert (summary.frames, summary.groups, len(seen)) == (5, 3, 5)
    assert [(row.name, row.frames, row.groups) for row in summary.classes] == [("x", 2, 1), ("y", 3, 2)]
    assert summary.dropped == {"empty label": 1}
    assert summary.folds == {"0": 2, "1": 3}
    assert summary.sizes == {"48x40": 3, "50x64": 1}
    assert summary.pixels == {"uint8 grey": 3, "uint16 grey": 1}
    assert summary.columns == ("group", "group_id")
    assert list(summary.unreadable) == ["d.png"] and "truncated" in summary.unreadable["d.png"]


def test_known_sets_say_where_they_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGENEURO_DATA", str(tmp_path / "sets"))
    write_table(tmp_path / "sets" / "us_lung_pocus", ["file,label,group_id,fold"])
    write_table(tmp_path / "sets" / "mine", ["file,label,group_id"])
    write_table(tmp_path / "sets" / "rat_neuron_swc", ["file,class12,group_id"])
    write_table(tmp_path / "sets" / "v1_gratings_2p", ["file,trial,block"])
    found = {known.name: known.found for known in known_sets()}
    assert found["phantom"] == found["phantom-lesions"] == ""
    assert found["us_lung_pocus"] == str(tmp_path / "sets" / "us_lung_pocus")
    assert found["skin_ham10000"] is None
    assert found["mine"] == str(tmp_path / "sets" / "mine")
    assert found["rat_neuron_swc"] == str(tmp_path / "sets" / "rat_neuron_swc")
    assert "v1_gratings_2p" not in found


def test_a_colour_frame_is_written_with_red_first(tmp_path: Path) -> None:
    red = np.zeros((40, 48, 3), np.uint8)
    red[:, :, 0] = 200
    coloured = type(SMALL)(name="red", classes=("a",), samples=(_sample(),), reader=partial(_same, red), simulated=True)
    write_folder(coloured, tmp_path / "red")
    back = open_data(str(tmp_path / "red"))
    np.testing.assert_array_equal(back.read(back.samples[0]), red)


def _sample() -> Sample:
    return Sample(source="x", index=0, target=0, group="g")


def _same(frame: Frame, _: Sample) -> Frame:
    return frame
