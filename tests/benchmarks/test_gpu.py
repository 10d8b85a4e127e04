"""The GPU benchmark without a GPU: on fakes, on the processor, and on numbers made up; none of it is a result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from edgeneuro.benchmarks import gpu, gpu_state
from edgeneuro.benchmarks.gpu_graphs import tensorrt_graphs
from edgeneuro.benchmarks.gpu_portable import portable_outcomes
from edgeneuro.benchmarks.gpu_rows import Batches, GpuRow, Transfers, check_batches, host_batches, on_gpu, tensorrt_rows
from edgeneuro.benchmarks.gpu_torch import torch_rows
from edgeneuro.benchmarks.rivals.network import Network
from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import BackendError, UsageError
from edgeneuro.export.plan import Plan
from edgeneuro.runtime import Bundle, read_bundle
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.spec import Feed
from tests.fakes.use import FakeGpu, fake_gpu, no_gpu
from tests.gpu import needs_gpu
from tests.runtime.bundles import SIDE, logits_of, tiny_layer, tiny_manifest, tiny_members, tiny_onnx, write_bundle
from tests.tiny_graphs import graph_of

HOST: Transfers = "host to host"
RESIDENT: Transfers = "input on the GPU"


@pytest.fixture(autouse=True)
def own_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache for each test: a fake's engine is no use to another fake."""
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "tiny.edge"))


def frames(count: int) -> list[Feed]:
    return [{"image": np.random.default_rng(n).random((1, 1, SIDE, SIDE), np.float32)} for n in range(count)]


def test_batches_take_the_frames_in_turn_and_no_two_are_alike() -> None:
    ones = [{"image": np.full((1, 2), number, np.float32)} for number in range(3)]
    batches = host_batches(ones, 2)
    assert [batch["image"][:, 0].tolist() for batch in batches] == [[0, 1], [1, 2], [2, 0]]


def test_a_network_of_fixed_batch_refuses_another(bundle: Bundle) -> None:
    check_batches(bundle, (1, 32))
    spec = replace(bundle.manifest.inputs[0], shape=(1, 1, SIDE, SIDE))
    fixed = replace(bundle, manifest=replace(bundle.manifest, inputs=(spec,)))
    check_batches(fixed, (1,))
    with pytest.raises(UsageError, match="--batch 32: the network takes 1 frame"):
        check_batches(fixed, (1, 32))


def convolution_bundle(placed: tuple[str, ...]) -> Bundle:
    """One 1 x 1 convolution, with a plan."""
    import onnx

    weights = np.eye(8, dtype=np.float32)[:, :, None, None]
    model = graph_of([onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], {"w": weights})
    plan = Plan(method="by hand", ranges={"x": Range(-1.0, 1.0)}, biases={}, placement={"tensorrt": placed})
    members = {"model.onnx": model.SerializeToString(), "ranges.json": plan.to_bytes()}
    return Bundle(manifest=tiny_manifest(), members=members)


def test_precisions_that_a_bundle_does_not_hold_are_lowered_from_its_plan() -> None:
    graphs = tensorrt_graphs(convolution_bundle(("conv",)))
    assert list(graphs) == ["fp32", "fp16", "int8", "mixed"]
    assert [b"QuantizeLinear" in graph for graph in graphs.values()] == [False, False, True, True]
    assert [b"Cast" in graph for graph in graphs.values()] == [False, True, False, True]


def test_nothing_is_called_int8_where_the_plan_places_nothing(bundle: Bundle) -> None:
    assert list(tensorrt_graphs(convolution_bundle(()))) == ["fp32", "fp16"]
    assert list(tensorrt_graphs(bundle)) == ["fp32", "fp16"]


def rows_on(fake: FakeGpu, models: Mapping[str, bytes], size: int) -> tuple[list[GpuRow], dict[str, str], list[Any]]:
    """The rows, what is missing, and the outputs of every row for batch 1."""
    feeds = host_batches(frames(3), size)
    with closing(open_cuda()) as cuda, ExitStack() as stack:
        batches = Batches(size=size, host=feeds, resident=on_gpu(cuda, feeds))
        rows, missing = tensorrt_rows(models, batches, stack)
        outputs = [row.run(1)["logits"] for row in rows]
    assert (fake.live, fake.problems) == ({}, [])
    return rows, missing, outputs


def test_tensorrt_runs_with_and_without_graphs_from_the_host_and_from_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_gpu(monkeypatch, tensorrt="10.3.0")
    rows, missing, outputs = rows_on(fake, {"fp32": tiny_onnx()}, 2)
    assert [(row.setting, row.transfers) for row in rows] == [
        ("CUDA graphs", HOST),
        ("CUDA graphs", RESIDENT),
        ("no CUDA graphs", HOST),
        ("no CUDA graphs", RESIDENT),
    ]
    assert len({row.name for row in rows}) == 4
    assert all(row.tool.startswith("TensorRT 1") for row in rows)
    expected = logits_of(host_batches(frames(3), 2)[1]["image"])
    for found in outputs:
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert list(missing) == ["TensorRT-RTX"] and "not installed" in missing["TensorRT-RTX"]


def test_graphs_that_cannot_be_captured_are_not_called_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_gpu(monkeypatch, tensorrt="11.4.0", captures=False)
    rows, _, _ = rows_on(fake, {"fp32": tiny_onnx()}, 1)
    assert {row.setting for row in rows} == {"CUDA graphs refused", "no CUDA graphs"}


def test_a_graph_that_tensorrt_refuses_is_missing_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="9.0")
    rows, missing, _ = rows_on(fake, {"fp32": tiny_onnx()}, 1)
    assert rows == []
    refused = [why for what, why in missing.items() if what.startswith("TensorRT-RTX 1.7.1")]
    assert len(refused) == 2 and all("9.0" in why for why in refused)


def tiny_network() -> Network:
    """What `tiny_onnx` computes, in PyTorch."""
    dense = torch.nn.Linear(1, 3)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor([[-40.0], [0.0], [40.0]]))
        dense.bias.copy_(torch.tensor([12.0, 0.0, -28.0]))
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), dense)
    return Network(module=module, inputs=("image",), outputs=("logits",), origin="by hand")


def test_pytorch_answers_as_the_network_does_in_both_precisions_and_from_both_places() -> None:
    feeds = host_batches(frames(3), 2)
    batches = Batches(size=2, host=feeds, resident=())
    rows, missing = torch_rows(tiny_network(), batches, device="cpu", compiled=False)
    assert missing == {}
    assert [(row.precision, row.transfers) for row in rows] == [
        ("fp32", HOST),
        ("fp32", RESIDENT),
        ("fp16", HOST),
        ("fp16", RESIDENT),
    ]
    for row in rows:
        found, tolerance = row.run(1)["logits"], 1e-4 if row.precision == "fp32" else 0.05
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, logits_of(feeds[1]["image"]), atol=tolerance)
    assert np.any(rows[2].run(1)["logits"] != rows[0].run(1)["logits"])  # FP16 rounds


def tiny_engine(folder: Path) -> Path:
    """With one layer whose cost is known."""
    compute = replace(tiny_manifest().compute, layers=(tiny_layer(),))
    manifest = tiny_manifest(compute=compute)
    return write_bundle(folder / "tiny.edge", manifest, tiny_members(manifest))


def test_the_whole_run_says_what_it_ran_on_and_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = fake_gpu(monkeypatch, tensorrt="10.3.0")
    with closing(open_cuda()) as cuda:
        run = gpu.measure(tiny_engine(tmp_path), cuda, checkpoint=None, sizes=(1, 4), rounds=16, seed=0)
    assert fake.live == {}
    assert {(row["batch"], row["precision"], row["setting"]) for row in run.rows} == {
        (batch, precision, setting)
        for batch in (1, 4)
        for precision in ("fp32", "fp16")
        for setting in ("CUDA graphs", "no CUDA graphs")
    }
    assert all(row["difference"] < 0.01 for row in run.rows)
    assert run.facts["gpu"] == "Fake Orin" and run.facts["rounds"] == {"batch 1": 16, "batch 4": 16}
    assert "torch" in run.missing["PyTorch, and with it the floor"]

    gpu.write_gpu(run, "python -m ...", tmp_path)
    page = (tmp_path / "gpu.md").read_text()
    assert len(json.loads((tmp_path / "gpu.json").read_text())["rows"]) == len(run.rows) == 16
    for words in ("Fake Orin", "compute capability: 8.7", "host to host", "Missing: PyTorch", "One row against itself"):
        assert words in page


def command(engine: Path, out: Path) -> Result:
    app = typer.Typer()
    app.command()(gpu.main)
    return CliRunner().invoke(app, [str(engine), "--batch", "1", "--frames", "16", "--no-portable", "--out", str(out)])


def test_without_a_gpu_the_command_says_why_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_gpu(monkeypatch, tensorrt="10.3.0")
    done = command(tiny_engine(tmp_path), tmp_path / "out")
    assert done.exit_code == 1
    assert "no GPU: " in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("known", [(), ("NVIDIA H100",)])
def test_nothing_is_written_for_a_device_that_the_driver_does_not_know(
    known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = fake_gpu(monkeypatch, tensorrt="10.3.0")
    monkeypatch.setattr(gpu_state, "driver_devices", lambda: known)
    done = command(tiny_engine(tmp_path), tmp_path / "out")
    assert done.exit_code == BackendError.exit_code
    assert "names 'Fake Orin'" in done.output and (known[0] if known else "none") in done.output
    assert fake.live == {}
    assert not (tmp_path / "out").exists()


def test_what_the_driver_knows_is_measured_and_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    monkeypatch.setattr(gpu_state, "driver_devices", lambda: ("Fake Orin",))
    done = command(tiny_engine(tmp_path), tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gpu.json", "gpu.md"]


def test_portable_engines_are_tried_one_by_one_and_every_refusal_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu(monkeypatch, rtx="1.7.1", compute_capability="8.9")
    outcomes = portable_outcomes(tiny_onnx(), (("8.9",), ("8.6",), ("9.0",)))
    assert [outcome.target for outcome in outcomes] == ["8.9", "8.6", "9.0"]
    fits, other, unknown = outcomes
    assert (fits.built, fits.validity, fits.loaded, fits.context) == (True, "VALID", True, True)
    assert fits.difference == pytest.approx(0.0, abs=1e-4)
    assert (other.built, other.loaded, other.context, other.difference) == (True, False, None, None)
    assert any("compute capability" in line for line in other.said)
    assert unknown.built is False and "9.0" in unknown.said[0]


@pytest.mark.gpu
def test_a_real_gpu_runs_everything_there_is_beside_the_floor(tmp_path: Path) -> None:
    needs_gpu()
    with closing(open_cuda()) as cuda:
        run = gpu.measure(tiny_engine(tmp_path), cuda, checkpoint=None, sizes=(1, 4), rounds=32, seed=0)
    assert run.rows, run.missing
    assert all(row["difference"] < 0.05 for row in run.rows)
    if "PyTorch, and with it the floor" not in run.missing:
        assert all(row["floor_ms"] > 0.0 for row in run.rows)
