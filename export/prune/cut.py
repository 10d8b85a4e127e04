"""From a trained network to a smaller one with the weights that stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.models.surgery import Surgery


@dataclass(frozen=True, kw_only=True)
class Cut:
    """network: in evaluation mode; plain layers. surgery: from the builder's network to it. macs, params: before and after.
    widths: layer -> output channels before and after, where they differ."""

    network: nn.Module
    surgery: Surgery
    macs: tuple[int, int]
    params: tuple[int, int]
    widths: dict[str, tuple[int, int]]


def cut(
    network: nn.Module,
    built: nn.Module,
    settings: CutSettings,
    *,
    example: Tensor,
    batches: Iterable[tuple[Tensor, Tensor]] = (),
    surgery: Surgery | None = None,
) -> Cut:
    """Take channels from `network` until at most settings.target_macs of its multiply-accumulates are left.

    network: trained, unchanged. built: fresh from the builder, as `surgery_of` compares with. example: (2, channel, height,
    width) of zeros, the input. batches: images and class numbers of training frames, for importance "taylor" alone. surgery:
    what `network` had gone through before.

    Raises UsageError where the target cannot be reached with these guards and multiples, naming the least that can.
    """
    raise NotImplementedError
