"""The table of engines that TensorRT-RTX built, on reports made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeneuro.benchmarks import engines_rtx
from edgeneuro.benchmarks.engines_rtx import HARMLESS, Network, build_rows, warnings_that_matter, write_engines
from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BackendError
from edgeneuro.export.plan import Plan
from edgeneuro.runtime.backends.trt.records import BuildReport, Layers
from tests.tiny_graphs import graph_of


@pytest.fixture
def network() -> Network:
    """One 1 x 1 convolution, placed in INT8."""
    weights = np.eye(8, dtype=np.float32)[:, :, None, None]
    graph = graph_of([onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], {"w": weights})
    plan = Plan(method="by hand", ranges={"x": Range(-1.0, 1.0)}, biases={}, placement={"tensorrt": ("conv",)})
    return Network(name="toy", weights="by hand", graph=graph, plan=plan)


def report(*, int8: int, megabytes: int, warnings: tuple[str, ...] = ()) -> BuildReport:
    layers = Layers(
        count=1, convolutions=1, int8_convolutions=int8, half_convolutions=0, reformats=0, source="build log"
    )
    return BuildReport(
        flavour="tensorrt-rtx", version="1.7.1", warnings=warnings, layers=layers, engine_bytes=megabytes << 20
    )


def builds(_: bytes, *, compute_capabilities: Sequence[str]) -> BuildReport:
    """8.6 and 8.9 run the convolution in INT8, 8.0 does not, 7.5 refuses it."""
    (capability,) = compute_capabilities
    if capability == "7.5":
        raise BackendError("cannot compile 'node_7'")
    return report(int8=int(capability != "8.0"), megabytes={"8.0": 1, "8.6": 2, "8.9": 3}[capability])


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines_rtx, "evidence", builds)


def test_only_compute_capabilities_that_came_out_alike_share_a_row(network: Network) -> None:
    rows = build_rows(network, "int8", ("7.5", "8.0", "8.6", "8.9"))
    assert [(row["capabilities"], row["outcome"], row.get("int8"), row["engine_mib"]) for row in rows] == [
        (["7.5"], "refused", None, None),
        (["8.0"], "built", 0, "1.0"),
        (["8.6", "8.9"], "built", 1, "2.0 to 3.0"),
    ]


def test_the_page_says_that_no_gpu_ran_what_was_refused_and_where_int8_was_not_kept(
    network: Network, tmp_path: Path
) -> None:
    rows = [row for precision in ("fp32", "int8") for row in build_rows(network, precision, ("7.5", "8.0", "8.6"))]
    write_engines(rows, {"toy": "by hand"}, "python -m ...", tmp_path)
    page = (tmp_path / "engines_rtx.md").read_text()
    assert "has run on no GPU" in page
    assert "Refused, toy in fp32 for 7.5, toy in int8 for 7.5: cannot compile '...'." in page
    assert page.count("Not in INT8") == 1
    assert "Not in INT8 as the graph says, for 8.0: toy in int8, 0 of 1 convolutions." in page


def test_a_warning_matters_unless_it_is_known_not_to() -> None:
    said = (f"(foreignNode) {HARMLESS[0]}.", "weights overflow FP16")
    assert warnings_that_matter(report(int8=1, megabytes=1, warnings=said)) == ("weights overflow FP16",)
