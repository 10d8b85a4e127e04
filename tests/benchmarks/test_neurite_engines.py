"""The table of what INT8 costs where neurites are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks import neurite_engines
from edgeneuro.benchmarks.neurite_engines import REFERENCE, built, row, write_engines
from edgeneuro.benchmarks.neurite_scoring import MEASURES
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import GateError, UsageError
from edgeneuro.export import build as building
from edgeneuro.export.build import BuildSettings
from edgeneuro.runtime import read_bundle
from edgeneuro.spec import Array
from tests.export.neurite_nets import lines
from tests.runtime.tiled_bundles import write_tiled_bundle


def counts(right: float) -> dict[str, Array]:
    """Of four frames alike: `right` of ten voxels, or points, both ways."""
    return {measure: np.tile([right, 10.0, right, 10.0], (4, 1)) for measure in MEASURES}


def test_what_int8_loses_is_negative_and_the_float_graph_is_compared_with_nothing() -> None:
    groups = ["a", "a", "b", "b"]
    reference = row(REFERENCE, counts(8), counts(8), groups)
    assert reference["dice"] == reference["recall 2"] == "80.0 [80.0, 80.0]"
    assert not [key for key in reference if key.endswith("minus")]
    int8 = row("int8 openvino", counts(7), counts(8), groups)
    assert int8["voxels minus"] == int8["recall 4 minus"] == "-10.00 [-10.00, -10.00]"
    assert int8["dice_minus"].startswith("-10.0 [")


def test_the_graphs_of_an_engine_are_run_on_whole_frames_that_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = write_tiled_bundle(tmp_path / "mean.edge", (16, 16), threshold=0.25), lines(2)
    bundle = read_bundle(path)
    knowing = replace(bundle, manifest=replace(bundle.manifest, split=make_split(data)))
    monkeypatch.setattr(neurite_engines, "read_bundle", lambda _: knowing)
    assert built(tmp_path / "mean", data, "1", threads=1) == (path, "built before, without a gate of ours")
    write_engines(path, "pass, 1", data, threads=1, results=tmp_path)
    written = json.loads((tmp_path / "neurite_engines_lines.json").read_text())
    (only,) = written["rows"]
    assert only["title"] == REFERENCE and float(only["recall 2"].split()[0]) > 95
    assert "; 2 frames in 2 groups" in written["context"]["data"] and written["context"]["gate"] == "pass, 1"


def test_an_engine_that_does_not_say_what_it_has_seen_is_refused(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "mean.edge", (16, 16))
    with pytest.raises(UsageError, match=r"mean\.edge: does not say what it has seen"):
        write_engines(path, "", lines(2), threads=1, results=tmp_path)


def test_an_engine_that_the_gate_refuses_is_built_all_the_same_and_the_reason_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def refusing(_: str, out: Path, *, settings: BuildSettings, **__: object) -> None:
        asked.append(settings.margin is not None)
        if settings.margin is not None:
            raise GateError("net.edge: loses 3 points")
        out.write_bytes(b"")

    monkeypatch.setattr(building, "build_engine", refusing)
    for _ in range(2):
        assert built(tmp_path / "net", lines(2), "1", threads=1)[1] == "refused: net.edge: loses 3 points"
    assert asked == [True, False]
