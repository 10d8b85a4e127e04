import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from edgeneuro.training.tube_losses import centreline_loss, dice_loss, mask_loss, soft_skeleton, voxel_loss
from edgeneuro.volume import IGNORE

SURE = 40.0
"""Of a logit: probability 1 in float32."""


def row(*values: float) -> Tensor:
    """(1, 1, 1, place)"""
    return torch.tensor(values).reshape(1, 1, 1, -1)


def test_voxel_loss_weighs_foreground_five_times() -> None:
    logits, labels = row(0.0, 1.0), row(0, 1)
    by_hand = (math.log(2.0) + 5.0 * math.log(1.0 + math.exp(-1.0))) / 6.0
    assert float(voxel_loss(logits, labels, torch.ones(1, 1, 1, 2))) == pytest.approx(by_hand)


def test_voxel_loss_counts_a_doubtful_source_less() -> None:
    logits, labels, weights = row(0.0, 2.0), row(0, 0), row(1.0, 0.5)
    by_hand = (math.log(2.0) + 0.5 * math.log(1.0 + math.exp(2.0))) / 1.5
    assert float(voxel_loss(logits, labels, weights)) == pytest.approx(by_hand)


def test_dice_loss_is_that_of_squared_probabilities() -> None:
    logits, labels = row(0.0, math.log(3.0)), row(0, 1)  # probabilities 0.5, 0.75
    by_hand = 1.0 - (2.0 * 0.75 + 1.0) / (0.25 + 0.5625 + 1.0 + 1.0)
    assert float(dice_loss(logits, labels)) == pytest.approx(by_hand)


@pytest.mark.parametrize("loss", ["voxel", "dice", "centreline"])
def test_what_nobody_knows_changes_nothing(loss: str) -> None:
    known = row(0, 1, 1, 0, IGNORE, IGNORE)
    one, other = row(-1.0, 2.0, 1.0, 0.5, 9.0, -9.0), row(-1.0, 2.0, 1.0, 0.5, -9.0, 9.0)
    losses: dict[str, Callable[[Tensor], Tensor]] = {
        "voxel": lambda logits: voxel_loss(logits, known, torch.ones_like(logits)),
        "dice": lambda logits: dice_loss(logits, known),
        "centreline": lambda logits: centreline_loss(logits, known),
    }
    value = losses[loss]
    assert torch.equal(value(one), value(other))


def test_a_block_without_a_known_place_costs_nothing_and_has_no_slope() -> None:
    logits = row(3.0, -2.0).requires_grad_()
    labels = row(IGNORE, IGNORE)
    loss = mask_loss(logits, labels, torch.ones(1, 1, 1, 2))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0.0) and logits.grad is not None and not logits.grad.any()


def test_a_perfect_answer_costs_next_to_nothing() -> None:
    labels = (torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    logits = SURE * (2 * labels - 1)
    assert float(mask_loss(logits, labels, torch.ones_like(labels))) < 1e-6


def test_the_skeleton_of_a_bar_is_its_middle_line() -> None:
    bar = torch.zeros(1, 1, 5, 9)
    bar[..., 1:4, :] = 1.0
    middle = torch.zeros(5, 5, dtype=torch.bool)
    middle[2] = True
    assert torch.equal(soft_skeleton(bar)[0, 0, :, 2:7] > 0.5, middle)


def test_the_skeleton_of_a_rod_is_its_axis() -> None:
    rod = torch.zeros(1, 1, 5, 5, 9)
    rod[..., 1:4, 1:4, :] = 1.0
    axis = torch.zeros(5, 5, 5, dtype=torch.bool)
    axis[2, 2] = True
    assert torch.equal(soft_skeleton(rod)[0, 0, ..., 2:7] > 0.5, axis)


def test_a_gap_in_a_thin_line_costs_more_by_centreline_than_a_rim_that_is_too_wide() -> None:
    labels = torch.zeros(1, 1, 9, 21)
    labels[..., 3:6, :] = 1.0
    gap, wide = labels.clone(), labels.clone()
    gap[..., 8:13] = 0.0
    wide[..., 2:7, :] = 1.0
    by_gap, by_width = (float(centreline_loss(SURE * (2 * mask - 1), labels)) for mask in (gap, wide))
    assert by_gap > 0.05 > by_width
