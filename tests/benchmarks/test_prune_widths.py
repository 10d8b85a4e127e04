"""Chains of convolutions, and how widths are compared."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from edgeneuro.benchmarks.prune_widths import Chain, Precision, excess, graph_of, measure, multiple_of, rows_of
from edgeneuro.export.compute import compute_of
from edgeneuro.runtime.backends import open_backend


def chain(width: int, precision: Precision = "fp32", kernel: int = 3) -> Chain:
    return Chain(precision=precision, kernel=kernel, side=6, width=width)


@pytest.mark.parametrize(("precision", "one"), [("fp32", 1), ("int8", 200)])
def test_a_chain_of_means_keeps_a_constant_image(precision: Precision, one: int) -> None:
    with closing(
        open_backend("onnxruntime", graph_of(chain(5, precision, 1)).SerializeToString(), threads=1)
    ) as session:
        kind = np.uint8 if precision == "int8" else np.float32
        made = session.run({"x": np.full((1, 5, 6, 6), one, kind)})["y"]
    np.testing.assert_allclose(made, one, rtol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
def test_operations_of_a_chain_are_those_of_its_graph(kernel: int) -> None:
    assert chain(12, kernel=kernel).macs == compute_of(graph_of(chain(12, kernel=kernel))).macs


def test_widths_belong_to_the_largest_power_of_two_that_divides_them() -> None:
    assert [multiple_of(width) for width in (48, 56, 52, 50, 51, 64)] == [16, 8, 4, 2, 1, 16]


def test_kernels_that_pad_to_sixteen_show_as_an_excess_by_the_operations_padded() -> None:
    chains = {width: chain(width) for width in range(32, 65, 4)}
    padded = {width: -(-width // 16) * 16 for width in chains}
    times = {width: np.full(3, chain(padded[width]).macs * 1e-9) for width in chains}
    over = excess(times, chains)
    assert set(over) == {36, 40, 44, 52, 56, 60}
    assert over[60] == pytest.approx((64 / 60) ** 2)
    assert over[40] == pytest.approx((48 / 40) ** 2)
    eights, fours = rows_of({"backend": "none"}, times, chains)
    assert (eights["multiple"], fours["multiple"]) == (8, 4)
    assert eights["most"] == pytest.approx((48 / 40) ** 2)
    assert eights["whole_gmac_s"] == pytest.approx(1e3)


def test_every_width_is_timed_in_every_round() -> None:
    chains = [chain(width, "int8") for width in (16, 24)]
    times = measure("onnxruntime", chains, rounds=3, threads=1, rng=np.random.default_rng(0))
    assert {width: taken.shape for width, taken in times.items()} == {16: (3,), 24: (3,)}
