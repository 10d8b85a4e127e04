"""Floors, percentiles and ratios of the GPU benchmark, on numbers made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.document import Peak
from edgeneuro.benchmarks.gpu_floor import BANDWIDTH, floor_of, layer_precisions, open_peaks
from edgeneuro.benchmarks.gpu_rows import GpuRow, Transfers
from edgeneuro.benchmarks.gpu_times import Timed, control_text, table_rows, time_rows
from edgeneuro.errors import UsageError
from edgeneuro.manifest import LayerCost
from edgeneuro.spec import Array

HOST: Transfers = "host to host"
RESIDENT: Transfers = "input on the GPU"


def test_peaks_count_the_multiplications_of_their_product_and_both_ways_of_a_copy() -> None:
    kernels = open_peaks("cpu", shrink=64)
    assert {"product, FP32", "product, TF32", "product, FP16", BANDWIDTH} <= set(kernels)
    assert kernels["product, FP32"].macs == 64**3 and kernels["product, FP16"].macs == 128**3
    assert kernels[BANDWIDTH].bytes == 2 * (256 << 20) // 64
    assert all(kernel.run(0)["inference"] > 0.0 for kernel in kernels.values())
    assert not torch.backends.cuda.matmul.allow_tf32  # left as it was


LAYERS = (
    LayerCost(
        name="conv", operator="Conv", params=0, macs=1000, weight_elements=10, input_elements=0, output_elements=40
    ),
    LayerCost(
        name="head", operator="Gemm", params=0, macs=100, weight_elements=100, input_elements=0, output_elements=0
    ),
)
PEAKS = tuple(
    Peak(backend="torch", precision=precision, kernel="product", gmac_s=gmac_s)
    for precision, gmac_s in (("fp32", 1e-3), ("fp16", 2e-3), ("int8", 4e-3))  # 1e3, 2e3, 4e3 MACs a ms
)


def test_layers_outside_the_plan_run_in_the_precision_of_the_rest() -> None:
    assert layer_precisions(LAYERS, "int8", ("conv",)) == {"conv": "int8", "head": "fp32"}
    assert layer_precisions(LAYERS, "mixed", ("conv",)) == {"conv": "int8", "head": "fp16"}
    assert layer_precisions(LAYERS, "fp16", ("conv",)) == {"conv": "fp16", "head": "fp16"}


def test_the_floor_of_a_batch_moves_the_weights_once_and_multiplies_for_every_frame() -> None:
    precisions = layer_precisions(LAYERS, "mixed", ("conv",))

    def floor(batch: int) -> Any:
        return floor_of(LAYERS, precisions, batch, peaks=PEAKS, bandwidth_gb_s=1e-4, measured_ms=10.0)  # 100 bytes a ms

    # conv in INT8: 1000 MACs take 0.25 ms, 10 + 40 bytes 0.5 ms. head in FP16: 100 MACs 0.05 ms, 200 bytes 2 ms
    assert floor(1).floor_ms == pytest.approx(0.5 + 2.0)
    assert floor(4).floor_ms == pytest.approx((10 + 160) / 100 + 2.0)
    assert floor(4).compute_ms == pytest.approx(4 * floor(1).compute_ms)
    assert floor(1).distance == pytest.approx(4.0)


def made_up(
    times: Mapping[tuple[str, Transfers], list[float]], batch: int = 2, kernels: Mapping[str, Any] | None = None
) -> Timed:
    rows = tuple(
        GpuRow(tool="tool", precision=precision, setting="as is", transfers=transfers, run=lambda _: {})
        for precision, transfers in times
    )
    taken = {row.name: np.array(values) for row, values in zip(rows, times.values(), strict=True)}
    return Timed(
        batch=batch,
        rows=rows,
        times=taken,
        kernels=dict(kernels or {}),
        control=taken[rows[0].name],
        differences={row.name: 0.0 for row in rows},
        warm_up=20,
        unstable=(rows[0].name,),
    )


def test_a_row_is_compared_with_fp32_whose_inputs_come_the_same_way() -> None:
    count = 1024
    timed = made_up(
        {
            ("fp32", HOST): [4.0] * count,
            ("fp32", RESIDENT): [2.0] * count,
            ("fp16", HOST): [2.0] * count,
            ("fp16", RESIDENT): [1.5] * count,
        }
    )
    found = table_rows(timed, {}, LAYERS, ())
    assert [row["ratio"] for row in found] == [None, None, "0.500 [0.500, 0.500]", "0.750 [0.750, 0.750]"]
    assert [row["frames_s"] for row in found] == [500.0, 1000.0, 1000.0, pytest.approx(1333.3, abs=0.1)]
    assert [row["settled"] for row in found] == [False, True, True, True]
    assert all(row["floor_ms"] is None for row in found)  # no peak was measured
    assert control_text(timed) == "batch 2: 1.000 [1.000, 1.000]"


def test_percentiles_are_times_that_were_measured() -> None:
    order = np.random.default_rng(0).permutation(1000) + 1.0
    (row,) = table_rows(made_up({("fp32", HOST): order.tolist()}), {}, LAYERS, ())
    assert (row["p50"], row["p90"], row["p99"]) == (500.0, 900.0, 990.0)
    assert row["latency"]["queries"] == 1000


def kernel(backend: str, precision: str, *, macs: int = 0, nbytes: int = 0) -> Kernel:
    return Kernel(
        backend=backend,
        precision=precision,
        title="made up",
        macs=macs,
        bytes=nbytes,
        run=lambda _: {"inference": 1.0},
        close=lambda: None,
    )


def test_the_floor_takes_the_peaks_of_the_same_rounds() -> None:
    kernels = {
        "slow": kernel("torch", "fp32", macs=500),
        "fast": kernel("torch", "fp32", macs=1000),
        BANDWIDTH: kernel("memory", "", nbytes=10**9),
    }
    taken = {name: np.array([1.0, 1.0, 9.0]) for name in kernels}
    timed = made_up({("fp32", HOST): [5.5] * 8}, batch=1, kernels=taken)
    (row,) = table_rows(timed, kernels, LAYERS, ())
    assert row["floor_ms"] == pytest.approx(1100 / 1000)  # at the faster product's 1000 MACs a ms
    assert row["distance"] == pytest.approx(5.0)


def counting(log: list[int], value: float) -> Callable[[int], Mapping[str, Array]]:
    def run(number: int) -> Mapping[str, Array]:
        log.append(number)
        return {"y": np.array([value], np.float32)}

    return run


def test_every_row_runs_twice_a_turn_and_the_first_is_its_own_control() -> None:
    logs: list[list[int]] = [[], []]
    rows = [
        GpuRow(tool=tool, precision="fp32", setting="as is", transfers=HOST, run=counting(log, value))
        for tool, log, value in zip(("a", "b"), logs, (2.0, 1.5), strict=True)
    ]
    expected = {"y": np.array([2.0], np.float32)}
    timed = time_rows(rows, {}, expected, batch=1, rounds=5, rng=np.random.default_rng(0))
    assert list(timed.differences.values()) == [0.0, pytest.approx(0.25)]
    assert [len(times) for times in timed.times.values()] == [5, 5] and len(timed.control) == 5
    assert len(logs[1]) == 1 + 2 * (timed.warm_up + 5)
    assert len(logs[0]) == 1 + 4 * (timed.warm_up + 5)
    with pytest.raises(UsageError, match="nothing can run on this GPU"):
        time_rows([], {}, expected, batch=1, rounds=5, rng=np.random.default_rng(0))
