"""edgeneuro segment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.runtime.segment import work
from tests.cli.conftest import Validate
from tests.runtime.segment.volumes import Case, write_case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path)


def command(case: Case, *more: str) -> list[str]:
    return [
        "segment",
        str(case.volume),
        "--engine",
        str(case.engine),
        "--out",
        str(case.out),
        "--chunk",
        "20",
        *more,
    ]


def test_json_follows_the_schema_and_the_mask_is_there(
    case: Case, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    assert main(command(case, "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    validate("segment", said)
    assert (said["shape"], said["chunk"], said["chunks"]) == ([13, 40, 50], [13, 20, 20], 6)
    assert said["foreground_fraction"] == case.expected().mean()
    np.testing.assert_array_equal(case.mask(), case.expected())


def test_people_read_one_sentence(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(case, "--levels", "10", "300")) == 0
    share = 100 * case.expected((10.0, 300.0)).mean()
    said = capsys.readouterr().out
    assert said.startswith(f"{case.out}: 13 x 40 x 50 voxels in 6 chunks, foreground {share:.3f} %, ")
    assert said.endswith(" voxels a second\n")
    assert main(command(case, "--resume")) == 0
    assert "6 chunks, 6 of them from before" in capsys.readouterr().out


def test_an_interrupt_ends_with_130_and_resume_finishes(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = work.Chunks.make
    made: list[Any] = []

    def interrupted(self: Any, chunk: Any) -> Any:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(chunk)
        return make(self, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(work.Chunks, "make", interrupted)
        assert main(command(case)) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert main(command(case)) == 1
    assert "mask.zarr: exists already; give --force to replace it" in capsys.readouterr().err
    assert main(command(case, "--resume")) == 0
    assert "3 of them from before" in capsys.readouterr().out
    np.testing.assert_array_equal(case.mask(), case.expected())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "--workers: contradicts --scheduler"),
        (["--resume", "--force"], "--force: begins again, which contradicts --resume"),
        (["--workers", "0"], "'--workers'"),
        (["--levels", "300", "10"], "levels: got 300 and 10, expected two grey values that rise"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(
    case: Case, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert main(command(case, *more)) == 2
    assert words in capsys.readouterr().err
    assert not case.out.exists()


def test_without_dask_one_process_works_and_several_say_what_to_install(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    assert main(command(case, "--workers", "2")) == 1
    assert "pip install 'edgeneuro[cluster]'" in capsys.readouterr().err
    assert main(command(case)) == 0


def test_a_volume_that_is_none_is_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.volume.rename(case.folder / "elsewhere")
    assert main(command(case)) == 1
    assert "v.zarr: no such file; check the name" in capsys.readouterr().err
