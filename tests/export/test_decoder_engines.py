"""Decoders from a checkpoint to an engine, and from a large one to smaller ones."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from edgeneuro.benchmarks.accuracy import evaluate
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.data import open_data
from edgeneuro.data.recordings.as_data import as_data
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.cached_plan import cached_plans
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.make_plan import DEFAULT_METHOD
from edgeneuro.export.plan import with_placement
from edgeneuro.export.prune import start
from edgeneuro.export.prune.low_rank import factorise
from edgeneuro.export.prune.run import PruneSettings, prune
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.qat import QatSettings, train_qat
from edgeneuro.export.source import load_source
from edgeneuro.export.targets import bundle_forms
from edgeneuro.manifest import Manifest
from edgeneuro.models.v1 import build_mlp
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.decode import decode_trials
from edgeneuro.training import fit
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics
from edgeneuro.training.fit import train
from edgeneuro.training.settings import TrainSettings
from tests.benchmarks.compare.running import run
from tests.gratings import write_session

SCHEMA = Path(__file__).parents[2] / "docs/schemas/manifest.schema.json"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session") / "mouse.npz")


@pytest.fixture(scope="module")
def checkpoint(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = TrainSettings.of(
        "v1-mlp", data=str(session), epochs=10, batch_size=8, learning_rate=3e-2, options={"widths": [32, 16]}
    )
    return train(settings, tmp_path_factory.mktemp("trained") / "run", threads=1).folder


@pytest.fixture(scope="module")
def built(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A float engine."""
    out = tmp_path_factory.mktemp("engine") / "mouse.edge"
    return out, build_engine(str(checkpoint), out, settings=BuildSettings(precision="fp32"))


def test_the_graph_takes_response_vectors_as_recorded(checkpoint: Path) -> None:
    model = load_source(str(checkpoint))
    (spec,) = model.inputs
    assert (spec.name, spec.shape, spec.dtype) == ("responses", (-1, 18), "float32")
    assert model.compute.macs == 18 * 32 + 32 * 16 + 16 * 4


def test_the_manifest_names_the_session_and_fits_its_schema(built: tuple[Path, Manifest], checkpoint: Path) -> None:
    _, manifest = built
    assert manifest.session == read_config(checkpoint).session and manifest.preprocess is None
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(manifest.to_bytes()))
    assert manifest.accuracy is not None and manifest.accuracy.data.frames == 8


def test_engine_and_checkpoint_decode_alike(built: tuple[Path, Manifest], checkpoint: Path, session: Path) -> None:
    data = open_data(str(session))
    assert data.recording is not None
    with open_engine(built[0]) as engine, torch.no_grad():
        logits = load_model(checkpoint)(torch.from_numpy(data.recording.responses))
        expected = [data.classes[number] for number in logits.argmax(1).tolist()]
        assert [done.label for done in decode_trials(engine, data.recording)] == expected


def test_evaluate_takes_either_and_refuses_another_session(
    built: tuple[Path, Manifest], checkpoint: Path, session: Path, tmp_path: Path
) -> None:
    data, other = open_data(str(session)), open_data(str(write_session(tmp_path / "other.npz")))
    for source in (built[0], checkpoint):
        with open_predictor(source) as predictor:
            (level,) = evaluate(predictor, data).levels
            assert level.units == 8
            with pytest.raises(DataError, match=r"was trained on session mouse .* got session other"):
                evaluate(predictor, other)


def test_compare_takes_both_and_refuses_another_session(
    built: tuple[Path, Manifest], checkpoint: Path, session: Path, tmp_path: Path
) -> None:
    data, other = open_data(str(session)), open_data(str(write_session(tmp_path / "other.npz")))
    done = run(checkpoint, built[0], data=data)
    assert [one.verdict for one in done.executables if one.executable.precision == "fp32"] == ["pass"]
    with pytest.raises(DataError, match=r"was trained on session mouse .* got session other"):
        run(checkpoint, built[0], data=other)
    assert data.session is not None and other.session is not None
    assert data.session.neurons == other.session.neurons  # shapes fit: nothing but the session tells them apart


def test_int8_keeps_what_is_decoded_and_says_what_stays_in_float(
    checkpoint: Path, session: Path, tmp_path: Path
) -> None:
    out, data, model = tmp_path / "mouse-int8.edge", open_data(str(session)), load_source(str(checkpoint))
    feeds = [model.feed(model.read(data, sample)) for sample in data.samples]
    (plan,) = cached_plans(model, feeds, [DEFAULT_METHOD])[0].values()
    layers = [node.name for node in model.graph.graph.node if node.op_type == "Gemm"]
    for form in bundle_forms("int8", ("onnxruntime",)):
        plan = with_placement(plan, form.target, tuple(layers[:2]))
    manifest = build_engine(str(checkpoint), out, settings=BuildSettings(backends=("onnxruntime",), plan=plan))
    assert any(f"2 of 3 fully connected layers in INT8, in float: {layers[2]}" in note for note in manifest.notes)
    assert manifest.calibration is not None and manifest.calibration.bit_depths == ()
    assert data.recording is not None
    with open_engine(out, precision="int8") as rounded, open_engine(out, precision="fp32") as whole:
        pairs = list(zip(*(decode_trials(engine, data.recording) for engine in (rounded, whole)), strict=True))
    assert np.mean([one.label == other.label for one, other in pairs]) > 0.9
    assert any(one.probabilities != other.probabilities for one, other in pairs)


def test_low_rank_goes_on_from_a_decoder_and_cutting_channels_is_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "factorise", partial(factorise, smallest=1))
    result = prune(checkpoint, tmp_path / "thin", PruneSettings(low_rank=0.5, epochs=1), threads=1)
    macs = result.metrics["pruned"]["macs"]
    assert macs[1] < macs[0] and result.config.session == read_config(checkpoint).session
    assert load_model(tmp_path / "thin")(torch.zeros(1, 18)).shape == (1, 4)
    with pytest.raises(UsageError, match="--target-macs, --sparsity, --pattern: got v1-mlp"):
        prune(checkpoint, tmp_path / "cut", PruneSettings(how=CutSettings(target_macs=0.5)))


def test_low_rank_leaves_principal_components_whole() -> None:
    network = build_mlp(classes=2, neurons=30, widths=(20,), components=10)
    assert factorise(network, energy=0.3, smallest=1).keys() == {"body.1", "body.5"}


@pytest.mark.parametrize(
    ("name", "params", "macs"), [("v1-cnn2d", 360_112, 47_139_936), ("v1-cnn3d", 334_112, 227_466_384)]
)
def test_networks_on_the_grid_become_engines_of_their_published_size(
    name: str, params: int, macs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = simulate_session(0, neurons=12, images=12, classes=2, shape=(8, 16), spontaneous=12).recording
    data = as_data(recording)
    monkeypatch.setattr(fit, "open_data", lambda *_, **__: data)
    checkpoint = train(TrainSettings.of(name, epochs=1), tmp_path / "run", threads=1).folder
    model = load_source(str(checkpoint))
    others = 16 - 2  # published sizes are of 16 classes, each with 128 weights and a bias
    assert (model.compute.params, model.compute.macs) == (params - 129 * others, macs - 128 * others)
    assert {"Gather", "ReduceSum", "AveragePool"} <= {node.op_type for node in model.graph.graph.node}
    feeds = [model.feed(model.read(data, sample)) for sample in data.samples[:4]]
    (plan,) = cached_plans(model, feeds, [DEFAULT_METHOD])[0].values()
    layers = tuple(node.name for node in model.graph.graph.node if node.op_type == "Conv")
    for form in bundle_forms("int8", ("onnxruntime",)):
        plan = with_placement(plan, form.target, layers)
    out = tmp_path / "grid.edge"
    manifest = build_engine(
        str(checkpoint), out, settings=BuildSettings(backends=("onnxruntime",), plan=plan), data=data
    )
    here = next(graph for graph in manifest.graphs if graph.precision == "int8" and graph.checked == "run")
    assert here.int8_convolutions == 3, manifest.notes
    with open_engine(out, precision="int8") as rounded, open_engine(out, precision="fp32", backend="openvino") as whole:
        answers = [list(decode_trials(engine, recording)) for engine in (rounded, whole)]
    found, expected = [[list(done.probabilities.values()) for done in given] for given in answers]
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_a_decoder_teaches_a_smaller_one(checkpoint: Path, tmp_path: Path) -> None:
    settings = DistilSettings(options={"widths": [8]}, epochs=2, batch_size=8)
    result = distil(str(checkpoint), "v1-mlp", tmp_path / "taught", settings, threads=1)
    assert result.metrics["teacher"]["test"]["accuracy"] == read_metrics(checkpoint)["test"]["accuracy"]
    assert result.config.taught and len(result.metrics["lesson"]["soft"]) == 2
    with pytest.raises(UsageError, match="takes frames, its teacher v1-mlp responses of neurons"):
        distil(str(checkpoint), "myositis", tmp_path / "frames", DistilSettings(data="phantom"))
    with pytest.raises(UsageError, match="--unlabelled, --mixing: are for frames"):
        distil(str(checkpoint), "v1-mlp", tmp_path / "mixed", replace(settings, mixing=0.5))


def test_a_decoder_is_trained_on_in_float_and_not_with_rounding(checkpoint: Path, tmp_path: Path) -> None:
    settings = QatSettings(target=None, epochs=1)
    result = train_qat(checkpoint, tmp_path / "on", settings, threads=1)
    assert result.config.made_from is not None and result.config.session == read_config(checkpoint).session
    with pytest.raises(UsageError, match="--qat: got v1-mlp"):
        train_qat(checkpoint, tmp_path / "rounded", QatSettings(epochs=1))
