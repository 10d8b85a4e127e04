"""Which network PyTorch's rivals run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from edgeneuro.benchmarks.rivals import open as module
from edgeneuro.benchmarks.rivals.network import find_network
from edgeneuro.benchmarks.rivals.open import KINDS, open_rivals
from edgeneuro.data.split import Split
from edgeneuro.errors import ModelFileError
from edgeneuro.export.onnx_export import INPUT, export_onnx
from edgeneuro.files import sha256
from edgeneuro.models.build import build_model
from edgeneuro.training.checkpoint import load_model, packaged, write_checkpoint
from tests.benchmarks.frames import flat_data, split_of
from tests.benchmarks.rivals.toys import toy_frames, toy_graph, toy_logits, toy_source
from tests.checkpoints import checkpoint_config
from tests.runtime.bundles import tiny_manifest
from tests.tiny_graphs import graph_of, positive_frame

SIDE = 64


def split() -> Split:
    return split_of(flat_data(), training=["dark-0"])


def checkpoint(folder: Path, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    config = checkpoint_config()
    network = build_model(config.model, classes=2, channels=1)
    write_checkpoint(folder, network=network, config=config, metrics={}, split=split())
    return network


def test_a_users_own_graph_becomes_pytorchs_operators() -> None:
    feed = toy_frames(1)[0]
    network = find_network(toy_source(), feed)
    with torch.inference_mode():
        (logits,) = network.module(torch.from_numpy(feed[INPUT]))
    np.testing.assert_allclose(logits.numpy(), toy_logits(feed), atol=1e-6)
    assert "float graph in PyTorch's operators" in network.origin


def test_its_weights_are_parameters_so_that_a_layout_or_a_compiler_finds_them() -> None:
    module = find_network(toy_source(), toy_frames(1)[0]).module
    graph = onnx.ModelProto.FromString(toy_graph()).graph
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    weights = sum(array.size for array in arrays if array.dtype.kind == "f")
    assert sum(parameter.numel() for parameter in module.parameters()) == weights
    moved = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    four = [value for value in moved.parameters() if value.ndim == 4 and value.shape[1] > 1]
    assert four and all(value.is_contiguous(memory_format=torch.channels_last) for value in four)


def test_an_operator_that_is_not_translated_is_named() -> None:
    model = graph_of([helper.make_node("Erf", ["x"], ["y"], name="the node")], {}).SerializeToString()
    with pytest.raises(ModelFileError, match="node 'the node': operator Erf is not translated to PyTorch"):
        find_network(toy_source(model=model), {"x": positive_frame()})


def test_an_engine_built_from_the_packaged_weights_is_matched_by_their_hash() -> None:
    folder = packaged("myositis")
    hashed = {"checkpoint": sha256((folder / "model.safetensors").read_bytes())}
    feed = toy_frames(1)[0]
    found = find_network(toy_source(manifest=tiny_manifest(model="myositis", provenance=hashed)), feed)
    assert found.origin.startswith("the packaged network")
    assert {name for name, _ in found.module.named_parameters()} == {
        name for name, _ in load_model(folder).named_parameters()
    }
    other = find_network(toy_source(manifest=tiny_manifest(model="myositis")), feed)
    assert other.origin.startswith("the engine's float graph")


def test_a_network_that_explains_itself_gives_its_class_maps_too(tmp_path: Path) -> None:
    config = checkpoint_config(model="skin", options={"branch_depth": 0})
    network = build_model("skin", classes=2, channels=1, branch_depth=0)
    write_checkpoint(tmp_path / "skin", network=network, config=config, metrics={}, split=split())
    found = find_network(toy_source(checkpoint=tmp_path / "skin"), {})
    assert not found.module.training
    logits, maps = found.module(torch.zeros(1, 1, SIDE, SIDE))
    assert (logits.shape, maps.shape) == ((1, 2), (1, 2, 8, 8))


def test_a_checkpoint_is_run_as_it_was_trained_and_one_of_another_engine_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KINDS", KINDS[:1])
    graph, _ = export_onnx(checkpoint(tmp_path / "own", 0), channels=1, height=SIDE, width=SIDE)
    checkpoint(tmp_path / "other", 1)
    frame = np.random.default_rng(0).random((1, 1, SIDE, SIDE), np.float32)
    source = toy_source(model=graph.SerializeToString(), calibration=[{INPUT: frame}], checkpoint=tmp_path / "own")
    (eager,) = open_rivals(source, threads=1, progress=lambda _: None).opened
    assert "the checkpoint's network, as it was trained" in eager.notes
    wrong = toy_source(model=source.model, calibration=source.calibration, checkpoint=tmp_path / "other")
    missing = open_rivals(wrong, threads=1, progress=lambda _: None).missing
    assert "its outputs differ from the float graph's by" in missing["PyTorch eager"]
