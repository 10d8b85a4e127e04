"""The quantisation study: from a float network to rows, with a runtime's refusal as a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeneuro.benchmarks import quantisation, quantisation_graphs
from edgeneuro.benchmarks.quantisation import STEPS, forget, measure, write
from edgeneuro.benchmarks.quantisation_accuracy import REFERENCE, accuracies, close_calls
from edgeneuro.benchmarks.quantisation_cases import Case, open_cases
from edgeneuro.benchmarks.quantisation_graphs import FLOAT, OURS, Variant, build_graphs
from edgeneuro.benchmarks.quantisation_outputs import output_error
from edgeneuro.benchmarks.quantisation_tables import Measured, accuracy_rows, bars, refusals, rows
from edgeneuro.benchmarks.rivals.quantisers import NNCF, ORT_DEFAULT, ORT_U8S8, RIVALS
from edgeneuro.errors import BackendError, InputError, UsageError
from edgeneuro.export.forms import Form
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.runtime.backends.trt import builder
from edgeneuro.runtime.backends.trt.records import BuildReport, Layers
from tests.benchmarks.quantisation_toy import FRAMES, toy_case


def zero_points(graph: onnx.ModelProto) -> Counter[int]:
    """Element type -> QuantizeLinear nodes that use it."""
    kinds = {tensor.name: tensor.data_type for tensor in graph.graph.initializer}
    return Counter(kinds[node.input[2]] for node in graph.graph.node if node.op_type == "QuantizeLinear")


def evidence(model: bytes, *, uint8_is_error: bool = True) -> BuildReport:
    """A stand-in that warns of UINT8 and refuses INT32, as the library does; its own tests build for real."""
    graph = onnx.ModelProto.FromString(model).graph
    kinds = {tensor.data_type for tensor in graph.initializer}
    if onnx.TensorProto.INT32 in kinds:
        raise BackendError("refuses INT32")
    if onnx.TensorProto.UINT8 in kinds and uint8_is_error:
        raise BackendError("reads UINT8 as INT8")
    layers = Layers(count=2, convolutions=2, int8_convolutions=2, half_convolutions=0, reformats=0, source="build log")
    return BuildReport(flavour="tensorrt-rtx", version="1", layers=layers)


def every_layer(case: Case, forms: Sequence[Form], **_: Any) -> tuple[Plan, tuple[str, ...]]:
    """A plan without a search: every node that a form may place."""
    plan = calibrated_plan(case.graph, case.calibration)
    for form in forms:
        nodes = tuple(node.name for node in quantizable_nodes(case.graph, form))
        plan = with_placement(plan, form.target, nodes)
    return plan, ()


def quick(folder: Path, told: list[str] | None = None) -> Measured:
    tell = (told if told is not None else []).append
    cases = [toy_case(0), toy_case(1)]
    return measure(cases, folder, threads=1, search_s=0.1, budget_s=0.1, progress=tell)


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "evidence", evidence)
        patch.setattr(quantisation_graphs, "our_plan", every_layer)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(folder: Path, patched: None) -> Measured:
    return quick(folder)


def test_the_study_goes_from_a_network_to_one_row_a_tool(study: Measured) -> None:
    tools = {row["tool"]: row for row in rows(study)}
    assert set(tools) == {OURS, *RIVALS}
    assert all(row["convolutions"] == 2 for row in tools.values())
    for name in (OURS, ORT_U8S8):
        assert tools[name]["int8_onnxruntime"] == 2
        assert 0 < tools[name]["error_onnxruntime"] < 0.3
    assert tools[OURS]["accepted"] and not tools[ORT_U8S8]["accepted"]
    assert tools[OURS]["int8_tensorrt"] == 2 and tools[ORT_U8S8]["int8_tensorrt"] is None
    assert tools[ORT_U8S8]["error_tensorrt"] is None


def test_what_was_measured_is_read_back_and_not_run_again(study: Measured, folder: Path) -> None:
    told: list[str] = []
    again = quick(folder, told)
    assert rows(again) == rows(study)
    assert not any("running" in line for line in told)


def test_accuracy_is_of_all_folds_together_and_paired_with_float(study: Measured) -> None:
    found = {(item["tool"], item["runtime"]): item for item in accuracy_rows(study)}
    assert f"{2 * FRAMES} frames of 6 groups" in found[FLOAT, "onnxruntime"]["data"]
    assert found[FLOAT, "onnxruntime"]["drop"] is None
    assert found[OURS, "onnxruntime"]["drop"] is not None
    assert found[OURS, "onnxruntime-arm, emulated"]["agreement"] is not None
    assert (NNCF, "tensorrt, emulated") in found  # it builds, so what it would answer is told
    assert (ORT_DEFAULT, "tensorrt, emulated") not in found


def test_a_graph_that_tensorrt_reads_wrongly_builds_and_is_still_not_accepted(study: Measured) -> None:
    told = {
        item.tool: (item.accepted, item.builds, item.refused) for item in study.checks if item.runtime == "tensorrt"
    }
    assert told[NNCF] == (False, True, "reads UINT8 as INT8")
    assert told[ORT_DEFAULT] == (False, False, "refuses INT32")
    assert told[FLOAT] == (True, True, None)
    assert any("refuses INT32" in line for line in refusals(study))


def test_both_pages_are_written(study: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write([study], threads=1, script="python")
    page = (tmp_path / "docs" / "results" / "quantisation.md").read_text()
    assert "| toy | edgeneuro | 2 |" in page
    assert "times the INT8 floor" in page
    assert "toy, 24 frames" in (tmp_path / "docs" / "results" / "quantisation_accuracy.md").read_text()


def test_a_step_asked_for_again_is_forgotten_and_an_unknown_one_refused(tmp_path: Path) -> None:
    for name in ("graphs.json", "checks.json", "times.json"):
        (tmp_path / name).write_text("{}")
    forget(tmp_path, "times")
    assert {path.name for path in tmp_path.iterdir()} == {"graphs.json", "checks.json"}
    forget(tmp_path, "graphs")
    assert not tmp_path.exists()
    with pytest.raises(UsageError, match=", ".join(STEPS)):
        forget(tmp_path, "lower")


def test_each_rival_quantises_as_its_guide_says() -> None:
    case = toy_case()
    kinds = {name: zero_points(quantise(case.graph, case.calibration)) for name, quantise in RIVALS.items()}
    assert set(kinds[ORT_DEFAULT]) == {onnx.TensorProto.INT8}
    assert set(kinds[ORT_U8S8]) == {onnx.TensorProto.UINT8}
    assert onnx.TensorProto.UINT8 in kinds[NNCF]  # behind each ReLU
    assert not any("QuantizeLinear" in node.op_type for node in case.graph.graph.node)


def test_a_rival_that_fails_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: None) -> None:
    def fails(*_: Any) -> onnx.ModelProto:
        raise RuntimeError("cannot")

    monkeypatch.setattr(quantisation_graphs, "RIVALS", {"other": fails})
    graphs = build_graphs(toy_case(), tmp_path, threads=1, search_s=0.1, progress=lambda _: None)
    assert graphs.refused == {"other": "RuntimeError: cannot"}
    assert {variant.tool for variant in graphs.variants} == {FLOAT, OURS}


def test_output_error_is_relative_to_the_spread_of_the_float_outputs() -> None:
    expected = np.array([[1.0, -1.0], [1.0, -1.0]], np.float32)
    assert output_error(expected, expected) == 0.0
    assert output_error(expected + 0.5, expected) == pytest.approx(0.5)
    assert output_error(10 * expected + 5, 10 * expected) == pytest.approx(0.5)


def test_masks_are_scored_by_dice_and_agree_by_pixel() -> None:
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[:, :2] = 1
    case = replace(toy_case(), truth=masks, groups=("a", "b", "c"), metric="dice")
    exact = np.where(masks, 1.0, -1.0).astype(np.float32)[:, None]
    worse = exact.copy()
    worse[:, 0, 0, 0] = -1.0  # one foreground pixel of eight is lost: Dice 14 / 15
    reference, int8 = (Variant(tool=tool, runtime="onnxruntime", file="") for tool in (FLOAT, OURS))
    reference = replace(reference, file="float.onnx")
    found = {item.tool: item for item in accuracies([(case, {reference: exact, int8: worse})])}
    assert found[FLOAT].score == 1.0 and found[FLOAT].drop.value == 0.0
    assert found[OURS].score == pytest.approx(14 / 15)
    assert found[OURS].drop.value == pytest.approx(100 / 15)
    assert found[OURS].agreement.value == pytest.approx(15 / 16)
    assert found[OURS].agreement.low < 15 / 16


def test_close_calls_are_counted_everywhere_and_among_the_changed() -> None:
    logits = np.array(
        [[0.0, 3.0], [0.0, 0.1], [3.0, 0.0], [0.1, 0.0]], np.float32
    )  # 0.1 apart: 5 points of probability
    changed = logits.copy()
    changed[1] = changed[1][::-1]
    int8 = Variant(tool=OURS, runtime="onnxruntime", file="")
    case = toy_case()
    assert close_calls([(case, {REFERENCE: logits, int8: changed})], int8) == (0.5, 1.0)
    assert close_calls([(case, {REFERENCE: logits, int8: logits})], int8) is None


def test_bars_say_what_was_asked_for_and_whether_it_was_met(study: Measured) -> None:
    floor = study.times.floor
    slow = replace(study, name="unet", times=replace(study.times, floor=replace(floor, ratio=2.0)))
    fast = replace(study, name="unet", times=replace(study.times, floor=replace(floor, ratio=1.2)))
    assert any("at most 1.5; missed" in line for line in bars(slow))
    assert any("at most 1.5; met" in line for line in bars(fast))


def test_an_unknown_network_is_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stanet, resnet18, lite0"):
        open_cases("vgg", nets=tmp_path, stanet=tmp_path)


def test_every_network_of_the_study_can_be_opened_by_name() -> None:
    from edgeneuro.benchmarks.quantisation_cases import CASES

    assert set(quantisation.NETS) <= set(CASES)
