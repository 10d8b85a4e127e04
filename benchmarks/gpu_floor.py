"""What the GPU can do at best, measured in the same rounds as the networks, and the floor that follows for a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.compute.roofline import roofline
from edgeneuro.benchmarks.document import Peak, Roofline
from edgeneuro.manifest import LayerCost

if TYPE_CHECKING:
    from torch import Tensor

SIDES = {"fp32": 4096, "fp16": 8192, "int8": 8192}
"""Rows, columns and inner size of the matrix products: large beside what starting one costs, small beside the memory of
a Jetson (three matrices of 8192 in FP16 take 384 MiB)."""
COPIED_BYTES = 256 << 20
"""Far more than any GPU's last cache."""
REST = {"int8": "fp32", "mixed": "fp16"}
"""What layers run in that the plan does not place in INT8."""
BANDWIDTH = "memory"
"""Key of the copy among the kernels."""


def open_peaks(device: str = "cuda", *, shrink: int = 1) -> dict[str, Kernel]:
    """Name -> matrix product in FP32 (with TF32, which libraries may use, and without), FP16 and INT8, and a copy.

    By PyTorch: cuBLAS's. shrink: divides sizes, for tests. What this device has no product for is left out.
    """
    import torch

    kernels: dict[str, Kernel] = {}
    for title, precision, tf32 in (
        ("FP32", "fp32", False),
        ("TF32", "fp32", True),
        ("FP16", "fp16", False),
        ("INT8", "int8", False),
    ):
        side = SIDES[precision] // shrink
        call = _product(precision, side, tf32, device)
        try:
            call()
        except RuntimeError:  # no INT8 product on this kind of GPU: its rows have no floor then
            continue
        kernels[f"product, {title}"] = Kernel(
            backend="torch",
            precision=precision,
            title=f"{title} matrix product, {side} x {side} x {side}",
            macs=side**3,
            bytes=0,
            run=_timed(call, device),
            close=lambda: None,
        )
    source = torch.ones(COPIED_BYTES // shrink, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    kernels[BANDWIDTH] = Kernel(
        backend="memory",
        precision="",
        title=f"copy of {source.numel() >> 20} MiB",
        macs=0,
        bytes=2 * source.numel(),
        run=_timed(lambda: target.copy_(source), device),
        close=lambda: None,
    )
    return kernels


def _product(precision: str, side: int, tf32: bool, device: str) -> Callable[[], Tensor]:
    import torch

    if precision == "int8":
        left = torch.randint(-128, 127, (side, side), dtype=torch.int8, device=device)
        right = torch.randint(-128, 127, (side, side), dtype=torch.int8, device=device).t()
        return lambda: torch._int_mm(left, right)
    dtype = {"fp32": torch.float32, "fp16": torch.float16}[precision]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def call() -> Tensor:
        with _tf32(tf32):
            return a @ b

    return call


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Whether cuBLAS may round FP32 factors to TF32's 10 bits of mantissa."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _timed(call: Callable[[], Any], device: str) -> Callable[[int], Mapping[str, float]]:
    import torch

    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None

    def run(_: int) -> Mapping[str, float]:
        wait()
        started = time.perf_counter()
        call()
        wait()
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return run


def layer_precisions(costs: Sequence[LayerCost], precision: str, placed: Sequence[str]) -> dict[str, str]:
    """Layer -> what the graph says it runs in. placed: the plan's nodes in INT8."""
    rest = REST.get(precision)
    return {cost.name: precision if rest is None else "int8" if cost.name in placed else rest for cost in costs}


def floor_of(
    costs: Sequence[LayerCost],
    precisions: Mapping[str, str],
    batch: int,
    *,
    peaks: Sequence[Peak],
    bandwidth_gb_s: float,
    measured_ms: float,
) -> Roofline | None:
    """Of `batch` frames at once: each weight is moved once for all of them. costs: of one frame."""
    batched = [
        replace(
            cost,
            macs=batch * cost.macs,
            input_elements=batch * cost.input_elements,
            output_elements=batch * cost.output_elements,
        )
        for cost in costs
    ]
    return roofline(batched, precisions, peaks=peaks, bandwidth_gb_s=bandwidth_gb_s, inference_ms=measured_ms)
