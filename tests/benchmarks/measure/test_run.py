"""The whole of `edgeneuro benchmark`, on engines of one layer; how fast they are, no test says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edgeneuro.benchmarks.document import OURS, Report
from edgeneuro.benchmarks.dual import CLAIMED_SHARE, DUAL_MACS
from edgeneuro.benchmarks.measure.run import benchmark
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.cli.main import main
from edgeneuro.errors import BackendError, DataError
from edgeneuro.manifest import Compute
from edgeneuro.records import from_json, to_json
from tests.benchmarks.frames import flat_data
from tests.runtime.bundles import tiny_graph, tiny_manifest, write_bundle

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/benchmark.schema.json").read_text())
QUICK = Settings(queries=3, budget_s=1.0, threads=1, backends=("onnxruntime",))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))


def write_engine(path: Path, *, macs: int = 3, model: str = "myositis") -> Path:
    graphs = (tiny_graph(), tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8"))
    manifest = tiny_manifest(graphs=graphs, model=model, precision="int8", compute=Compute(params=6, macs=macs))
    return write_bundle(path, manifest)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGENEURO_CACHE", str(folder / "cache"))
        return benchmark(
            [write_engine(folder / "a.edge", macs=DUAL_MACS // 400)], settings=QUICK, command="edgeneuro x"
        )


def test_every_graph_is_a_row_timed_step_by_step(done: Report) -> None:
    assert [row.name for row in done.rows] == ["a.edge: fp32 onnxruntime", "a.edge: int8 onnxruntime"]
    for row in done.rows:
        assert row.tool == OURS and set(row.steps) == {"preprocess", "inference", "postprocess", "total"}
        assert row.steps["total"].at(50).ms >= row.steps["inference"].at(50).ms > 0
        assert len(row.timeline_ms) == row.steps["inference"].queries == 3
        assert row.memory is not None and row.memory.peak_bytes > row.memory.base_bytes > 0
        assert [layer.operator for layer in row.layers]


def test_int8_is_compared_with_float_in_the_same_rounds(done: Report) -> None:
    (found,) = done.comparisons
    assert (found.row, found.reference) == ("a.edge: int8 onnxruntime", "a.edge: fp32 onnxruntime")
    assert found.ratio.low <= found.ratio.p50 <= found.ratio.high
    assert found.verdict == "no verdict"  # three rounds can tell nothing


def test_the_row_that_auto_takes_is_marked_and_explained(done: Report) -> None:
    assert [row.chosen for row in done.rows].count(True) == 1
    assert done.engines[0].auto


def test_what_is_not_measured_says_why(done: Report) -> None:
    for what in ("transfer", "capture", "accuracy", "a.edge: roofline"):
        assert done.not_measured[what]


def test_the_machine_s_peaks_are_of_the_same_run(done: Report) -> None:
    assert {(peak.backend, peak.precision) for peak in done.peaks} == {("onnxruntime", "fp32"), ("onnxruntime", "int8")}
    assert done.bandwidth_gb_s is not None and done.bandwidth_gb_s > 0


def test_operations_are_a_share_of_the_dual_branch_network_s(done: Report) -> None:
    assert done.engines[0].dual_share == pytest.approx(CLAIMED_SHARE)


def test_the_document_is_what_its_schema_says_and_reads_back(done: Report) -> None:
    document = json.loads(json.dumps(to_json(done), allow_nan=False))
    Draft202012Validator(SCHEMA).validate(document)
    assert from_json(Report, document, "report.json") == done


@pytest.mark.parametrize("model", ["mine", "resnet18"])
def test_only_the_light_network_is_set_beside_the_dual_branch_one(tmp_path: Path, model: str) -> None:
    (engine,) = benchmark([write_engine(tmp_path / "a.edge", model=model)], settings=QUICK).engines
    assert engine.dual_share is None


def test_engines_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / "one" / "a.edge", tmp_path / "two" / "a.edge"]
    for path in paths:
        path.parent.mkdir()
        write_engine(path)
    found = benchmark(paths, settings=QUICK)
    assert [engine.name for engine in found.engines] == [str(path) for path in paths]
    assert len({row.name for row in found.rows}) == 4


def test_labelled_frames_judge_every_row(tmp_path: Path) -> None:
    found = benchmark([write_engine(tmp_path / "a.edge")], flat_data(), settings=QUICK)
    fp32, int8 = (row.accuracy for row in found.rows)
    assert fp32 is not None and int8 is not None
    assert fp32.value is not None and fp32.drop_points is None
    assert int8.drop_points is not None and int8.drop_points.value == 0  # the same graph under another name
    assert int8.agreement is not None and int8.agreement.value == 1
    assert sum(map(sum, fp32.confusion)) == fp32.frames
    assert found.protocol.frames.startswith("16 frames of flat")


def test_frames_of_other_classes_are_timed_but_judge_nothing(tmp_path: Path) -> None:
    data = replace(flat_data(), classes=("a", "b", "c"))
    found = benchmark([write_engine(tmp_path / "a.edge")], data, settings=QUICK)
    assert all(row.accuracy is None for row in found.rows)
    assert "knows the classes" in found.not_measured["a.edge: accuracy"]


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no frames"):
        benchmark([write_engine(tmp_path / "a.edge")], flat_data().subset([]), settings=QUICK)


def test_an_unknown_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="not known here"):
        benchmark([write_engine(tmp_path / "a.edge")], settings=replace(QUICK, backends=("onnx",)))


def test_several_frames_in_flight_are_scenarios_of_their_own(tmp_path: Path) -> None:
    settings = replace(QUICK, scenarios=("single-stream", "multi-stream", "offline"))
    (row, _) = benchmark([write_engine(tmp_path / "a.edge")], settings=settings).rows
    assert [found.scenario for found in row.scenarios] == ["multi-stream", "offline"]
    assert all(found.throughput > 0 and not found.conforms and found.missing for found in row.scenarios)


def test_a_soak_is_of_the_chosen_row(tmp_path: Path) -> None:
    rows = benchmark([write_engine(tmp_path / "a.edge")], settings=replace(QUICK, soak_s=0.2)).rows
    assert [row.soak is not None for row in rows] == [row.chosen for row in rows]


def test_the_command_prints_the_document_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = write_engine(tmp_path / "a.edge")
    arguments = ["benchmark", str(engine), "--queries", "2", "--budget", "1", "--backend", "onnxruntime", "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["command"] == f"edgeneuro {' '.join(arguments)}"


def test_people_read_compute_times_machine_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path / "a.edge", macs=81_438_680)
    assert main(["benchmark", str(engine), "--queries", "2", "--budget", "1", "--backend", "onnxruntime", "-q"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "input 1 x 32 x 32, 6 parameters, 81,438,680 MACs a frame",
        "note: not like for like, the dual-branch network's count is for 224 x 224 px",
        "81.44 M MACs are 0.2336 % of the dual-branch network's 34,856.8 M",
        "Tan et al. 2024 claim 0.25 %",
        "int8 onnxruntime",
        "backend=auto: ",
        "rounds of warm-up, all rows in each round",
        "not measured: accuracy: no frames to judge by",
    ):
        assert words in shown


def test_a_worse_engine_than_the_baseline_s_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = write_engine(tmp_path / "a.edge")
    quick = ["benchmark", str(engine), "--queries", "2", "--budget", "1", "--backend", "onnxruntime", "-q"]
    assert main([*quick, "--report", str(tmp_path / "before")]) == 0
    write_engine(engine, macs=30)
    assert main([*quick, "--against", str(tmp_path / "before" / "report.json"), "--ratios-only"]) == 3
    assert "error: " in capsys.readouterr().err


def test_ratios_only_without_a_baseline_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", str(tmp_path / "a.edge"), "--ratios-only"]) == 2
    assert "--against" in capsys.readouterr().err
