"""What `benchmark` reports; how fast it is, no test says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edgeneuro.benchmarks.latency import CLAIMED_SHARE, DUAL_MACS, benchmark
from edgeneuro.cli.main import main
from edgeneuro.errors import DataError
from edgeneuro.manifest import Compute
from tests.benchmarks.frames import flat_data
from tests.runtime.bundles import tiny_graph, tiny_manifest, write_bundle

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/benchmark.schema.json").read_text())


def write_engine(path: Path, *, macs: int = 3, model: str = "myositis") -> Path:
    graphs = (tiny_graph(), tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8"))
    return write_bundle(path, tiny_manifest(graphs=graphs, model=model, compute=Compute(params=6, macs=macs)))


def test_the_stored_count_of_the_dual_branch_network_is_that_of_its_layers() -> None:
    def convolutions(blocks: tuple[int, ...]) -> int:
        macs, before = 0, 3
        for number, (layers, width) in enumerate(zip(blocks, (64, 128, 256, 512, 512), strict=True)):
            for _ in range(layers):
                macs += 9 * before * width * (224 >> number) ** 2
                before = width
        return macs

    head = 1024 * 1024 + 1024 * 512 + 512 * 256 + 256 * 4
    assert convolutions((2, 2, 3, 3, 3)) + convolutions((2, 2, 4, 4, 4)) + head == DUAL_MACS


def test_float_and_int8_are_measured_in_the_same_rounds_with_their_ratio(tmp_path: Path) -> None:
    engine = write_engine(tmp_path / "a.edge", macs=DUAL_MACS // 400)
    done = benchmark([engine], rounds=5, warm_up=1, threads=1)
    (report,) = done.engines
    fp32, int8 = report.graphs
    assert fp32.inference_ratio is None and int8.inference_ratio is not None and int8.inference_ratio.p50 > 0
    assert set(fp32.ms) == {"preprocess", "inference", "postprocess", "total"}
    assert fp32.ms["total"].p50 >= fp32.ms["inference"].p50 > 0
    assert report.bytes == engine.stat().st_size > sum(report.members.values())
    assert fp32.bytes == report.members["model.onnx"]
    assert report.dual_share == pytest.approx(CLAIMED_SHARE)


def test_a_measured_dual_branch_engine_replaces_the_stored_count(tmp_path: Path) -> None:
    light, dual = write_engine(tmp_path / "a.edge"), write_engine(tmp_path / "b.edge", macs=300, model="myositis-dual")
    assert benchmark([light], rounds=1, warm_up=0).dual_macs == DUAL_MACS
    done = benchmark([light, dual], rounds=1, warm_up=0)
    assert [report.dual_share for report in done.engines] == [0.01, 1.0]
    assert "manifest" in done.dual_source


def test_frames_of_a_data_set_are_named(tmp_path: Path) -> None:
    done = benchmark([write_engine(tmp_path / "a.edge")], flat_data(), rounds=1, warm_up=0)
    assert done.frames == "16 frames of flat, evenly spaced, 40 x 40 px"
    with pytest.raises(DataError, match="holds no frames"):
        benchmark([tmp_path / "a.edge"], flat_data().subset([]), rounds=1, warm_up=0)


def test_the_command_prints_a_document_that_its_schema_describes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path / "a.edge")
    assert main(["benchmark", str(engine), "--rounds", "2", "--warm-up", "0", "--json"]) == 0
    Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))


def test_a_dual_branch_engine_measured_beside_it_is_like_for_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    light, dual = write_engine(tmp_path / "a.edge"), write_engine(tmp_path / "b.edge", macs=300, model="myositis-dual")
    assert main(["benchmark", str(light), str(dual), "--rounds", "1", "--warm-up", "0"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "0.00 M MACs are 1.0000 % of the dual-branch network's 0.0 M (manifest of the myositis-dual" in shown
    assert shown.count("dual-branch network's") == 1 and "not like for like" not in shown


def test_a_file_of_the_user_s_own_is_not_set_beside_the_dual_branch_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path / "a.edge", model="mine")
    assert main(["benchmark", str(engine), "--rounds", "1", "--warm-up", "0"]) == 0
    said = capsys.readouterr()
    assert "dual-branch" not in said.out and said.err == ""


def test_the_report_for_people_has_compute_bytes_quantiles_ratio_and_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path / "a.edge", macs=81_438_680)
    assert main(["benchmark", str(engine), "--rounds", "2", "--warm-up", "0"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "input 1 x 32 x 32, 6 parameters, 81,438,680 MACs a frame",
        "note: not like for like, the dual-branch network's count is for 224 x 224 px",
        "81.44 M MACs are 0.2336 % of the dual-branch network's 34,856.8 M",
        "Tan et al. 2024 claim 0.25 %",
        "fp32 (onnxruntime): ",
        "0 of 0 convolutions in INT8",
        "p50 ┃ p90 ┃ p99",
        "int8 / fp32, same rounds: inference",
        "cores",
        "onnxruntime",
    ):
        assert words in shown
