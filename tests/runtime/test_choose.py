"""Which graph runs on which machine."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgeneuro.errors import BackendError, BundleError
from edgeneuro.manifest import Precision
from edgeneuro.runtime import choose
from edgeneuro.runtime.choose import choose_graph
from tests.runtime.bundles import tiny_graph, tiny_manifest, write_bundle

FLOAT = tiny_graph("model.onnx")
VNNI = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("x86_64", "vnni"))
REDUCED = tiny_graph("graphs/onnxruntime.int8.reduced.onnx", precision="int8", requires=("x86_64",))
ELSEWHERE = tiny_graph("graphs/another.int8.onnx", precision="int8", backend="another")

ARM_INT8 = tiny_graph("graphs/onnxruntime-arm.int8.onnx", precision="int8", requires=("aarch64",))
OPENVINO = tiny_graph("graphs/openvino.int8.onnx", precision="int8", backend="openvino")
MIXED = tiny_graph("graphs/tensorrt.mixed.onnx", precision="mixed", backend="tensorrt")
HALF = tiny_graph("graphs/tensorrt.fp16.onnx", precision="fp16", backend="tensorrt")

FAST, OLD = frozenset({"x86_64", "vnni"}), frozenset({"x86_64"})
ARM = frozenset({"aarch64", "dotprod"})


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


def test_an_arm_processor_takes_the_graph_made_for_it() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI, REDUCED, ARM_INT8))
    assert choose_graph(manifest, None, "a.edge", features=ARM) == (ARM_INT8, ())
    assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ())


def test_mixed_runs_as_int8_on_a_processor_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    manifest = tiny_manifest(precision="mixed", graphs=(FLOAT, MIXED, VNNI))
    with caplog.at_level(logging.WARNING, "edgeneuro"):
        assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ("mixed_runs_as_int8",))
    assert "is mixed, for which processors have no fast arithmetic; running it in int8" in caplog.text


def test_mixed_without_what_its_int8_graph_needs_runs_in_float_with_both_flags() -> None:
    manifest = tiny_manifest(precision="mixed", graphs=(FLOAT, MIXED, VNNI))
    assert choose_graph(manifest, None, "a.edge", features=OLD) == (FLOAT, ("mixed_runs_as_int8", "int8_needs_vnni"))


def test_fp16_runs_as_fp32_on_a_processor_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    for manifest in (
        tiny_manifest(precision="fp16", graphs=(FLOAT,)),
        tiny_manifest(precision="fp32", graphs=(FLOAT, HALF)),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "edgeneuro"):
            assert choose_graph(manifest, "fp16", "a.edge", features=FAST) == (FLOAT, ("fp16_runs_as_fp32",))
        assert "running it in fp32" in caplog.text


@pytest.mark.parametrize("asked", ["fp16", "mixed"])
def test_a_bundle_not_built_for_fp16_is_refused_not_replaced(asked: Precision) -> None:
    with pytest.raises(BundleError, match=f"has no {asked} graph"):
        choose_graph(tiny_manifest(precision="int8", graphs=(FLOAT, VNNI)), asked, "a.edge", features=FAST)


def test_onnxruntime_comes_before_other_backends_whatever_the_order_in_the_bundle() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(OPENVINO, FLOAT, VNNI))
    assert choose_graph(manifest, None, "a.edge", features=FAST) == (VNNI, ())


def test_another_backend_is_taken_where_it_is_asked_for_or_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "unavailable", lambda name: "")
    both = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI, OPENVINO))
    assert choose_graph(both, None, "a.edge", backend="openvino", features=FAST) == (OPENVINO, ())
    assert choose_graph(both, None, "a.edge", features=OLD) == (OPENVINO, ())
    alone = tiny_manifest(precision="int8", graphs=(FLOAT, OPENVINO))
    assert choose_graph(alone, None, "a.edge", features=FAST) == (OPENVINO, ())


def test_a_backend_that_is_not_installed_is_passed_over_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        choose, "unavailable", lambda name: "" if name == "onnxruntime" else "is not installed; run: pip install it"
    )
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, OPENVINO))
    with caplog.at_level(logging.WARNING, "edgeneuro"):
        assert choose_graph(manifest, None, "a.edge", features=FAST) == (FLOAT, ("int8_needs_openvino",))
    assert "openvino (is not installed; run: pip install it)" in caplog.text


def test_a_backend_that_the_bundle_has_no_graph_for_is_refused() -> None:
    with pytest.raises(BundleError, match=r"has no int8 graph for openvino; it holds .*int8 \(onnxruntime\)"):
        choose_graph(tiny_manifest(precision="int8", graphs=(FLOAT, VNNI)), None, "a.edge", backend="openvino")


def test_the_float_graph_runs_on_whichever_backend_is_asked_for() -> None:
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, VNNI, OPENVINO))
    chosen, flags = choose_graph(manifest, "fp32", "a.edge", backend="openvino", features=FAST)
    assert (chosen, flags) == (replace(FLOAT, backend="openvino"), ())
    assert choose_graph(manifest, "fp32", "a.edge", backend="onnxruntime", features=FAST) == (FLOAT, ())


def test_fp16_on_another_backend_is_the_float_graph_and_says_so() -> None:
    manifest = tiny_manifest(precision="fp16", graphs=(FLOAT, HALF))
    chosen, flags = choose_graph(manifest, None, "a.edge", backend="openvino", features=FAST)
    assert (chosen.path, chosen.backend, flags) == ("model.onnx", "openvino", ("fp16_runs_as_fp32",))


def test_a_graph_made_for_one_backend_is_not_given_to_another() -> None:
    needy = tiny_graph("graphs/odd.fp32.onnx", requires=("vnni",))
    with pytest.raises(BundleError, match="has no fp32 graph for openvino"):
        choose_graph(tiny_manifest(graphs=(needy, VNNI)), "fp32", "a.edge", backend="openvino", features=FAST)


def test_a_backend_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(BackendError, match="'abacus': is not known here, expected one of onnxruntime, openvino"):
        choose_graph(tiny_manifest(), None, "a.edge", backend="abacus")


def test_a_graph_for_the_default_backend_wakes_no_other_library(tmp_path: Path) -> None:
    graphs = (tiny_graph(), tiny_graph("graphs/openvino.onnx", backend="openvino"))
    path = write_bundle(tmp_path / "a.edge", tiny_manifest(graphs=graphs))
    code = f"import sys; from edgeneuro.runtime import open_engine; open_engine({str(path)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "onnxruntime" in done.stdout.split() and "openvino" not in done.stdout.split()
