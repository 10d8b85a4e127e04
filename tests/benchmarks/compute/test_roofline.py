"""Floors worked out by hand: peaks of 10 and 40 GMAC/s, memory of 1 GB/s, so a million bytes take a millisecond."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeneuro.benchmarks.compute.roofline import layer_precisions, roofline, with_floors
from edgeneuro.benchmarks.document import LayerTime, Peak, Roofline
from edgeneuro.manifest import LayerCost

PEAKS = (
    Peak(backend="onnxruntime", precision="fp32", kernel="", gmac_s=10.0),
    Peak(backend="onnxruntime", precision="int8", kernel="", gmac_s=30.0),
    Peak(backend="openvino", precision="int8", kernel="", gmac_s=40.0),
)
HERE: dict[str, Any] = {"peaks": PEAKS, "bandwidth_gb_s": 1.0}


def near(value: float) -> Any:
    """Equal but for rounding; of any type, so that records can be compared whole."""
    return pytest.approx(value)


def cost(name: str, macs: int, weights: int, inputs: int, outputs: int, operator: str = "Conv") -> LayerCost:
    return LayerCost(
        name=name,
        operator=operator,
        params=weights,
        macs=macs,
        weight_elements=weights,
        input_elements=inputs,
        output_elements=outputs,
    )


COSTS = (
    cost("heavy", 80_000_000, 100_000, 200_000, 100_000),  # in INT8 2 ms of computing, 0.4 ms of moving
    cost("relu", 0, 0, 100_000, 100_000, "Relu"),
    cost("wide", 10_000_000, 0, 500_000, 500_000),  # in FP32 1 ms of computing, 4 ms of moving
)


def layer(name: str, precision: str, ms: float = 1.0) -> LayerTime:
    return LayerTime(name=name, operator="", precision=precision, ms=ms, macs=None, floor_ms=None)


def test_the_floor_takes_for_each_layer_the_limit_that_holds_it_up_longer() -> None:
    found = roofline(COSTS, {"heavy": "int8", "wide": "fp32"}, **HERE, inference_ms=12.0)
    assert found == Roofline(
        compute_ms=near(2.0 + 1.0),
        memory_ms=near(0.4 + 4.0),
        floor_ms=near(2.0 + 4.0),
        distance=near(2.0),
        intensity=near(90_000_000 / 4_400_000),
        bops=80_000_000 * 8 * 8 + 10_000_000 * 32 * 32,
        weight_bytes=100_000,
        activation_bytes=300_000 + 4_000_000,
    )


def test_all_layers_in_int8_give_all_multiplications_at_the_int8_peak() -> None:
    found = roofline(COSTS, dict.fromkeys(("heavy", "relu", "wide"), "int8"), **HERE, inference_ms=1.0)
    assert found is not None
    assert found.compute_ms == near(90_000_000 / 40e6)


@pytest.mark.parametrize(
    "precisions", [{"heavy": "int8"}, {"heavy": "int8", "wide": ""}, {"heavy": "int8", "wide": "bf16"}]
)
def test_there_is_no_floor_where_a_layers_precision_or_its_peak_is_unknown(precisions: dict[str, str]) -> None:
    assert roofline(COSTS, precisions, **HERE, inference_ms=1.0) is None


def test_a_network_without_convolutions_and_products_has_no_floor() -> None:
    assert roofline(COSTS[1:2], {"relu": "fp32"}, **HERE, inference_ms=1.0) is None


def test_each_layer_gets_macs_bytes_and_floor_in_the_precision_it_ran_in() -> None:
    layers = (layer("heavy", "int8"), layer("reorder", "fp32"), layer("relu", "fp32"), layer("wide", "fp32"))
    heavy, reorder, relu, wide = with_floors(layers, COSTS, **HERE)
    assert (heavy.macs, heavy.bytes, heavy.floor_ms) == (80_000_000, 400_000, near(2.0))
    assert reorder == layers[1]  # the runtime's own
    assert (relu.macs, relu.bytes, relu.floor_ms) == (
        0,
        800_000,
        near(0.8),
    )  # run by itself, it moves its tensors
    assert (wide.macs, wide.bytes, wide.floor_ms) == (10_000_000, 4_000_000, near(4.0))
    assert [item.ms for item in (heavy, reorder, relu, wide)] == [1.0] * 4


def test_a_layer_in_a_precision_without_a_peak_has_bytes_but_no_floor_and_in_an_unknown_one_neither() -> None:
    half, unknown = with_floors((layer("heavy", "bf16"), layer("heavy", "")), COSTS, **HERE)
    assert (half.macs, half.bytes, half.floor_ms) == (80_000_000, 800_000, None)
    assert (unknown.macs, unknown.bytes, unknown.floor_ms) == (80_000_000, None, None)


def test_two_layers_in_one_kernel_move_nothing_between_them() -> None:
    first, second = replace(COSTS[0], name="first"), replace(COSTS[0], name="second")
    (found,) = with_floors((layer("first + second", "int8"),), (first, second), **HERE)
    assert (found.macs, found.floor_ms) == (160_000_000, near(4.0))
    assert found.bytes == 2 * 100_000 + 200_000 + 100_000


def test_precisions_are_read_off_the_profile_for_layers_of_the_float_graph_only() -> None:
    layers = (layer("heavy", "int8"), layer("reorder", "int8"), layer("relu + wide", "fp32"))
    assert layer_precisions(layers, COSTS) == {"heavy": "int8", "relu": "fp32", "wide": "fp32"}
