"""A network small enough to be cut, trained and exported in a moment, with one of each thing that can be taken away."""

from __future__ import annotations

from torch import Tensor, nn

from edgeneuro.models import ModelEntry

TOY = ModelEntry(name="toy", title="for tests", builder="tests.export.prune.toy:build")
WIDTH = 16
HIDDEN = 256
"""Just enough weights, 256 x 256, for a layer that is worth dividing."""


class Block(nn.Module):
    """A convolution whose input is added to its output."""

    removable = True

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
        self.outer = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channel, height, width), unchanged in shape."""
        return nn.functional.relu(x + self.outer(self.inner(x)))


class Toy(nn.Module):
    """A convolution, two blocks, a mean and three linear layers."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, WIDTH, 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
        self.blocks = nn.Sequential(Block(), Block())
        self.widen = nn.Linear(WIDTH, HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, classes)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        x = self.blocks(self.stem(image)).mean((2, 3))
        logits: Tensor = self.head(self.hidden(self.widen(x).relu()).relu())
        return logits


def build(*, classes: int, channels: int) -> Toy:
    """As the model table calls it."""
    return Toy(classes, channels)


def macs_by_hand(side: int, *, width: int = WIDTH, blocks: int = 2, classes: int = 2) -> int:
    """Of a Toy for grey frames of `side` px whose convolutions inside the blocks have `width` channels, linear layers whole."""
    area = (side // 2) ** 2
    convolutions = 9 * area * (WIDTH + blocks * 2 * WIDTH * width)
    return convolutions + WIDTH * HIDDEN + HIDDEN * HIDDEN + HIDDEN * classes
