"""Which graph runs on which machine."""

from __future__ import annotations

import logging

import pytest

from edgeneuro.errors import BundleError
from edgeneuro.runtime.choose import choose_graph
from tests.runtime.bundles import tiny_graph, tiny_manifest

FLOAT = tiny_graph("model.onnx")
VNNI = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("x86_64", "vnni"))
REDUCED = tiny_graph("graphs/onnxruntime.int8.reduced.onnx", precision="int8", requires=("x86_64",))
ELSEWHERE = tiny_graph("graphs/another.int8.onnx", precision="int8", backend="another")

FAST, OLD = frozenset({"x86_64", "vnni"}), frozenset({"x86_64"})


def test_the_bundles_own_precision_is_taken_unless_another_is_asked_for() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI))
    assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ())
    assert choose_graph(manifest, "fp32", "a.edge", features=FAST) == (FLOAT, ())


def test_of_several_graphs_the_first_that_fits_the_processor_is_taken() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI, REDUCED))
    assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ())
    assert choose_graph(manifest, None, "a.edge", features=OLD) == (REDUCED, ())


def test_an_unmet_need_falls_back_to_float_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI))
    with caplog.at_level(logging.WARNING, "edgeneuro"):
        assert choose_graph(manifest, None, "a.edge", features=OLD) == (FLOAT, ("int8_needs_vnni",))
    assert "needs a processor with vnni" in caplog.text
    assert "fp32 instead" in caplog.text


def test_an_unmet_need_without_a_float_graph_is_refused() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(VNNI,))
    with pytest.raises(BundleError, match="holds no fp32 graph"):
        choose_graph(manifest, None, "a.edge", features=OLD)


def test_a_precision_that_is_not_in_the_bundle_is_refused_not_replaced() -> None:
    with pytest.raises(BundleError, match=r"has no int8 graph .* it holds fp32 \(onnxruntime\)"):
        choose_graph(tiny_manifest(graphs=(FLOAT,)), "int8", "a.edge", features=FAST)


def test_a_graph_for_a_backend_that_is_not_known_here_is_passed_over() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, ELSEWHERE, VNNI))
    assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ())
