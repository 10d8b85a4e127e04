"""TensorRT-RTX engines that are built into a bundle, by the real library, on a machine without a GPU."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgeneuro.errors import BackendError, UsageError
from edgeneuro.export import prebuilt
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.forms import FORMS
from edgeneuro.export.lowered import Lowered
from edgeneuro.export.targets import bundle_forms
from edgeneuro.files import sha256
from edgeneuro.manifest import Precision
from edgeneuro.runtime import Bundle, read_bundle
from edgeneuro.runtime.backends.trt.records import BuildReport, BuiltEngine, Layers
from edgeneuro.runtime.backends.trt.records import BuildSettings as DeviceSettings
from edgeneuro.runtime.choose import graphs_on
from edgeneuro.runtime.prebuilt import prebuilt_for
from tests.export.conftest import Exported

needs_rtx = pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="needs the tensorrt-rtx extra")
AMPERE = DeviceSettings(compute_capabilities=("8.6",), max_batch=2)


def built(checkpoint: Path, folder: Path, precision: Precision) -> Bundle:
    settings = BuildSettings(
        precision=precision, calibration_frames=12, search_s=0.0, backends=("tensorrt-rtx",), device=AMPERE
    )
    build_engine(str(checkpoint), folder / "net.edge", settings=settings)
    return read_bundle(folder / "net.edge")


@needs_rtx
@pytest.mark.parametrize(("precision", "graph"), [("fp32", "model.onnx"), ("int8", "graphs/tensorrt.int8.onnx")])
def test_a_bundle_carries_the_engine_of_the_precision_it_was_built_for(
    checkpoint: Path, tmp_path: Path, precision: Precision, graph: str
) -> None:
    bundle = built(checkpoint, tmp_path, precision)
    (engine,) = bundle.manifest.engines
    assert (engine.graph, engine.backend, engine.compute_capabilities) == (graph, "tensorrt-rtx", ("8.6",))
    assert engine.path == f"engines/tensorrt-rtx.{precision}.engine"
    assert engine.convolutions == 16
    assert engine.int8_convolutions == (16 if precision == "int8" else 0)
    (entry,) = [one for one in graphs_on(bundle.manifest, "tensorrt-rtx") if one.path == graph]
    found = prebuilt_for(bundle, entry)
    assert found is not None
    assert found.content == bundle.members[engine.path]
    assert found.identity.graph == sha256(bundle.members[graph])
    assert found.identity.settings.max_batch == 2
    assert prebuilt_for(bundle, replace(entry, backend="tensorrt")) is None


def test_without_the_backend_no_engine_is_built(checkpoint: Path, tmp_path: Path) -> None:
    settings = BuildSettings(precision="fp32", backends=("tensorrt",))
    assert build_engine(str(checkpoint), tmp_path / "net.edge", settings=settings).engines == ()


def test_an_int8_graph_of_which_nothing_runs_in_int8_is_refused(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = Layers(count=3, convolutions=2, int8_convolutions=0, half_convolutions=2, reformats=0, source="build log")
    report = BuildReport(flavour="tensorrt-rtx", version="1.7.1", layers=layers)
    monkeypatch.setattr(prebuilt, "build", lambda *given, **named: BuiltEngine(content=b"engine", report=report))
    graph = Lowered(form=FORMS["tensorrt-mixed"], content=exported.graph.SerializeToString())
    with pytest.raises(BackendError, match=r"none of the 2 convolutions of graphs/tensorrt\.mixed\.onnx in INT8"):
        prebuilt.prebuild({"graphs/tensorrt.mixed.onnx": graph}, AMPERE, progress=lambda step: None)


def test_tensorrt_rtx_reads_the_forms_of_tensorrt() -> None:
    assert [form.name for form in bundle_forms("int8", ("tensorrt-rtx",))] == ["tensorrt"]
    with pytest.raises(UsageError, match=r"abacus: is not known, expected one of .*tensorrt-rtx"):
        bundle_forms("int8", ("abacus",))
