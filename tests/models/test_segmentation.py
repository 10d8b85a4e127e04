from typing import Any

import pytest
import torch

from edgeneuro.errors import InputError
from edgeneuro.models.build import parameters
from edgeneuro.models.segmentation import Dimensions, residual_unet


def macs(network: torch.nn.Module, *sides: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    network = network.to("meta").eval()
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 1, *sides))
    flops: int = counter.get_total_flops()
    return flops // 2


@pytest.mark.parametrize(
    ("dimensions", "options", "params", "sides", "giga_macs"),
    [
        (3, {}, 1_422_785, (64, 64, 64), 14.32),
        (3, {}, 1_422_785, (32, 128, 128), 28.65),
        (3, {"width": 8}, 356_193, (64, 64, 64), 3.61),
        (3, {"levels": 5}, 5_733_441, (64, 64, 64), 15.21),
        (2, {}, 503_969, (256, 256), 2.43),
        (2, {"width": 32}, 2_012_481, (256, 256), 9.69),
    ],
)
def test_parameters_and_operations_are_those_of_the_table(
    dimensions: Dimensions, options: dict[str, Any], params: int, sides: tuple[int, ...], giga_macs: float
) -> None:
    network = residual_unet(dimensions=dimensions, **options)
    assert parameters(network) == params
    assert round(macs(network, *sides) / 1e9, 2) == giga_macs


@pytest.mark.parametrize(("dimensions", "sides"), [(2, (16, 24)), (3, (8, 16, 24))])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@torch.no_grad()
def test_every_place_gets_one_logit(dimensions: Dimensions, sides: tuple[int, ...], norm: str) -> None:
    network = residual_unet(dimensions=dimensions, width=2, norm=norm).eval()
    assert network(torch.zeros(2, 1, *sides)).shape == (2, 1, *sides)


@torch.no_grad()
def test_a_flat_network_takes_half_as_many_planes() -> None:
    network = residual_unet(dimensions=3, width=2, flat=True).eval()
    assert network(torch.zeros(1, 1, 4, 8, 8)).shape == (1, 1, 4, 8, 8)
    with pytest.raises(InputError, match=r"got sides \(2, 8, 8\), expected multiples of \(4, 8, 8\)"):
        network(torch.zeros(1, 1, 2, 8, 8))


def test_sides_that_cannot_be_halved_often_enough_are_refused() -> None:
    with pytest.raises(InputError, match=r"got sides \(20, 16\), expected multiples of \(8, 8\); choose another tile"):
        residual_unet(dimensions=2, width=2)(torch.zeros(1, 1, 20, 16))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"levels": 1}, {"norm": "group"}, {"flat": True}])
def test_options_that_make_no_network_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected a width from 1, 2 to 6 levels"):
        residual_unet(dimensions=2, **wrong)


def test_every_weight_receives_gradient() -> None:
    torch.manual_seed(0)
    network = residual_unet(dimensions=3, width=2, levels=3)
    network(torch.randn(2, 1, 8, 8, 8)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())
