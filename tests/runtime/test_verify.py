"""Verification of every graph of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import BackendError, EdgeNeuroError, SelfTestError
from edgeneuro.manifest import Graph
from edgeneuro.runtime import Bundle, verify
from edgeneuro.runtime.backends import BACKENDS, Backend, unavailable
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.runtime.verify import verify_file
from tests.runtime.bundles import tiny_graph, tiny_manifest, tiny_members, tiny_onnx, write_bundle

FLOAT = tiny_graph("model.onnx")
INT8 = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ONNX Runtime is installed."""
    monkeypatch.setattr(verify, "unavailable", lambda name: "" if name == "onnxruntime" else "is not installed")


@pytest.mark.usefixtures("alone")
def test_every_graph_that_can_run_here_is_tested_and_the_others_say_why_not(tmp_path: Path) -> None:
    odd = tiny_graph("graphs/onnxruntime.odd.onnx", precision="int8", requires=("abacus",))
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, INT8, odd))
    done = verify_file(write_bundle(tmp_path / "three.edge", manifest))
    assert [graph.path for graph in done.graphs] == [FLOAT.path, INT8.path, odd.path]
    assert [graph.difference is None for graph in done.graphs] == [False, False, True]
    assert done.graphs[2].skipped == "this processor does not show abacus"
    assert done.members == 4


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "onnxruntime"])
def test_the_float_graph_is_tested_on_every_backend(tmp_path: Path, name: str) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
    done = verify_file(write_bundle(tmp_path / "one.edge"), threads=1)
    checked = {graph.backend: graph for graph in done.graphs}
    assert checked[name].path == "model.onnx"
    difference = checked[name].difference
    assert difference is not None
    assert difference <= checked[name].tolerance


@pytest.mark.parametrize("error", [BackendError("openvino: refuses; try"), SelfTestError("model.onnx: differs; try")])
def test_a_backend_that_the_float_graph_was_not_made_for_breaks_no_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: EdgeNeuroError
) -> None:
    def refusing(bundle: Bundle, graph: Graph, where: str, *, threads: int | None) -> Backend:
        if graph.backend != "onnxruntime":
            raise error
        return open_graph(bundle, graph, where, threads=threads)

    monkeypatch.setattr(verify, "unavailable", lambda name: "is not here" if BACKENDS[name].gpu else "")
    monkeypatch.setattr(verify, "open_graph", refusing)
    first, second = verify_file(write_bundle(tmp_path / "one.edge")).graphs
    assert (first.backend, first.skipped) == ("onnxruntime", None)
    assert (second.backend, second.skipped) == ("openvino", str(error).partition(";")[0])


@pytest.mark.usefixtures("alone")
def test_one_graph_that_computes_something_else_fails_the_whole_file(tmp_path: Path) -> None:
    manifest = tiny_manifest(graphs=(FLOAT, INT8))
    members = tiny_members(manifest) | {INT8.path: tiny_onnx(bias=np.array([0, 0, 1], np.float32))}
    with pytest.raises(SelfTestError, match=r"graphs/onnxruntime\.int8\.onnx"):
        verify_file(write_bundle(tmp_path / "two.edge", manifest, members))
