"""The dense kernels are what their names say, run in INT8 where they say so, and the fastest one is the peak."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.compute import peaks
from edgeneuro.benchmarks.compute.dense import DENSE, Dense
from edgeneuro.benchmarks.compute.make_kernels import FOLDER, kernel_graph
from edgeneuro.benchmarks.compute.peaks import Kernel, best_peaks, open_bandwidth, open_kernels
from edgeneuro.benchmarks.compute.profile import profile_layers
from edgeneuro.export.compute import layer_costs
from edgeneuro.runtime.backends import BACKENDS, open_backend, unavailable
from edgeneuro.runtime.cpu import cpu_features

INSTALLED = [name for name, kind in BACKENDS.items() if not (kind.gpu or unavailable(name))]
IDS = [dense.file for dense in DENSE]


@pytest.mark.parametrize("dense", DENSE, ids=IDS)
def test_the_committed_file_is_what_the_script_writes(dense: Dense) -> None:
    assert dense.graph() == kernel_graph(dense).SerializeToString()


def test_there_is_no_other_file() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {dense.file for dense in DENSE}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4096  # small enough to be part of the package


def test_multiplications_are_counted_as_the_graph_has_them() -> None:
    titles = {(dense.title, dense.precision): dense for dense in DENSE}
    assert titles["3x3 convolution, 256 channels, 28 x 28", "int8"].macs == 28 * 28 * 256 * 256 * 9
    assert titles["matrix product, 512 x 1024 x 1024", "int8"].macs == 512 * 1024 * 1024
    for dense in DENSE:
        assert sum(cost.macs for cost in layer_costs(kernel_graph(dense))) == dense.macs


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize("dense", DENSE, ids=IDS)
def test_each_kernel_is_one_layer_of_its_precision(dense: Dense, backend: str) -> None:
    if dense.precision == "int8" and "vnni" not in cpu_features():
        pytest.skip("this processor shows no VNNI")
    feed = {"x": peaks._input(dense)}
    layers = profile_layers(dense.graph(), backend, [feed], threads=1)
    assert [layer.precision for layer in layers if layer.name == "layer"] == [dense.precision]
    if dense.precision == "int8":
        assert len(layers) == 1  # neither conversions nor changes of layout beside it


@pytest.mark.parametrize("dense", DENSE, ids=IDS)
def test_outputs_neither_saturate_nor_fade(dense: Dense) -> None:
    backend = open_backend("onnxruntime", dense.graph(), threads=1)
    x = peaks._input(dense)
    y = backend.run({"x": x})["y"]
    backend.close()
    centre = y[0, 5, 5] if dense.operator == "Conv" else y[0]  # at the border a part of the kernel sees nothing
    assert np.abs(centre.astype(float) - x.mean()).max() < 0.1 * x.mean()


def kernel(backend: str, precision: str, macs: int) -> Kernel:
    return Kernel(
        backend=backend,
        precision=precision,
        title=f"{macs} products",
        macs=macs,
        bytes=0,
        run=lambda number: {"inference": 1.0},
        close=lambda: None,
    )


def test_the_peak_is_the_fastest_kernel_of_each_backend_and_precision_by_its_median() -> None:
    kernels = {
        "a": kernel("onnxruntime", "int8", 2_000_000),
        "b": kernel("onnxruntime", "int8", 4_000_000),
        "c": kernel("onnxruntime", "fp32", 1_000_000),
        "d": kernel("openvino", "int8", 3_000_000),
    }
    times = {
        "a": np.array([2.0, 2.0, 0.1]),  # 1 GMAC/s; one lucky call is no peak
        "b": np.array([1.0, 1.0, 9.0]),  # 4 GMAC/s
        "c": np.array([4.0]),
        "d": np.array([1.0]),
    }
    found = {(peak.backend, peak.precision): (peak.kernel, peak.gmac_s) for peak in best_peaks(kernels, times)}
    assert found == {
        ("onnxruntime", "int8"): ("4000000 products", 4.0),
        ("onnxruntime", "fp32"): ("1000000 products", 0.25),
        ("openvino", "int8"): ("3000000 products", 3.0),
    }


def test_kernels_are_opened_on_the_backends_and_in_the_precisions_asked_for() -> None:
    with ExitStack() as stack:
        found = open_kernels(("onnxruntime",), threads=1, precisions=("int8",))
        for item in found.values():
            stack.callback(item.close)
        assert len(found) == 3
        assert {(item.backend, item.precision) for item in found.values()} == {("onnxruntime", "int8")}
        for item in found.values():
            assert item.run(0)["inference"] > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_bandwidth_copies_an_array_larger_than_the_cache_and_counts_both_ways(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index0").mkdir()
    (tmp_path / "index0" / "size").write_text("48K\n")
    (tmp_path / "index3").mkdir()
    (tmp_path / "index3" / "size").write_text("2M\n")
    monkeypatch.setattr(peaks, "CACHES", tmp_path)
    stream = open_bandwidth(threads)
    assert stream.bytes == 2 * 4 * 2 * 2**20
    assert stream.run(0)["inference"] > 0
    stream.close()


def test_where_the_system_does_not_list_its_caches_a_size_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peaks, "CACHES", tmp_path)
    monkeypatch.setattr(peaks, "CACHE_UNKNOWN", 1 << 20)
    stream = open_bandwidth(1)
    assert stream.bytes == 2 * 4 * 2**20
    stream.close()
