"""STANet: depthwise separable and conventional convolutions in turn, with soft-threshold attention.

Follows Tan et al. 2024, doi:10.7507/1001-5515.202301023, whose layer table is not public: every width and
stride here is ours. 503,880 parameters and 81,438,680 multiply-accumulates for one grey 224 x 224 frame.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from edgeneuro.errors import InputError, ShapeError
from edgeneuro.models.soft_threshold import FixedThreshold, SoftThresholdAttention

Attention = Literal["soft-threshold", "fixed", "none"]
Convolutions = Literal["both", "separable", "conventional"]

STEM_WIDTH = 16
BLOCKS = ((24, 2), (48, 2), (88, 2), (88, 1), (176, 2))
"""(channels, stride) of each block."""


def separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """DSC: depthwise 3x3 with the stride, then pointwise 1x1, each with batch norm and ReLU."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
            depthwise_norm=nn.BatchNorm2d(inputs),
            depthwise_relu=nn.ReLU(),
            pointwise=nn.Conv2d(inputs, outputs, 1, bias=False),
            pointwise_norm=nn.BatchNorm2d(outputs),
            pointwise_relu=nn.ReLU(),
        )
    )


def conventional(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """CConv: 3x3 with batch norm and ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            norm=nn.BatchNorm2d(outputs),
            relu=nn.ReLU(),
        )
    )


class ZeroPadShortcut(nn.Module):
    """A block's input brought to the shape of its residual without weights: average pool, then zero channels.

    Source: He et al. 2016, arXiv:1512.03385, option A. How many zeros follows from the residual, not from the layer
    table, so that it also holds once channels are gone from either.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor, channels: int) -> Tensor:
        """(batch, inputs, height, width) -> (batch, channels, ceil(height / stride), ceil(width / stride)).

        Channel i is channel i of x; those behind the last of x are zero. Raises ShapeError where x has more channels.
        """
        if x.shape[1] > channels:
            raise ShapeError(f"shortcut: got {x.shape[1]} channels, expected at most the {channels} of the residual")
        if self.stride > 1:
            odd = bool(x.shape[2] % self.stride or x.shape[3] % self.stride)
            x = F.avg_pool2d(x, self.stride, ceil_mode=odd, count_include_pad=False)
        return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1])) if x.shape[1] < channels else x


class Block(nn.Module):
    """DSC, CConv, attention, then the shortcut: DW3x3-BN-ReLU-PW1x1-BN-ReLU, 3x3-BN, STA, add, ReLU.

    convolutions="separable" puts a second DSC in place of the CConv, "conventional" a second CConv in place
    of the DSC. The layer in front of the attention has no ReLU, so that the threshold sees both signs.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, attention: Attention, convolutions: Convolutions, tau: float
    ) -> None:
        super().__init__()
        first = conventional if convolutions == "conventional" else separable
        second = separable if convolutions == "separable" else conventional
        self.first = first(inputs, outputs, stride)
        self.second = second(outputs, outputs, 1)[:-1]
        self.attention = make_attention(attention, outputs, tau)
        self.removable = stride == 1 and inputs == outputs
        """The input is added as it is, and comes out of a ReLU, so that the block may be left out."""
        self.shortcut = ZeroPadShortcut(stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, ceil(height / stride), ceil(width / stride))."""
        residual: Tensor = self.attention(self.second(self.first(x)))
        return F.relu(residual + (x if self.removable else self.shortcut(x, residual.shape[1])))


def make_attention(attention: Attention, channels: int, tau: float) -> nn.Module:
    """The layer that `attention` names. Raises InputError for an unknown name."""
    match attention:
        case "soft-threshold":
            return SoftThresholdAttention(channels)
        case "fixed":
            return FixedThreshold(tau)
        case "none":
            return nn.Identity()
    raise InputError(f"STANet attention {attention!r}: is not known; expected soft-threshold, fixed or none")


class STANet(nn.Module):
    """Stem, five blocks, global average pool, one fully connected layer."""

    def __init__(
        self,
        *,
        classes: int,
        channels: int = 1,
        attention: Attention = "soft-threshold",
        convolutions: Convolutions = "both",
        tau: float = 0.1,
    ) -> None:
        super().__init__()
        if convolutions not in ("both", "separable", "conventional"):
            raise InputError(
                f"STANet convolutions {convolutions!r}: is not known; expected both, separable or conventional"
            )
        self.stem = conventional(channels, STEM_WIDTH, stride=2)
        widths = (STEM_WIDTH, *(width for width, _ in BLOCKS))
        self.blocks = nn.Sequential(
            *(
                Block(inputs, outputs, stride, attention, convolutions, tau)
                for inputs, (outputs, stride) in zip(widths, BLOCKS, strict=False)
            )
        )
        self.classifier = nn.Linear(widths[-1], classes)
        self.apply(init_convolution)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        features: Tensor = self.blocks(self.stem(image))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def init_convolution(module: nn.Module) -> None:
    """He initialisation over the outputs, for a network of ReLUs."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def build(
    *,
    classes: int,
    channels: int = 1,
    attention: Attention = "soft-threshold",
    convolutions: Convolutions = "both",
    tau: float = 0.1,
) -> STANet:
    """The row `myositis` of the model table.

    attention: "soft-threshold"; ablations "fixed" (threshold tau everywhere) and "none".
    convolutions: "both"; ablations "separable" and "conventional". Raises InputError for other values.
    """
    return STANet(classes=classes, channels=channels, attention=attention, convolutions=convolutions, tau=tau)
