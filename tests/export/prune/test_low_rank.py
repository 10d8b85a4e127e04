"""Two linear layers for a large one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.low_rank import factorise
from edgeneuro.models.build import build_model, multiply_accumulates, parameters
from edgeneuro.models.surgery import Surgery, operate, surgery_of


def layer_of(weight: np.ndarray, *, bias: bool = True) -> nn.Sequential:
    """A network of one linear layer; weight: (outputs, inputs)."""
    torch.manual_seed(0)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
    return nn.Sequential(layer)


def product(network: nn.Sequential) -> np.ndarray:
    """Of the two weights that stand for one."""
    tensors = network.state_dict()
    found: np.ndarray = (tensors["0.1.weight"].double() @ tensors["0.0.weight"].double()).numpy()
    return found


def of_rank(rank: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.normal(size=(40, rank)) @ rng.normal(size=(rank, 60))).astype(np.float32)


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
def test_at_full_energy_a_layer_of_low_rank_stays_the_same_function(bias: bool) -> None:
    network, x = layer_of(of_rank(5), bias=bias), torch.randn(7, 60)
    expected = network(x)
    assert factorise(network, energy=1.0 - 1e-12, smallest=1) == {"0": 5}
    # float32 rounding over 60 terms
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)
    assert parameters(network) == 5 * (40 + 60) + 40 * bias


def test_a_layer_of_full_rank_stays_whole_at_full_energy() -> None:
    network = layer_of(of_rank(40))
    assert factorise(network, energy=1.0, smallest=1) == {}
    assert isinstance(network[0], nn.Linear)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_the_product_is_the_nearest_matrix_of_the_least_rank_that_keeps_the_energy(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    weight = (rng.normal(size=(shape[0], 40)) * np.exp(-np.arange(40) / 8) @ rng.normal(size=(40, shape[1]))).astype(
        "f4"
    )
    network = layer_of(weight)
    (rank,) = factorise(network, energy=0.9, smallest=1).values()
    left, values, right = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    kept = np.cumsum(values**2) / np.sum(values**2)
    assert kept[rank - 2] < 0.9 <= kept[rank - 1]
    np.testing.assert_allclose(product(network), (left[:, :rank] * values[:rank]) @ right[:rank], atol=1e-5)
    lost = np.linalg.norm(product(network) - weight) ** 2
    assert lost == pytest.approx(np.sum(values[rank:] ** 2), rel=1e-4)


def test_only_a_rank_with_fewer_weights_is_taken() -> None:
    # 40 x 60 = 2400 weights are fewer than 24 x (40 + 60), and more than 23 x (40 + 60)
    assert factorise(layer_of(of_rank(24)), energy=1.0 - 1e-12, smallest=1) == {}
    assert factorise(layer_of(of_rank(23)), energy=1.0 - 1e-12, smallest=1) == {"0": 23}


def test_a_layer_of_zeros_has_rank_one_and_finite_weights() -> None:
    network = layer_of(np.zeros((40, 60), np.float32))
    assert factorise(network, energy=0.9, smallest=1) == {"0": 1}
    assert not product(network).any()


def test_dualvgg_s_head_is_divided_and_its_convolutions_are_not() -> None:
    network, fresh = (build_model("myositis-dual", classes=4, channels=3) for _ in range(2))
    convolutions = {name: value.clone() for name, value in network.state_dict().items() if name.startswith("vgg")}
    macs, params = multiply_accumulates(network, 3, 32, 32), parameters(network)
    ranks = factorise(network, energy=0.5)
    assert set(ranks) == {"head.0", "head.2", "head.4"}  # 256 -> 4 classes is small
    sides = {"head.0": (1024, 1024), "head.2": (1024, 512), "head.4": (512, 256)}
    saved = sum(inputs * outputs - ranks[name] * (inputs + outputs) for name, (inputs, outputs) in sides.items())
    assert saved > 0
    assert parameters(network) == params - saved
    assert multiply_accumulates(network, 3, 32, 32) == macs - saved
    assert all(torch.equal(network.state_dict()[name], value) for name, value in convolutions.items())
    record = surgery_of(network, fresh, removed=(), ranks=ranks)
    assert record == Surgery(ranks=ranks)
    operate(fresh, record).load_state_dict(network.state_dict())


def test_small_layers_stay_whole() -> None:
    network = build_model("myositis", classes=4, channels=1)
    assert factorise(network, energy=0.1) == {}


@pytest.mark.parametrize("energy", [0.0, -0.5, 1.01, float("nan")])
def test_an_energy_out_of_range_is_refused(energy: float) -> None:
    with pytest.raises(UsageError, match="expected a share above 0 and at most 1"):
        factorise(layer_of(of_rank(3)), energy=energy)
