"""What a window about the soma leaves out, on a tree that can be measured by hand."""

import math

import pytest

from edgeneuro.benchmarks.neuron_windows import beyond
from edgeneuro.neuron import APICAL, AXON
from tests.neurons import tree


def test_segments_that_end_beyond_the_window_count_with_their_length() -> None:
    cell = tree([(1, 0, 0, 0, 5, -1), (2, 0, -300, 0, 1, 1), (2, 0, -600, 900, 1, 2), (3, 100, 0, 0, 1, 1)])
    far = math.hypot(300, 900)
    assert beyond(cell, 500) == pytest.approx(far / (300 + far + 100))
    assert beyond(cell, 500, (AXON,)) == pytest.approx(far / (300 + far))
    assert beyond(cell, 600) == 0  # depth, which no picture along z shows, does not count
    assert math.isnan(beyond(cell, 500, (APICAL,)))
