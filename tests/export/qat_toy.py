"""A network small enough to be exported in a moment, for tests that export it often."""

from torch import Tensor, nn


class Toy(nn.Module):
    """Two convolutions with batch normalisation, an addition, a mean and a head."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8))
        self.relu = nn.ReLU()
        self.head = nn.Linear(8, classes)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        x = self.first(image)
        logits: Tensor = self.head(self.relu(self.second(x) + x).mean((2, 3)))
        return logits


def build(*, classes: int, channels: int) -> Toy:
    """As the model table calls it."""
    return Toy(classes, channels)
