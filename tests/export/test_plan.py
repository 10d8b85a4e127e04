"""Ranges, plans, placement choice and golden outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BundleError
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.forms import form_named
from edgeneuro.export.golden import golden_feeds, pack_golden, tolerance
from edgeneuro.export.graph import convolutions
from edgeneuro.export.placement import Candidate, best_candidate
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.export.source import load_source
from tests.export.conftest import SIDE, Exported


def candidate(name: str, time_ratio: float, error: float) -> Candidate:
    return Candidate(name=name, nodes=(name,), time_ratio=time_ratio, error=error)


def test_plan_survives_its_file(exported: Exported) -> None:
    assert Plan.from_bytes(exported.plan.to_bytes()) == exported.plan


def test_a_cut_off_plan_is_refused(exported: Exported) -> None:
    with pytest.raises(BundleError, match="build the engine again"):
        Plan.from_bytes(exported.plan.to_bytes()[:-20])


def test_plan_has_a_range_for_every_tensor_a_target_may_quantise(exported: Exported) -> None:
    assert set(exported.plan.ranges) == set(tensors_needing_ranges(exported.graph))


def test_candidates_differ_and_keep_the_stem_or_the_depthwise_in_float(exported: Exported) -> None:
    placements = candidate_placements(exported.graph, form_named("onnxruntime-x86-vnni"))
    names = [node.name for node in convolutions(exported.graph.graph)]
    assert len(set(placements.values())) == len(placements) == 12
    assert set(names) <= set(placements["every layer, the rest in float"])
    assert names[0] not in placements["all but the stem, the rest in float"]
    without_depthwise = set(placements["all but depthwise, the rest in float"])
    assert len(without_depthwise & set(names)) == 11  # 5 of 16 are depthwise


def test_the_fully_connected_layer_that_ends_the_network_stays_in_float(exported: Exported) -> None:
    head = [node.name for node in exported.graph.graph.node if node.op_type == "Gemm"][-1]
    for nodes in candidate_placements(exported.graph, form_named("onnxruntime-x86-vnni")).values():
        assert head not in nodes


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


def test_golden_inputs_are_made_up_the_same_every_time_within_the_calibrated_range(checkpoint: Path) -> None:
    model = load_source(str(checkpoint))
    limits = {"image": Range(-1.0, 2.0)}
    first, second = (feed["image"] for feed in golden_feeds(model, limits))
    assert first.shape == (1, 1, SIDE, SIDE) and first.dtype == np.float32
    assert np.array_equal(first, golden_feeds(model, limits)[0]["image"])
    assert -1.0 <= first.min() < first.max() <= 2.0
    assert not np.array_equal(first, second)


def test_golden_file_is_the_same_bytes_for_the_same_arrays() -> None:
    feeds = [{"image": np.ones((1, 1, 4, 4), np.float32)}]
    outputs = {"model.onnx": {"logits": np.zeros((1, 1, 3), np.float32)}}
    assert pack_golden(feeds, outputs) == pack_golden([dict(feeds[0])], outputs)


def test_tolerance_of_int8_is_a_quarter_of_what_quantisation_changed() -> None:
    reference = {"logits": np.array([[2.0, -4.0]], np.float32)}
    assert tolerance(reference, reference) == pytest.approx(1e-3)
    assert tolerance({"logits": np.array([[2.5, -4.0]], np.float32)}, reference) == pytest.approx(0.25 * 0.5 / 4.0)
