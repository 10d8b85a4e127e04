"""Both reference networks in FP32, FP16, INT8 and INT8 with FP16, from one plan, built by TensorRT-RTX."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeneuro.benchmarks.engines_rtx import MODELS, Network, reference_network, warnings_that_matter
from edgeneuro.export.graph import convolutions
from edgeneuro.export.plan import with_placement
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.runtime.backends.trt.records import Layers

pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")


@pytest.fixture(scope="module", params=MODELS)
def network(request: pytest.FixtureRequest) -> Network:
    """A reference network, exported and calibrated once for all tests."""
    return reference_network(request.param)


def built(network: Network, precision: str) -> Layers:
    """What the engine for one GPU generation is made of; it was built without a warning that matters."""
    report = evidence(network.lowered(precision).SerializeToString(), compute_capabilities=("8.6",))
    assert warnings_that_matter(report) == ()
    assert report.layers is not None
    assert report.layers.convolutions == len(convolutions(network.graph.graph)) > 0
    return report.layers


def test_in_fp32_no_convolution_reads_anything_shorter(network: Network) -> None:
    layers = built(network, "fp32")
    assert layers.int8_convolutions == layers.half_convolutions == 0


def test_in_fp16_every_convolution_reads_fp16(network: Network) -> None:
    layers = built(network, "fp16")
    assert layers.int8_convolutions == 0
    assert layers.half_convolutions == layers.convolutions


def test_in_int8_every_placed_convolution_reads_int8_and_none_reads_fp16(network: Network) -> None:
    layers = built(network, "int8")
    assert layers.int8_convolutions == network.placed("int8") > 0
    assert layers.half_convolutions == 0


def test_with_int8_and_fp16_every_placed_convolution_reads_int8_and_the_rest_fp16(network: Network) -> None:
    layers = built(network, "mixed")
    assert layers.int8_convolutions == network.placed("mixed") > 0
    assert layers.half_convolutions == layers.convolutions - layers.int8_convolutions


def test_a_convolution_that_the_plan_leaves_out_is_not_counted_as_int8(network: Network) -> None:
    last = convolutions(network.graph.graph)[-1].name
    placed = tuple(name for name in network.plan.placement["tensorrt"] if name != last)
    fewer = replace(network, plan=with_placement(network.plan, "tensorrt", placed))
    layers = built(fewer, "mixed")
    assert layers.int8_convolutions == network.placed("mixed") - 1
    assert layers.half_convolutions == layers.convolutions - layers.int8_convolutions > 0
