"""Siamese skin-lesion recogniser: trained on pairs of images by two branches over one extractor, deployed with one of them.

Source: Ding, Xu, Gao and Cao, Chinese patent application of the Harbin Institute of Technology Wuhu Robot Industry
Technology Research Institute, 2021: extractor, two branches, a discriminator over both pooled vectors, the better branch
kept, class activation maps. All sizes are ours. With 7 classes, 434,960 parameters in training and 181,223 deployed.

A 3 x 224 x 224 image costs 63,322,112 multiply-accumulates. That is 86,016 more than with a fully connected layer behind
the pooling, because the classifier is a 1x1 convolution in front of it, over all 7 x 7 places: both give the same logits,
since averaging and a linear map commute, and the convolution's outputs are the class activation maps.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from edgeneuro.errors import InputError
from edgeneuro.models.layers import conv_bn

STEM_WIDTH = 16
EXTRACTOR = ((32, 1), (64, 2), (64, 1), (96, 2), (96, 1))
BRANCH = ((128, 2), (128, 1), (128, 1), (256, 2), (256, 1))
"""Output channels and stride of each block."""
DISCRIMINATOR_WIDTH = 128
DIFFERENT, SAME = 0, 1
"""Classes of the discriminator."""
BranchNumber = Literal[1, 2]


class Seen(NamedTuple):
    """What a branch makes of images. logits: (batch, class). vector: (batch, feature), pooled."""

    logits: Tensor
    vector: Tensor


class Separable(nn.Module):
    """3x3 a channel, then 1x1 over channels, each with batch normalisation, and a shortcut where the shapes agree.

    Source: Sandler et al. 2018, arXiv:1801.04381, for the parts; ReLU6 comes after the addition.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = conv_bn(inputs, inputs, stride=stride, groups=inputs)
        self.pointwise = conv_bn(inputs, outputs, 1)
        self.relu = nn.ReLU6()
        self.removable = stride == 1 and inputs == outputs
        """The input is added as it is, and comes out of a ReLU6, so that the block may be left out."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, ceil(height / stride), ceil(width / stride))."""
        y: Tensor = self.pointwise(self.relu(self.depthwise(x)))
        activated: Tensor = self.relu(x + y if self.removable else y)
        return activated


class PlaceClassifier(nn.Conv2d):
    """Fully connected layer at every place, as a 1x1 convolution: (batch, feature, height, width) to (batch, class, height,
    width). Its bias belongs to the logit of the whole image and is not added here."""

    bias: nn.Parameter

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Each class's share of its logit at each place."""
        return nn.functional.conv2d(features, self.weight)


class Branch(nn.Module):
    """Blocks, then the classifier. depth: how many of BRANCH's blocks."""

    def __init__(self, classes: int, depth: int) -> None:
        super().__init__()
        inputs = EXTRACTOR[-1][0]
        self.features = _blocks(inputs, BRANCH[:depth]).apply(_draw)
        self.classifier = PlaceClassifier(BRANCH[depth - 1][0] if depth else inputs, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The extractor's output -> class maps (batch, class, height, width), and the pooled vector (batch, feature)."""
        features: Tensor = self.features(x)
        return self.classifier(features), features.mean((2, 3))


class SkinNet(nn.Module):
    """The deployed network: the extractor and one branch."""

    def __init__(self, extractor: nn.Module, branch: Branch) -> None:
        super().__init__()
        self.extractor = extractor
        self.branch = branch

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class): the mean of `class_maps`, plus `bias`."""
        return self.class_maps(image).mean((2, 3)) + self.bias

    def class_maps(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> (batch, class, height / 32, width / 32): what each place gives to each logit.

        Class activation maps, not rectified: Zhou et al. 2016, arXiv:1512.04150. With branch depth 0 a place is 8 px wide.
        """
        maps: Tensor = self.branch(self.extractor(image))[0]
        return maps

    @property
    def bias(self) -> Tensor:
        """(class,): what a logit has beside the mean of its map."""
        return self.branch.classifier.bias


class SiameseNet(nn.Module):
    """The network in training: one extractor, two branches, and a discriminator that sees the pooled vectors of both.

    first: gives the extractor and branch 1. second: gives branch 2; None for one set of weights in both, an ablation.
    """

    def __init__(self, first: SkinNet, second: SkinNet | None) -> None:
        super().__init__()
        self.extractor = first.extractor
        self.branches = nn.ModuleList([first.branch] if second is None else [first.branch, second.branch])
        features = first.branch.classifier.in_channels
        self.discriminator = nn.Sequential(
            nn.Linear(3 * features, DISCRIMINATOR_WIDTH), nn.ReLU(), nn.Linear(DISCRIMINATOR_WIDTH, 2)
        )

    def forward(self, image: Tensor, partner: Tensor) -> tuple[Seen, Seen]:
        """Both images of each pair, (batch, channel, height, width); the first goes to branch 1, its partner to branch 2."""
        one, two = self.extractor(torch.cat([image, partner])).chunk(2)
        return self._seen(1, one), self._seen(2, two)

    def both(self, image: Tensor) -> tuple[Seen, Seen]:
        """The same images (batch, channel, height, width) to either branch."""
        features = self.extractor(image)
        return self._seen(1, features), self._seen(2, features)

    def same(self, one: Tensor, two: Tensor) -> Tensor:
        """Pooled vectors of branch 1 and of branch 2, each (pair, feature) -> logits (pair, 2), DIFFERENT and SAME."""
        logits: Tensor = self.discriminator(torch.cat([one, two, (one - two).abs()], 1))
        return logits

    def branch(self, number: BranchNumber) -> Branch:
        """One and the same where the branches are shared."""
        branch = self.branches[number - 1 if len(self.branches) > 1 else 0]
        assert isinstance(branch, Branch)
        return branch

    def keep(self, number: BranchNumber) -> SkinNet:
        """A copy of the extractor and of this branch: what is deployed."""
        return deepcopy(SkinNet(self.extractor, self.branch(number)))

    def _seen(self, number: BranchNumber, features: Tensor) -> Seen:
        branch = self.branch(number)
        maps, vector = branch(features)
        return Seen(logits=maps.mean((2, 3)) + branch.classifier.bias, vector=vector)


def _blocks(inputs: int, table: tuple[tuple[int, int], ...]) -> nn.Sequential:
    widths = (inputs, *(width for width, _ in table))
    return nn.Sequential(*(Separable(i, o, stride) for i, (o, stride) in zip(widths, table, strict=False)))


def _draw(module: nn.Module) -> None:
    """For `nn.Module.apply`: convolutions drawn for the ReLU behind them, so that statistics of the normalisation start near 1.

    Source: He et al. 2015, arXiv:1502.01852, fan-in; torch's fan-out counts all channels of a depthwise layer as one's own.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def build(*, classes: int, channels: int = 3, branch_depth: int = len(BRANCH)) -> SkinNet:
    """The row `skin` of the model table: what is deployed.

    branch_depth: blocks of the branch, all of them by default. 0 is the patent's words taken literally: pooling and a fully
    connected layer alone, so that the class maps are of "the extractor's output". Raises InputError for other values.
    """
    if type(branch_depth) is not int or not 0 <= branch_depth <= len(BRANCH):
        raise InputError(f"skin: got branch_depth {branch_depth!r}, expected a whole number from 0 to {len(BRANCH)}")
    extractor = nn.Sequential(conv_bn(channels, STEM_WIDTH, stride=2), nn.ReLU6(), *_blocks(STEM_WIDTH, EXTRACTOR))
    return SkinNet(extractor.apply(_draw), Branch(classes, branch_depth))
