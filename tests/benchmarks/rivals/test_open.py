"""Rivals are made from the same network, answer alike, and one that fails stops no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edgeneuro.benchmarks.rivals import open as module
from edgeneuro.benchmarks.rivals.material import MOST_FRAMES, Material
from edgeneuro.benchmarks.rivals.open import KINDS, Kind, open_rivals
from edgeneuro.benchmarks.rivals.rival import Opened, Rival, Rivals
from edgeneuro.errors import DataError
from edgeneuro.export.onnx_export import INPUT, OUTPUT
from edgeneuro.spec import Array, Feed
from tests.benchmarks.rivals.toys import CLASSES, toy_frames, toy_logits, toy_source
from tests.runtime.bundles import tiny_onnx

COMPILED = "torch.compile"


def silent(_: str) -> None: ...


def only(monkeypatch: pytest.MonkeyPatch, *tools: str) -> None:
    monkeypatch.setattr(module, "KINDS", tuple(kind for kind in KINDS if kind.tool in tools))


def kind(run: Callable[[Feed], Mapping[str, Array]], *, precision: str = "int8") -> Kind:
    """A rival that answers with `run`."""
    return Kind(tool="made up", backend="none", precision=precision, open=lambda _: Opened(run=run, close=lambda: None))


@pytest.fixture(scope="module")
def rivals() -> Iterator[Rivals]:
    """All but torch.compile, which takes as long as all others together."""
    pytest.importorskip("openvino", reason="needs the openvino extra")
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KINDS", tuple(one for one in KINDS if one.tool != COMPILED))
        opened = open_rivals(toy_source(), threads=1, progress=told.append)
    assert told[0] == "making rival 1 of 9, PyTorch eager"
    yield opened
    for rival in opened.opened:
        rival.close()


def named(rivals: Rivals, tool: str) -> Rival:
    found = [rival for rival in rivals.opened if rival.tool == tool]
    if not found and "bfloat16" in rivals.missing.get(tool, ""):
        pytest.skip("this processor has no bfloat16 arithmetic")
    return found[0]


def test_every_rival_is_there_or_says_why_not(rivals: Rivals) -> None:
    assert {rival.tool for rival in rivals.opened} | set(rivals.missing) == {one.tool for one in KINDS} - {COMPILED}
    assert set(rivals.missing) <= {"OpenVINO bf16"}
    assert len({rival.tool for rival in rivals.opened}) == len(rivals.opened)
    assert all(rival.seconds > 0 and rival.notes for rival in rivals.opened)


def test_float_rivals_answer_as_the_network_does(rivals: Rivals) -> None:
    found = [rival for rival in rivals.opened if rival.precision == "fp32"]
    assert {rival.tool for rival in found} == {"PyTorch eager", "ONNX Runtime", "OpenVINO"}
    for rival in found:
        for feed in toy_frames():
            np.testing.assert_allclose(rival.run(feed)[OUTPUT], toy_logits(feed), atol=1e-5, err_msg=rival.tool)


def test_the_others_answer_nearly_so_and_not_exactly(rivals: Rivals) -> None:
    for rival in rivals.opened:
        if rival.precision == "fp32":
            continue
        off = max(float(np.abs(rival.run(feed)[OUTPUT] - toy_logits(feed)).max()) for feed in toy_frames())
        assert 1e-5 < off < 0.1, rival.tool


def test_bfloat16_is_coarser_than_float_and_finer_than_int8(rivals: Rivals) -> None:
    def error(tool: str) -> float:
        run = named(rivals, tool).run
        return float(np.mean([np.abs(run(feed)[OUTPUT] - toy_logits(feed)).mean() for feed in toy_frames()]))

    assert error("OpenVINO") < error("OpenVINO bf16") < error("ONNX Runtime static INT8")


def test_graphs_are_what_the_library_was_given(rivals: Rivals) -> None:
    assert named(rivals, "PyTorch eager").graph is None
    assert named(rivals, "ONNX Runtime").graph == toy_source().model
    assert named(rivals, "OpenVINO").graph == toy_source().model
    raw = [named(rivals, f"NNCF raw ONNX on {runtime}").graph for runtime in ("ONNX Runtime", "OpenVINO")]
    assert raw[0] == raw[1]
    for rival in rivals.opened:
        if rival.precision == "int8" and rival.tool != "OpenVINO NNCF INT8":
            nodes = {node.op_type for node in onnx.ModelProto.FromString(rival.graph or b"").graph.node}
            assert "DequantizeLinear" in nodes, rival.tool
    own = named(rivals, "OpenVINO NNCF INT8").graph
    assert own is not None and b"FakeQuantize" in own


def test_openvino_is_compiled_for_one_frame(rivals: Rivals) -> None:
    for tool in ("OpenVINO", "OpenVINO NNCF INT8", "NNCF raw ONNX on OpenVINO"):
        assert "compiled for a batch of 1" in named(rivals, tool).notes, tool


def test_torch_compile_answers_as_the_network_does(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    only(monkeypatch, COMPILED)
    (rival,) = open_rivals(toy_source(), threads=1, progress=silent).opened
    for feed in toy_frames():
        np.testing.assert_allclose(rival.run(feed)[OUTPUT], toy_logits(feed), atol=1e-5)


def test_torch_compile_without_a_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # else an earlier result needs no compiler
    monkeypatch.setattr(config.cpp, "cxx", (None, str(tmp_path / "no compiler")))
    only(monkeypatch, COMPILED, "ONNX Runtime")
    rivals = open_rivals(toy_source(), threads=1, progress=silent)
    assert rivals.missing == {COMPILED: "torch.compile: found no C++ compiler; install g++"}
    assert [rival.tool for rival in rivals.opened] == ["ONNX Runtime"]


def test_pytorch_gets_as_many_threads_as_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "PyTorch eager")
    for threads in (1, 2):
        open_rivals(toy_source(), threads=threads, progress=silent)
        assert torch.get_num_threads() == threads


def test_a_rival_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> Callable[[Material], Opened]:
        def make(_: Material) -> Opened:
            raise error

        return make

    gone = ImportError("No module named 'nncf.torch'", name="nncf.torch")
    last = next(one for one in KINDS if one.tool == "ONNX Runtime")
    kinds = (
        Kind(tool="first", backend="", precision="int8", open=fails(ValueError("the reason\nand much more"))),
        Kind(tool="second", backend="", precision="int8", open=fails(gone)),
        last,
    )
    monkeypatch.setattr(module, "KINDS", kinds)
    rivals = open_rivals(toy_source(), threads=1, progress=silent)
    assert rivals.missing == {
        "first": "ValueError: the reason",
        "second": "nncf is not installed; run: pip install 'edgeneuro[export]'",
    }
    assert [rival.tool for rival in rivals.opened] == ["ONNX Runtime"]


def test_a_float_rival_that_answers_something_else_is_left_out_with_the_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (frame,) = toy_frames(1)
    wrong = 1.01 * toy_logits(frame)
    monkeypatch.setattr(module, "KINDS", (kind(lambda _: {OUTPUT: wrong}, precision="fp32"),))
    reason = open_rivals(toy_source(), threads=1, progress=silent).missing["made up"]
    assert "differ from the float graph's by 0.01 of the largest" in reason
    monkeypatch.setattr(module, "KINDS", (kind(lambda _: {OUTPUT: wrong}),))
    assert open_rivals(toy_source(), threads=1, progress=silent).missing == {}


@pytest.mark.parametrize("answer", [{}, {OUTPUT: np.zeros((1, CLASSES + 1))}, {OUTPUT: np.full((1, CLASSES), np.nan)}])
def test_outputs_that_are_none_are_left_out_at_any_precision(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    monkeypatch.setattr(module, "KINDS", (kind(lambda _: answer),))
    assert "finite ones of the same shape" in open_rivals(toy_source(), threads=1, progress=silent).missing["made up"]


def test_the_table_of_rivals_wakes_no_library() -> None:
    code = "import sys, edgeneuro.benchmarks.rivals.open; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "nncf", "openvino", "onnxruntime"} & set(done.stdout.split())


def test_a_quantiser_sees_at_most_300_frames() -> None:
    frame = toy_frames(1)[0]
    assert len(Material(toy_source(calibration=[frame] * 400), 1).frames) == MOST_FRAMES


def test_without_frames_nothing_is_made() -> None:
    with pytest.raises(DataError, match="toy: got no calibration frames"):
        open_rivals(toy_source(calibration=[]), threads=1, progress=silent)


def test_a_graph_with_several_inputs_and_outputs_has_rivals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="needs the openvino extra")
    nodes = [onnx.helper.make_node("Add", ["a", "b"], ["sum"]), onnx.helper.make_node("Sub", ["a", "b"], ["apart"])]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "two",
        [info(name, onnx.TensorProto.FLOAT, ["batch", 4]) for name in "ab"],
        [info(name, onnx.TensorProto.FLOAT, ["batch", 4]) for name in ("apart", "sum")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    feed = {"a": np.arange(4, dtype=np.float32)[None], "b": np.ones((1, 4), np.float32)}
    only(monkeypatch, "PyTorch eager", "ONNX Runtime", "OpenVINO")
    rivals = open_rivals(toy_source(model=model.SerializeToString(), calibration=[feed]), threads=1, progress=silent)
    assert rivals.missing == {}
    for rival in rivals.opened:
        outputs = rival.run(feed)
        np.testing.assert_array_equal(outputs["apart"], [[-1, 0, 1, 2]])
        np.testing.assert_array_equal(outputs["sum"], [[1, 2, 3, 4]])


def test_inputs_that_are_not_contiguous_are_read_right(rivals: Rivals) -> None:
    frame = toy_frames(1)[0][INPUT]
    turned = np.asfortranarray(frame.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2)
    for rival in rivals.opened:
        plain = rival.run({INPUT: frame})[OUTPUT].copy()
        np.testing.assert_allclose(rival.run({INPUT: turned})[OUTPUT], plain, atol=1e-6, err_msg=rival.tool)


def test_a_graph_of_one_layer_has_rivals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "PyTorch eager", "ONNX Runtime static INT8")
    rivals = open_rivals(toy_source(model=tiny_onnx()), threads=1, progress=silent)
    assert len(rivals.opened) == 2
