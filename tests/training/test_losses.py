import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from edgeneuro.models.skin import DIFFERENT, SAME, SiameseNet, build
from edgeneuro.training.losses import discriminator_loss, focal_loss, total_loss
from edgeneuro.training.settings import SiameseSettings

EVEN = torch.ones(2)


def logits_of(*probabilities: float) -> torch.Tensor:
    """(batch, 2): the first class has this probability."""
    p = torch.tensor(probabilities, dtype=torch.float64)
    return torch.stack([p, 1 - p], 1).log().float()


def test_the_focal_loss_of_one_frame_worked_out_by_hand() -> None:
    """p = 0.8 of the true class: 0.2^2 * -log 0.8 = 0.04 * 0.22314."""
    loss = focal_loss(logits_of(0.8), torch.tensor([0]), 2.0, EVEN)
    assert float(loss) == pytest.approx(0.04 * -math.log(0.8), rel=1e-5)
    assert float(loss) == pytest.approx(0.0089257, rel=1e-4)


def test_alpha_weighs_classes_and_the_loss_is_a_weighted_mean() -> None:
    alpha = torch.tensor([1.0, 3.0])
    loss = focal_loss(logits_of(0.8, 0.4), torch.tensor([0, 1]), 1.0, alpha)
    easy, hard = 0.2 * -math.log(0.8), 0.4 * -math.log(0.6)
    assert float(loss) == pytest.approx((1 * easy + 3 * hard) / 4, rel=1e-5)


def test_gamma_0_is_cross_entropy_to_the_bit_with_its_gradient() -> None:
    torch.manual_seed(0)
    targets, alpha = torch.randint(0, 7, (32,)), torch.rand(7) + 0.1
    one, two = (torch.randn(32, 7, generator=torch.Generator().manual_seed(1)).mul_(20) for _ in range(2))
    losses = [
        focal_loss(one.requires_grad_(), targets, 0.0, alpha),
        F.cross_entropy(two.requires_grad_(), targets, weight=alpha),
    ]
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(*losses)
    assert one.grad is not None and two.grad is not None and torch.equal(one.grad, two.grad)
    assert not torch.equal(focal_loss(one, targets, 0.5, alpha), losses[1])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_a_frame_of_which_the_network_is_certain_leaves_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0, 0]), gamma, EVEN).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_the_larger_gamma_the_less_easy_frames_count() -> None:
    targets = torch.tensor([0])
    ratios = [
        float(focal_loss(logits_of(0.9), targets, gamma, EVEN) / focal_loss(logits_of(0.3), targets, gamma, EVEN))
        for gamma in (0.0, 1.0, 2.0)
    ]
    assert ratios[0] > ratios[1] > ratios[2]
    assert ratios[2] / ratios[0] == pytest.approx((0.1 / 0.7) ** 2, rel=1e-4)


def test_the_discriminators_loss_is_low_where_it_answers_right() -> None:
    sure_same = torch.zeros(1, 2)
    sure_same[0, SAME], sure_same[0, DIFFERENT] = 3.0, -3.0
    assert float(discriminator_loss(sure_same, torch.tensor([True]))) == pytest.approx(
        math.log(1 + math.exp(-6)), rel=1e-4
    )
    assert float(discriminator_loss(sure_same, torch.tensor([False]))) == pytest.approx(6 + math.log(1 + math.exp(-6)))


def test_the_total_is_a_weighted_sum() -> None:
    settings = SiameseSettings(first_weight=2.0, second_weight=3.0, discriminator_weight=5.0)
    first, second, discriminator = torch.tensor([0.1, 0.2, 0.3])
    assert float(total_loss(first, second, discriminator, settings)) == pytest.approx(2 * 0.1 + 3 * 0.2 + 5 * 0.3)


@pytest.mark.parametrize(
    ("weights", "learning"),
    [
        ({"first_weight": 1, "second_weight": 0, "discriminator_weight": 0}, {"extractor", "branches.0"}),
        ({"first_weight": 0, "second_weight": 1, "discriminator_weight": 0}, {"extractor", "branches.1"}),
        (
            {"first_weight": 1, "second_weight": 0, "discriminator_weight": 1},
            {"extractor", "branches.0", "branches.1", "discriminator"},
        ),
    ],
)
def test_what_has_no_weight_in_the_loss_gets_no_gradient(weights: dict[str, Any], learning: set[str]) -> None:
    torch.manual_seed(0)
    network = SiameseNet(build(classes=2), build(classes=2)).train()
    targets, partners = torch.tensor([0, 1]), torch.tensor([0, 0])
    first, second = network(torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64))
    total_loss(
        focal_loss(first.logits, targets, 2.0, EVEN),
        focal_loss(second.logits, partners, 2.0, EVEN),
        discriminator_loss(network.same(first.vector, second.vector), targets == partners),
        SiameseSettings(**weights),
    ).backward()  # type: ignore[no-untyped-call]
    moved = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert {
        part
        for part in ("extractor", "branches.0", "branches.1", "discriminator")
        if any(name.startswith(part) for name in moved)
    } == learning
