"""Layers go back to float, most sensitive first, as few as hold the margin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from edgeneuro.export.gate import parse_margin
from edgeneuro.export.hold_margin import hold_margin
from edgeneuro.export.outcomes import Baseline
from edgeneuro.runtime.backends import Backend
from tests.export.answers import baseline, classifier, dataset

LAYERS = tuple(f"conv {i}" for i in range(21))
POINT = parse_margin("1")


class Engines:
    """Graphs whose first `bad` layers each cost one frame in a hundred while they are in INT8."""

    def __init__(self, base: Baseline, targets: np.ndarray, bad: Sequence[str]) -> None:
        self.base, self.targets, self.bad = base, targets, bad
        self.looked: list[int] = []

    @contextmanager
    def opened(self, kept: tuple[str, ...]) -> Iterator[Mapping[str, Backend]]:
        self.looked.append(len(kept))
        predicted = self.targets.copy()
        for i, layer in enumerate(self.bad):
            if layer not in kept:
                predicted[i::100] = 1 - predicted[i::100]
        yield {} if len(kept) == len(LAYERS) else {"int8.onnx": classifier(predicted)}


def engines(bad: Sequence[str], groups: int = 300) -> Engines:
    targets = np.repeat(np.arange(groups) % 2, 4)
    data = dataset(targets, [f"P{i}" for i in range(groups) for _ in range(4)])
    return Engines(baseline(data, classifier(targets)), targets, bad)


def test_where_all_int8_holds_nothing_goes_back_and_no_layer_is_ranked() -> None:
    def rank() -> Sequence[str]:
        raise AssertionError("ranking layers is work, and nobody needs it")

    held = hold_margin((found := engines(())).opened, rank, found.base, POINT, "balanced_accuracy")
    assert (held.kept_float, held.all_float, found.looked) == ({}, False, [0])
    assert held.history[0].startswith("0 layers back in float: holds; balanced accuracy drops by 0.00 points")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8, 13])
def test_as_few_layers_as_hold_go_back_and_each_says_why(count: int) -> None:
    found = engines(LAYERS[:count])
    held = hold_margin(found.opened, lambda: LAYERS, found.base, POINT, "balanced_accuracy")
    assert tuple(held.kept_float) == LAYERS[:count]
    assert not held.all_float
    first = held.kept_float[LAYERS[0]]
    assert first.startswith(f"sensitivity rank 1 of 21; with {count - 1 or 'none'} of them in float ")
    assert "drops by" in first
    assert len(found.looked) == len(held.history) <= 2 + 2 * 5


def test_where_no_part_of_the_ranking_holds_everything_goes_back() -> None:
    found = engines(LAYERS)
    held = hold_margin(found.opened, lambda: LAYERS, found.base, POINT, "balanced_accuracy")
    assert held.all_float
    assert tuple(held.kept_float) == LAYERS


def test_with_too_few_patients_to_pass_at_all_what_is_seen_has_to_be_inside() -> None:
    """12 patients cannot show a drop below 1 point even for an equal graph; layers that cost frames still go back."""
    found = engines(LAYERS[:2], groups=12)
    held = hold_margin(found.opened, lambda: LAYERS, found.base, parse_margin("2.5"), "balanced_accuracy")
    assert tuple(held.kept_float) == LAYERS[:1], "one layer's one frame in 48 is 2.1 points, two layers' 4.2"
    unharmed = engines((), groups=12)
    assert not hold_margin(unharmed.opened, lambda: LAYERS, unharmed.base, POINT, "balanced_accuracy").kept_float
