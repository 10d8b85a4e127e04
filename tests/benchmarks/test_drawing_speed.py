"""What reading and drawing is timed on."""

import numpy as np

from edgeneuro.benchmarks.drawing_speed import made_up, timed
from edgeneuro.data.swc import decode_swc


def test_the_made_up_file_is_a_tree_of_so_many_nodes_that_branches() -> None:
    neuron = decode_swc(made_up(500, np.random.default_rng(0)), "large.swc")
    assert len(neuron) == 500 and (neuron.parents == -1).sum() == 1
    assert (np.bincount(neuron.parents[1:]) > 1).sum() > 10


def test_a_step_is_called_with_the_number_of_its_round() -> None:
    numbers: list[int] = []
    assert set(timed(numbers.append)(7)) == {"wall", "processor"} and numbers == [7]
