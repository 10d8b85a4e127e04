"""Residual U-Net for neurites, in two or three dimensions: one logit a pixel or voxel.

Source: Çiçek et al. 2016, arXiv:1606.06650, for the shape; He et al. 2016, arXiv:1512.03385, for the blocks; widths and everything
between are ours, after the weakly supervised recogniser of Huang G. H. et al. 2023 (Chinese Bulletin of Life Sciences
35(12):1570), whose network is not published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from edgeneuro.errors import InputError

SLOPE = 0.01
"""Of the leaky ReLU below 0."""
Dimensions = Literal[2, 3]

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_NORM: Mapping[str, Mapping[int, Any]] = {
    "batch": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
    "instance": {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
}


class Residual(nn.Module):
    """Two 3-wide convolutions, each with normalisation and leaky ReLU, beside a shortcut: 1-wide where the widths differ."""

    def __init__(self, inputs: int, outputs: int, dimensions: Dimensions, norm: str) -> None:
        super().__init__()
        conv = _CONVOLUTION[dimensions]
        kind = _NORM[norm][dimensions]
        self.body = nn.Sequential(
            conv(inputs, outputs, 3, padding=1, bias=False),
            kind(outputs, affine=True),
            nn.LeakyReLU(SLOPE),
            conv(outputs, outputs, 3, padding=1, bias=False),
            kind(outputs, affine=True),
            nn.LeakyReLU(SLOPE),
        )
        self.shortcut = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, ...) -> (batch, outputs, ...), the same places."""
        y: Tensor = self.body(x) + self.shortcut(x)
        return y


class ResidualUNet(nn.Module):
    """Encoder of residual blocks and max pooling, decoder of transposed convolutions, skips by concatenation.

    widths: channels of each level, the finest first. flat: pools and grows across the first axis of space not at all on the
    first level, for stacks whose planes lie far apart. Sides must be multiples of 2 ** (levels - 1); the flat axis of half that.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], dimensions: Dimensions, *, norm: str = "batch", flat: bool = False
    ) -> None:
        super().__init__()
        steps: list[Any] = [2] * (len(widths) - 1)
        if flat:
            steps[0] = (1, *[2] * (dimensions - 1))
        self.multiples = tuple(2 ** (len(widths) - 1 - (flat and axis == 0)) for axis in range(dimensions))
        self.down = nn.ModuleList([Residual(i, o, dimensions, norm) for i, o in pairwise((channels, *widths))])
        self.pools = nn.ModuleList([_POOL[dimensions](step) for step in steps])
        upwards = list(pairwise(reversed(widths)))
        self.grow = nn.ModuleList(
            [
                _TRANSPOSED[dimensions](wide, narrow, step, stride=step)
                for (wide, narrow), step in zip(upwards, reversed(steps), strict=True)
            ]
        )
        self.up = nn.ModuleList([Residual(2 * narrow, narrow, dimensions, norm) for _, narrow in upwards])
        self.head = _CONVOLUTION[dimensions](widths[0], 1, 1)
        self.apply(_draw)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, [depth,] height, width) -> logits (batch, 1, [depth,] height, width). Raises InputError for sides that
        do not fit."""
        sides = tuple(image.shape[2:])
        if any(side % multiple for side, multiple in zip(sides, self.multiples, strict=True)):
            raise InputError(
                f"segmentation: got sides {sides}, expected multiples of {self.multiples}; choose another tile"
            )
        skips: list[Tensor] = []
        x = image
        for level, block in enumerate(self.down):
            x = block(self.pools[level - 1](x) if level else x)
            skips.append(x)
        skips.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
        return cast(Tensor, self.head(x))


def _draw(module: nn.Module) -> None:
    """For `nn.Module.apply`: convolutions drawn for the leaky ReLU behind them. Source: He et al. 2015, arXiv:1502.01852."""
    if isinstance(module, (nn.Conv2d, nn.Conv3d)):
        nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")


def residual_unet(
    *,
    dimensions: Dimensions,
    channels: int = 1,
    width: int = 16,
    levels: int = 4,
    norm: str = "batch",
    flat: bool = False,
) -> ResidualUNet:
    """A network for `channels` grey planes or volumes.

    width: channels of the finest level, doubled at each further one; 8 for small devices. levels: the coarsest included. norm:
    "batch" can be folded into the convolutions, "instance" cannot. Raises InputError for other values.
    """
    if width < 1 or not 2 <= levels <= 6 or norm not in _NORM or (flat and dimensions == 2):
        raise InputError(
            f"segmentation: got width {width}, {levels} levels, norm {norm!r} and flat {flat} in {dimensions} dimensions, expected "
            f"a width from 1, 2 to 6 levels, one of {', '.join(_NORM)}, and flat in three dimensions alone"
        )
    return ResidualUNet(channels, [width * 2**level for level in range(levels)], dimensions, norm=norm, flat=flat)


def build_2d(
    *, classes: int = 2, channels: int = 1, width: int = 16, levels: int = 4, norm: str = "batch"
) -> ResidualUNet:
    """The row `segmentation-2d` of the model table; options as of `residual_unet`. Raises InputError unless classes is 2: neurite or not."""
    _two(classes)
    return residual_unet(dimensions=2, channels=channels, width=width, levels=levels, norm=norm)


def build_3d(
    *, classes: int = 2, channels: int = 1, width: int = 16, levels: int = 4, norm: str = "batch", flat: bool = False
) -> ResidualUNet:
    """The row `segmentation-3d` of the model table; options as of `residual_unet`. Raises InputError unless classes is 2."""
    _two(classes)
    return residual_unet(dimensions=3, channels=channels, width=width, levels=levels, norm=norm, flat=flat)


def _two(classes: int) -> None:
    if classes != 2:
        raise InputError(f"segmentation: got {classes} classes, expected 2, background and neurite; merge the others")
