from typing import TypeVar

import pytest
import torch
from torch import nn

from edgeneuro.errors import InputError
from edgeneuro.models.build import build_model, multiply_accumulates, parameters
from edgeneuro.models.skin import SAME, SiameseNet, build

Network = TypeVar("Network", bound=nn.Module)


def settled(network: Network) -> Network:
    """In evaluation mode, with statistics of one batch, or the signal of fresh weights vanishes on the way."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    images = torch.randn(4, 3, 64, 64)
    network.train()(*([images, images] if isinstance(network, SiameseNet) else [images]))
    return network.eval()


def siamese(*, shared: bool = False) -> SiameseNet:
    torch.manual_seed(0)
    return SiameseNet(build(classes=7), None if shared else build(classes=7))


def test_parameters_are_those_of_the_layer_table() -> None:
    whole = siamese()
    parts = (whole.extractor, whole.branch(1), whole.branch(2), whole.discriminator)
    assert [parameters(part) for part in parts] == [26_176, 155_047, 155_047, 98_690]
    assert parameters(whole) == 434_960
    assert parameters(whole.keep(1)) == parameters(build(classes=7)) == 181_223
    assert parameters(siamese(shared=True)) == 434_960 - 155_047


def test_one_image_costs_the_table_s_63_24_million_and_a_classifier_at_every_place() -> None:
    network = build(classes=7)
    at_every_place = 7 * 256 * (7 * 7 - 1)
    assert multiply_accumulates(network, 3, 224, 224) == 63_236_096 + at_every_place
    assert multiply_accumulates(network.extractor, 3, 224, 224) == 48_796_160


def test_the_network_in_training_is_extractor_twice_two_branches_and_discriminator() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    whole = siamese().to("meta").eval()
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        first, second = whole(torch.empty(1, 3, 224, 224), torch.empty(1, 3, 224, 224))
        whole.same(first.vector, second.vector)
    discriminator = 768 * 128 + 128 * 2
    assert counter.get_total_flops() // 2 == 2 * 63_322_112 + discriminator


@pytest.mark.parametrize(("depth", "places", "width"), [(5, 2, 256), (2, 4, 128), (0, 8, 96)])
@torch.no_grad()
def test_the_mean_of_a_class_map_and_the_bias_are_the_logit(depth: int, places: int, width: int) -> None:
    torch.manual_seed(0)
    network = settled(build(classes=7, branch_depth=depth))
    assert network.branch.classifier.in_channels == width
    network.bias.copy_(torch.linspace(-1, 1, 7))
    images = torch.randn(2, 3, 64, 64)
    maps, logits = network.class_maps(images), network(images)
    assert maps.shape == (2, 7, places, places) and maps.min() < 0
    torch.testing.assert_close(maps.mean((2, 3)) + network.bias, logits)
    assert not torch.allclose(maps.mean((2, 3)), logits)


@torch.no_grad()
def test_the_logits_are_those_of_pooling_and_a_fully_connected_layer() -> None:
    """The same weights the other way round: averaging first. Sums in another order, float32."""
    network = settled(build(classes=7))
    images = torch.randn(2, 3, 64, 64)
    pooled = network.branch.features(network.extractor(images)).mean((2, 3))
    expected = nn.functional.linear(pooled, network.branch.classifier.weight.flatten(1), network.bias)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


def test_a_branch_of_depth_0_is_a_fully_connected_layer_alone() -> None:
    network = build(classes=7, branch_depth=0)
    assert parameters(network) == 26_176 + 96 * 7 + 7


@pytest.mark.parametrize("depth", [-1, 6, 2.0, True])
def test_a_depth_that_is_none_is_refused(depth: int) -> None:
    with pytest.raises(InputError, match=r"got branch_depth .*, expected a whole number from 0 to 5"):
        build_model("skin", classes=7, channels=3, branch_depth=depth)


@torch.no_grad()
def test_each_kept_branch_gives_the_logits_it_gave_in_the_pair() -> None:
    whole = settled(siamese())
    image, partner = torch.randn(2, 3, 3, 64, 64)
    first, second = whole(image, partner)
    torch.testing.assert_close(whole.keep(1)(image), first.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole.keep(2)(partner), second.logits, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(whole.keep(2)(image), first.logits)


@torch.no_grad()
def test_both_branches_see_the_same_images_where_that_is_asked() -> None:
    whole = settled(siamese())
    images = torch.randn(3, 3, 64, 64)
    for one, other in zip(whole.both(images), whole(images, images), strict=True):
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.vector, other.vector, rtol=1e-4, atol=1e-5)


def test_a_kept_branch_is_a_copy() -> None:
    whole = siamese()
    with torch.no_grad():
        whole.keep(1).branch.classifier.weight.zero_()
    assert whole.branch(1).classifier.weight.any()


def test_shared_branches_are_one_and_others_two() -> None:
    shared, apart = siamese(shared=True), siamese()
    assert shared.branch(1) is shared.branch(2) and apart.branch(1) is not apart.branch(2)
    assert not torch.equal(apart.branch(1).classifier.weight, apart.branch(2).classifier.weight)


@torch.no_grad()
def test_the_discriminator_sees_both_vectors_and_their_distance() -> None:
    """Weights that count 1 for each value of the first vector, 10 for the second, 100 for the distance."""
    whole = siamese()
    first, _, last = whole.discriminator
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    first.weight.copy_(torch.tensor([1.0, 10.0, 100.0]).repeat_interleave(256).expand(128, -1))
    last.weight.copy_(torch.tensor([[0.0], [1.0]]).expand(2, 128) / (256 * 128))
    first.bias.zero_(), last.bias.zero_()
    one, two = torch.full((1, 256), 3.0), torch.full((1, 256), 5.0)
    assert whole.same(one, two)[0].tolist() == pytest.approx([0.0, 3 + 50 + 200])
    assert whole.same(two, one)[0, SAME] == pytest.approx(5 + 30 + 200)


def test_every_weight_of_the_network_in_training_receives_gradient() -> None:
    whole = siamese().train()
    image, partner = torch.randn(2, 4, 3, 64, 64)
    first, second = whole(image, partner)
    outputs = [first.logits, second.logits, whole.same(first.vector, second.vector)]
    torch.cat(outputs, 1).square().sum().backward()  # type: ignore[no-untyped-call]
    assert [name for name, weight in whole.named_parameters() if weight.grad is None or not weight.grad.any()] == []
