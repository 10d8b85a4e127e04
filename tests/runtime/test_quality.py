"""A classifier that rates its frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import BundleError
from edgeneuro.runtime import open_engine, read_bundle
from edgeneuro.runtime.stream import run_sources
from tests.runtime.bundles import SIDE, write_rating_bundle


def test_a_prediction_holds_the_quality_of_its_frame(tmp_path: Path) -> None:
    with open_engine(write_rating_bundle(tmp_path / "e.edge")) as engine:
        assert engine.classify(np.zeros((SIDE, SIDE), np.uint8)).quality == 0.0
        assert engine.classify(np.full((SIDE, SIDE), 255, np.uint8)).quality == pytest.approx(1.0)


def test_a_classifier_that_does_not_rate_has_none(edge: Path) -> None:
    with open_engine(edge) as engine:
        assert engine.classify(np.zeros((SIDE, SIDE), np.uint8)).quality is None


def test_the_line_of_a_frame_has_it_where_there_is_one(tmp_path: Path, edge: Path) -> None:
    np.save(tmp_path / "frame.npy", np.full((SIDE, SIDE), 51, np.uint8))
    for path, expected in ((write_rating_bundle(tmp_path / "e.edge"), pytest.approx(0.2, abs=1e-5)), (edge, None)):
        with open_engine(path) as engine:
            (line,) = (result.to_json() for result in run_sources(engine, [str(tmp_path / "frame.npy")]))
        assert line.get("quality") == expected


def test_a_quality_of_another_shape_is_refused(tmp_path: Path) -> None:
    logits, quality = read_bundle(write_rating_bundle(tmp_path / "e.edge")).manifest.outputs
    with pytest.raises(BundleError, match=r"output quality of shape \[\(2,\)\] a frame"):
        open_engine(write_rating_bundle(tmp_path / "o.edge", outputs=(logits, replace(quality, shape=(-1, 2)))))
