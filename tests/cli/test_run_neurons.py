"""edgeneuro run on SWC files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.data.swc import read_swc
from edgeneuro.drawing import Drawing
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import open_engine
from tests.cli.conftest import Validate
from tests.neurons import PYRAMID, swc, write_neurons
from tests.runtime.bundles import SIDE, tiny_manifest, write_bundle

DRAWING = Drawing(variant="raw", side_px=64)


@pytest.fixture
def looking(tmp_path: Path) -> Path:
    """A tiny engine that looks at neurons; their pictures are dark for it."""
    preprocess = Preprocess(height=SIDE, width=SIDE, drawing=DRAWING)
    return write_bundle(tmp_path / "neurons.edge", tiny_manifest(model="morphology", preprocess=preprocess))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """cells/a2.swc, cells/a10.swc and a file that is neither neuron nor frame."""
    write_neurons(tmp_path / "cells", ["a10.swc", "a2.swc"])
    (tmp_path / "cells" / "notes.txt").write_text("cut at layer 1")
    return tmp_path / "cells"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_files_folders_and_patterns_of_neurons_become_json_lines(
    looking: Path, cells: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    sources = [str(cells / "a10.swc"), str(cells), str(cells / "*1*.swc")]
    assert main(["run", str(looking), *sources, "--json"]) == 0
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert [Path(str(line["source"])).name for line in got] == ["a10.swc", "a2.swc", "a10.swc", "a10.swc"]
    assert {line["class"] for line in got} == {"dark"} and all(line["error"] is None for line in got)


def test_the_answer_is_that_of_the_picture_and_drawing_it_counts_as_preprocessing(looking: Path, cells: Path) -> None:
    neuron = read_swc(cells / "a2.swc")
    with open_engine(looking) as engine:
        np.testing.assert_array_equal(engine.picture(neuron), DRAWING(neuron))
        drawn, plain = engine.classify(neuron), engine.classify(DRAWING(neuron))
    assert drawn.probabilities == plain.probabilities
    assert drawn.ms["preprocess"] > plain.ms["preprocess"]


def test_broken_neurons_are_told_in_their_lines_and_the_rest_goes_on(
    looking: Path, cells: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    (cells / "a2.swc").write_bytes(swc([*PYRAMID, (3, 0, 0, 0, 1, 9)]))
    (cells / "a3.swc").write_bytes(b"")
    assert main(["run", str(looking), str(cells), "--json"]) == 1
    got = lines(capsys)
    for line in got:
        validate("run", line)
    assert str(got[0]["error"]).endswith(
        "a2.swc: line 10 is its own parent, expected a tree; correct the parent of one of them"
    )
    assert "a3.swc: holds 0 nodes" in str(got[1]["error"]) and got[2]["class"] == "dark"
    assert main(["run", str(looking), str(cells)]) == 1
    assert "a2.swc: error: line 10 is its own parent" in capsys.readouterr().out


def test_without_morphio_each_neuron_names_the_extra(
    looking: Path, cells: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "morphio", None)
    assert main(["run", str(looking), str(cells / "a2.swc")]) == 1
    assert "SWC is read with MorphIO; run: pip install 'edgeneuro[morphology]'" in capsys.readouterr().out


def test_an_engine_that_looks_at_frames_refuses_a_neuron_and_passes_by_those_in_a_folder(
    edge: Path, cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(edge), str(cells / "a2.swc"), "--json"]) == 1
    (line,) = lines(capsys)
    assert "got a neuron, myositis was trained on something else" in str(line["error"])
    cv2.imwrite(str(cells / "a.png"), np.zeros((40, 48), np.uint8))
    assert main(["run", str(edge), str(cells), "--json"]) == 0
    assert [Path(str(line["source"])).name for line in lines(capsys)] == ["a.png"]


def test_the_overlay_shows_what_the_network_saw_beside_the_whole_neuron(
    looking: Path, cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    out = tmp_path / "pictures"
    command = ["run", str(looking), str(cells / "a2.swc"), "--overlay", str(out), "--json"]
    assert main(command) == 0
    (line,) = lines(capsys)
    validate("run", line)
    assert line["overlay"] == str(out / "a2.png")
    picture = cv2.imread(str(out / "a2.png"))
    assert picture is not None
    neuron, side = read_swc(cells / "a2.swc"), 320
    seen = np.repeat(np.repeat(DRAWING(neuron), 5, axis=0), 5, axis=1)
    np.testing.assert_array_equal(picture[:side, :side, ::-1], seen)
    whole = Drawing(variant="raw", view="rgb", side_px=side)(neuron)
    np.testing.assert_array_equal(picture[:side, -side:, ::-1], whole)
    assert picture.shape[0] > side + 100  # the caption


def test_a_frame_for_such_an_engine_is_shown_alone_above_its_caption(
    looking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "drawn.png"), np.full((320, 320), 30, np.uint8))
    assert main(["run", str(looking), str(tmp_path / "drawn.png"), "--overlay", str(tmp_path / "o"), "--json"]) == 0
    picture = cv2.imread(str(tmp_path / "o" / "drawn.png"))
    assert picture is not None and picture.shape[1] == 320 and (picture[:320] == 30).all()
