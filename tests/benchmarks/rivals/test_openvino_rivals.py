"""OpenVINO's rivals: crashes stay in a child process, and nothing is reported to anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.rivals import open as module
from edgeneuro.benchmarks.rivals import openvino_rivals
from edgeneuro.benchmarks.rivals.open import KINDS, open_rivals
from edgeneuro.benchmarks.rivals.openvino_ir import compile_ir, pack_ir
from edgeneuro.errors import BackendError
from edgeneuro.export.onnx_export import INPUT, OUTPUT
from tests.benchmarks.rivals.toys import toy_frames, toy_graph, toy_logits, toy_source

pytest.importorskip("openvino", reason="needs the openvino extra")

AUDITED = """
import sys, threading

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        print("NETWORK", event, arguments, flush=True)
        raise ConnectionRefusedError(event)

sys.addaudithook(refuse)
from edgeneuro.benchmarks.rivals import open as module
from tests.benchmarks.rivals.toys import toy_source
wanted = ("OpenVINO NNCF INT8", "NNCF raw ONNX on ONNX Runtime")
module.KINDS = tuple(kind for kind in module.KINDS if kind.tool in wanted)
rivals = module.open_rivals(toy_source(), threads=1, progress=lambda _: None)
for thread in threading.enumerate():
    if thread is not threading.main_thread() and not thread.daemon:
        thread.join(10)
print("MADE", *sorted(rival.tool for rival in rivals.opened), sep=",", flush=True)
"""


@pytest.fixture
def float_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KINDS", tuple(kind for kind in KINDS if kind.tool == "OpenVINO"))


def test_a_graph_survives_the_way_to_a_child_process() -> None:
    import openvino

    ir = pack_ir(openvino.Core().read_model(toy_graph()))
    feed = toy_frames(1)[0]
    for shapes in ({}, {INPUT: feed[INPUT].shape}):
        compiled = compile_ir(ir, shapes, {"INFERENCE_PRECISION_HINT": "f32"})
        np.testing.assert_allclose(compiled(dict(feed))[OUTPUT], toy_logits(feed), atol=1e-5)


@pytest.mark.usefixtures("float_only")
def test_a_graph_that_crashes_the_child_never_reaches_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_rivals, "PROBE", "tests.runtime.backends.crashing_probe")
    monkeypatch.setattr(openvino_rivals, "compile_ir", None)
    missing = open_rivals(toy_source(), threads=1, progress=lambda _: None).missing
    assert "OpenVINO: compiling the graph: crashed with SIGSEGV" in missing["OpenVINO"]


@pytest.mark.usefixtures("float_only")
@pytest.mark.parametrize(
    ("crashes", "told"),
    [("fused", "without fusion of small operators"), ("one frame", "compiled for any batch")],
)
def test_the_first_way_that_does_not_crash_is_taken_and_told(
    monkeypatch: pytest.MonkeyPatch, crashes: str, told: str
) -> None:
    def child(what: str, module: str, arguments: tuple[str, ...], data: bytes, *, timeout_s: float) -> None:
        shapes, settings = map(json.loads, arguments)
        if (crashes == "fused" and "SNIPPETS_MODE" not in settings) or (crashes == "one frame" and shapes):
            raise BackendError(f"{what}: crashed with SIGSEGV")

    monkeypatch.setattr(openvino_rivals, "run_child", child)
    (rival,) = open_rivals(toy_source(), threads=1, progress=lambda _: None).opened
    assert any(told in note for note in rival.notes)
    feed = toy_frames(1)[0]
    np.testing.assert_allclose(rival.run(feed)[OUTPUT], toy_logits(feed), atol=1e-5)


def test_quantising_with_nncf_opens_no_connection(tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    done = subprocess.run(
        [sys.executable, "-c", AUDITED],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=Path(__file__).parents[3],
        env={**plain, "HOME": str(tmp_path)},
    )
    assert "MADE,NNCF raw ONNX on ONNX Runtime,OpenVINO NNCF INT8" in done.stdout, done.stderr
    assert "NETWORK" not in done.stdout
