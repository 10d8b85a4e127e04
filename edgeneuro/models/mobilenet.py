"""MobileNetV2, a well-known network to compare with. Source: Sandler et al. 2018, arXiv:1801.04381."""

from __future__ import annotations

from torch import Tensor, nn

from edgeneuro.models.layers import conv_bn, kaiming


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation, and a shortcut where the shapes agree.

    Source: Sandler et al. 2018, arXiv:1801.04381, table 1.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        up = [conv_bn(inputs, hidden, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [conv_bn(hidden, hidden, stride=stride, groups=hidden), nn.ReLU6()]
        self.layers = nn.Sequential(*up, *depthwise, conv_bn(hidden, outputs, 1))
        self.removable = stride == 1 and inputs == outputs
        """The input is added as it is, so that the block may be left out."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.removable else y


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals. Source: Sandler et al. 2018, arXiv:1801.04381, table 2, width 1.0."""

    ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    """Expansion, output channels, blocks, stride of the first."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(channels, 32, stride=2), nn.ReLU6()]
        before = 32
        for expansion, width, blocks, stride in self.ROWS:
            for block in range(blocks):
                layers.append(InvertedResidual(before, width, 1 if block else stride, expansion))
                before = width
        self.features = nn.Sequential(*layers, conv_bn(before, 1280, 1), nn.ReLU6())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(1280, classes)
        self.apply(kaiming)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.features(image)))
        return logits


def build(*, classes: int, channels: int = 1) -> MobileNetV2:
    """The row `mobilenet-v2` of the model table. Weights are drawn, not ImageNet's."""
    return MobileNetV2(classes, channels)
