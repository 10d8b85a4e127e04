"""Decoders of recordings: their published sizes, and where each neuron goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeneuro.errors import InputError
from edgeneuro.models.build import parameters
from edgeneuro.models.v1 import (
    PLANES,
    SIDE,
    Decoder,
    Grid,
    build_cnn2d,
    build_cnn3d,
    build_mlp,
    grid_table,
)


def macs(network: Decoder, neurons: int) -> int:
    """Counted from shapes alone."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta").eval()(torch.empty(1, neurons))
    return int(counter.get_total_flops()) // 2


def test_the_fully_connected_network_has_the_published_size() -> None:
    with torch.device("meta"):
        whole, reduced = build_mlp(classes=16, neurons=10_000), build_mlp(classes=16, neurons=100)
    assert parameters(whole) == 235_341_200 and parameters(reduced) == 73_139_600
    assert macs(whole, 10_000) == 235_276_288


def test_principal_components_in_front_make_it_small_and_are_not_trained() -> None:
    with torch.device("meta"):
        network = build_mlp(classes=16, neurons=10_000, widths=(512, 128), components=256)
    assert parameters(network) == 2_760_592 and macs(network, 10_000) == 2_758_656
    assert [name for name, weight in network.named_parameters() if not weight.requires_grad] == ["body.0.weight"]


@pytest.mark.parametrize(("build", "params", "mmacs"), [(build_cnn2d, 360_112, 47.14), (build_cnn3d, 334_112, 227.47)])
def test_the_convolutional_networks_have_the_size_of_their_page(build: object, params: int, mmacs: float) -> None:
    network = build(classes=16, neurons=500, most=2)  # type: ignore[operator]
    assert parameters(network) == params
    assert round(macs(network, 500) / 1e6, 2) == mmacs


def test_every_neuron_is_summed_into_the_cell_it_lies_in() -> None:
    positions = np.array([[0.0, 0.0, 35.0], [15.9, 15.9, 35.0], [16.0, 0.0, 35.0], [40.0, 990.0, 70.0]])
    table = grid_table(positions)
    assert table.shape == (PLANES * SIDE * SIDE, 2)
    grid = Grid(4, 2)
    grid.table = torch.from_numpy(table)
    volume = grid(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))[0]
    assert volume.shape == (PLANES, SIDE, SIDE)
    assert volume[0, 0, 0] == 11.0 and volume[0, 0, 1] == 100.0 and volume[1, 61, 2] == 1000.0
    assert volume.sum() == 1111.0


def test_cells_at_the_far_edge_fall_into_the_last_square() -> None:
    table = grid_table(np.array([[0.0, 0.0, 0.0], [1010.0, 1010.0, 0.0]]))
    assert np.flatnonzero((table != 2).any(1)).tolist() == [0, SIDE * SIDE - 1]


def test_positions_that_cannot_be_micrometres_or_planes_are_refused() -> None:
    with pytest.raises(InputError, match="at 12 depths"):
        grid_table(np.column_stack([np.zeros((12, 2)), np.arange(12.0)]))
    with pytest.raises(InputError, match="field of view"):
        grid_table(np.array([[0.0, 0.0, 0.0], [5e3, 0.0, 0.0]]))


def test_what_responses_are_normalised_by_is_part_of_the_network() -> None:
    network = build_mlp(classes=2, neurons=3, widths=(4,)).eval()
    responses = torch.tensor([[1.0, 2.0, 3.0]])
    expected = network(responses)
    network.standardise.mean, network.standardise.deviation = torch.tensor([5.0, 6.0, 7.0]), torch.full((3,), 2.0)
    torch.testing.assert_close(network(2 * responses + torch.tensor([5.0, 6.0, 7.0])), expected)
    assert {"standardise.mean", "standardise.deviation"} <= network.state_dict().keys()


@pytest.mark.parametrize("build", [build_cnn2d, build_cnn3d])
def test_convolutional_decoders_answer_every_trial_of_a_batch_by_itself(build: object) -> None:
    network = build(classes=3, neurons=6, most=1).eval()  # type: ignore[operator]
    network.body[0].table[:6, 0] = torch.arange(6)
    trials = torch.randn(4, 6)
    with torch.no_grad():
        together = network(trials)
        torch.testing.assert_close(together[2], network(trials[2:3])[0], rtol=1e-4, atol=1e-5)
    assert together.shape == (4, 3)


@pytest.mark.parametrize(
    "sizes",
    [{"classes": 1, "neurons": 3}, {"classes": 2, "neurons": 0}, {"classes": 2, "neurons": 3, "widths": (4, 0)}],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected two classes"):
        build_mlp(**sizes)  # type: ignore[arg-type]
