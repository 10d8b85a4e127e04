"""Verification of every graph of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.errors import SelfTestError
from edgeneuro.runtime.verify import verify_file
from tests.runtime.bundles import tiny_graph, tiny_manifest, tiny_members, tiny_onnx, write_bundle

FLOAT = tiny_graph("model.onnx")
INT8 = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8")


def test_every_graph_that_can_run_here_is_tested_and_the_others_say_why_not(tmp_path: Path) -> None:
    odd = tiny_graph("graphs/onnxruntime.odd.onnx", precision="int8", requires=("abacus",))
    manifest = tiny_manifest(precision="int8", graphs=(FLOAT, INT8, odd))
    done = verify_file(write_bundle(tmp_path / "three.edge", manifest))
    assert [graph.path for graph in done.graphs] == [FLOAT.path, INT8.path, odd.path]
    assert [graph.difference is None for graph in done.graphs] == [False, False, True]
    assert done.graphs[2].skipped == "this processor does not show abacus"
    assert done.members == 4


def test_one_graph_that_computes_something_else_fails_the_whole_file(tmp_path: Path) -> None:
    manifest = tiny_manifest(graphs=(FLOAT, INT8))
    members = tiny_members(manifest) | {INT8.path: tiny_onnx(bias=np.array([0, 0, 1], np.float32))}
    with pytest.raises(SelfTestError, match=r"graphs/onnxruntime\.int8\.onnx"):
        verify_file(write_bundle(tmp_path / "two.edge", manifest, members))
