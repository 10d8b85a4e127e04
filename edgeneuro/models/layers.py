"""What several networks are made of."""

from __future__ import annotations

from torch import nn


def conv_bn(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch normalisation; odd kernels keep the size, divided by `stride`."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def kaiming(module: nn.Module) -> None:
    """For `nn.Module.apply`: convolutions drawn for the ReLU behind them.

    Source: He et al. 2015, arXiv:1502.01852, fan-out.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
