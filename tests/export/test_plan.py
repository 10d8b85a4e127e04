"""Ranges, plans, placement choice and golden outputs."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BundleError
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.forms import form_named
from edgeneuro.export.golden import golden_frames, pack_golden, tolerance
from edgeneuro.export.graph import convolutions
from edgeneuro.export.placement import Candidate, best_candidate
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.preprocess import Preprocess
from tests.export.conftest import Exported


def candidate(name: str, time_ratio: float, error: float) -> Candidate:
    return Candidate(name=name, nodes=(name,), time_ratio=time_ratio, error=error)


def test_plan_survives_its_file(exported: Exported) -> None:
    assert Plan.from_bytes(exported.plan.to_bytes()) == exported.plan


def test_a_cut_off_plan_is_refused(exported: Exported) -> None:
    with pytest.raises(BundleError, match="build the engine again"):
        Plan.from_bytes(exported.plan.to_bytes()[:-20])


def test_plan_has_a_range_for_every_tensor_a_target_may_quantise(exported: Exported) -> None:
    assert set(exported.plan.ranges) == set(tensors_needing_ranges(exported.graph))


def test_input_range_is_the_mean_over_frames_of_smallest_and_largest_value(exported: Exported) -> None:
    found = exported.plan.ranges["image"]
    lows, highs = exported.frames.min(axis=(1, 2, 3)), exported.frames.max(axis=(1, 2, 3))
    step = float(highs.max() - lows.min()) / 255  # NNCF moves the ends by at most a step so that 0 is exact
    assert found.low == pytest.approx(float(lows.mean()), abs=step)
    assert found.high == pytest.approx(float(highs.mean()), abs=step)


def test_candidates_differ_and_keep_the_stem_or_the_depthwise_in_float(exported: Exported) -> None:
    placements = candidate_placements(exported.graph, form_named("onnxruntime-x86-vnni"))
    names = [node.name for node in convolutions(exported.graph.graph)]
    assert len(set(placements.values())) == len(placements) == 8
    assert set(names) == set(placements["every convolution, the rest in float"])
    assert names[0] not in placements["all but the stem, the rest in float"]
    assert len(placements["all but depthwise, the rest in float"]) == 11  # 5 of 16 are depthwise


def test_the_fastest_placement_wins() -> None:
    best = best_candidate([candidate("a", 0.9, 0.0), candidate("b", 0.5, 0.1)])
    assert best is not None and best.name == "b"


def test_of_equally_fast_placements_the_more_exact_wins() -> None:
    best = best_candidate([candidate("fast", 0.50, 0.2), candidate("exact", 0.52, 0.1), candidate("slow", 0.9, 0.0)])
    assert best is not None and best.name == "exact"


def test_int8_that_is_slower_than_float_is_not_chosen() -> None:
    assert best_candidate([candidate("slow", 1.01, 0.0)]) is None
    assert best_candidate([]) is None


def test_a_tie_never_admits_a_placement_slower_than_float() -> None:
    best = best_candidate([candidate("faster", 0.99, 0.5), candidate("slower", 1.02, 0.0)])
    assert best is not None and best.name == "faster"


def test_golden_frames_are_made_up_the_same_every_time_within_the_calibrated_range() -> None:
    preprocess = Preprocess(height=48, width=40, mean=(0.3,), std=(0.2,))
    limits = Range(-1.0, 2.0)
    frames = golden_frames(preprocess, limits)
    assert frames.shape == (2, 1, 48, 40) and frames.dtype == np.float32
    assert np.array_equal(frames, golden_frames(preprocess, limits))
    assert limits.low <= frames.min() < frames.max() <= limits.high
    assert not np.array_equal(frames[0], frames[1])


def test_golden_file_is_the_same_bytes_for_the_same_arrays() -> None:
    frames = np.ones((1, 1, 4, 4), np.float32)
    outputs = {"model.onnx": {"logits": np.zeros((1, 3), np.float32)}}
    assert pack_golden(frames, outputs) == pack_golden(frames.copy(), outputs)


def test_tolerance_of_int8_is_a_quarter_of_what_quantisation_changed() -> None:
    reference = {"logits": np.array([[2.0, -4.0]], np.float32)}
    assert tolerance(reference, reference) == pytest.approx(4e-3)
    assert tolerance({"logits": np.array([[2.5, -4.1]], np.float32)}, reference) == pytest.approx(0.125)
