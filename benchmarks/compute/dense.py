"""The dense layers whose rate is taken for the machine's peak: a convolution or a matrix product, alone.

Each is a committed file of a few hundred bytes beside this module, written by `make_kernels`: the weights are one value,
spread by ConstantOfShape, which a runtime folds when it loads the graph and packs as it packs any weights. So a device
needs no onnx package to measure its peak, and every runtime is given the same graph in the form its engines come in:
plain operators for FP32, Q/DQ pairs for INT8. Tensors have their channels last, as both runtimes keep them within a chain
of INT8 convolutions, so that no change of layout is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from math import prod
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Dense:
    """One layer. name: of its file. shape: of the input, (1, height, width, channel) or (row, inner). weights: (output,
    input, side, side) of a convolution that keeps the size, (inner, column) of a matrix product."""

    name: str
    title: str
    precision: Literal["fp32", "int8"]
    operator: Literal["Conv", "MatMul"]
    shape: tuple[int, ...]
    weights: tuple[int, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one call."""
        return prod(self.shape[:-1]) * prod(self.weights)

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.name}.{self.precision}.onnx"

    def graph(self) -> bytes:
        """The committed ONNX file."""
        return (files("edgeneuro.benchmarks.compute") / "kernels" / self.file).read_bytes()


def _convolution(precision: Literal["fp32", "int8"], kernel: int, channels: int, side: int) -> Dense:
    return Dense(
        name=f"conv{kernel}x{kernel}-{channels}-{side}",
        title=f"{kernel}x{kernel} convolution, {channels} channels, {side} x {side}",
        precision=precision,
        operator="Conv",
        shape=(1, side, side, channels),
        weights=(channels, channels, kernel, kernel),
    )


def _product(precision: Literal["fp32", "int8"], rows: int, inner: int, columns: int) -> Dense:
    return Dense(
        name=f"matmul-{rows}-{inner}-{columns}",
        title=f"matrix product, {rows} x {inner} x {columns}",
        precision=precision,
        operator="MatMul",
        shape=(rows, inner),
        weights=(inner, columns),
    )


DENSE = (
    _convolution("fp32", 3, 256, 14),
    _convolution("fp32", 1, 256, 28),
    _product("fp32", 128, 1024, 1024),
    _convolution("int8", 3, 256, 28),
    _convolution("int8", 1, 512, 28),
    _product("int8", 512, 1024, 1024),
)
"""Sizes that keep the multipliers busy: each weight is used a hundred times and more, and nothing exceeds a core's caches by
much. INT8 does about four times as much at a time and is given as much more, so a call takes 1 to 3 ms on one core of
today: long beside the call itself, and short enough that on a shared machine half of the calls are left in peace."""
