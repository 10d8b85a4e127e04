"""The main job from a checkpoint or a file to a bundle that opens."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

from edgeneuro.data import open_data
from edgeneuro.errors import CheckpointError, DataError, GateError, InputError, OutputError, ShapeError, UsageError
from edgeneuro.export import build as building
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.forms import TARGETS
from edgeneuro.export.gate import parse_margin
from edgeneuro.export.keep_float import GraphIdentity, KeepFloat
from edgeneuro.export.placement import Candidate
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import load_source
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import open_engine, read_bundle
from edgeneuro.runtime.container import read_container
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.runtime.postprocess import Prediction
from tests.export.conftest import CLASSES, Exported

INT8 = BuildSettings(calibration_frames=12, search_s=0.0, backends=("onnxruntime",))
FLOAT = replace(INT8, precision="fp32")
needs_vnni = pytest.mark.skipif("vnni" not in cpu_features(), reason="this processor shows no VNNI")


@pytest.fixture(autouse=True, scope="module")
def exported_once(checkpoint: Path) -> Iterator[None]:
    """The unchanged checkpoint is exported by the first build and reused by the others."""
    model = load_source(str(checkpoint))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            building,
            "load_source",
            lambda source, options: model if source == str(checkpoint) else load_source(source, options),
        )
        yield


def recorded_plan(engine: Path) -> Plan:
    return Plan.from_bytes(read_bundle(engine).members["ranges.json"])


@pytest.fixture(scope="module")
def engine(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every convolution placed in INT8 by a recorded plan, so that nothing here depends on timing."""
    folder = tmp_path_factory.mktemp("engine")
    searched = folder / "searched.edge"
    build_engine(str(checkpoint), searched, settings=INT8)
    plan = recorded_plan(searched)
    everything = tuple(
        node.name
        for node in onnx.load_from_string(read_bundle(searched).members["model.onnx"]).graph.node
        if node.op_type == "Conv"
    )
    plan = replace(plan, placement=dict.fromkeys(TARGETS, everything), kept_float={}, measured=())
    out = folder / "engine.edge"
    build_engine(str(checkpoint), out, settings=replace(INT8, plan=plan))
    return out


@pytest.fixture(scope="module")
def manifest(engine: Path) -> Manifest:
    return read_bundle(engine).manifest


def test_bundle_holds_the_plan_the_float_graph_and_the_int8_graphs(engine: Path, manifest: Manifest) -> None:
    members = read_bundle(engine).members
    assert {"model.onnx", "ranges.json", "golden.npz"} <= set(members)
    assert [graph.precision for graph in manifest.graphs][:2] == ["fp32", "int8"]
    assert manifest.precision == "int8"


@needs_vnni
def test_manifest_counts_what_runs_in_int8(manifest: Manifest) -> None:
    for graph in manifest.graphs[1:]:
        assert (graph.int8_convolutions, graph.convolutions) == (16, 16)


def test_manifest_follows_its_schema(engine: Path) -> None:
    schemas = Path(__file__).parents[2] / "docs" / "schemas"
    schema = json.loads((schemas / "manifest.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(read_container(engine)["manifest.json"]), schema)


def test_every_graph_of_the_bundle_opens_and_reproduces_its_golden_outputs(engine: Path) -> None:
    for precision in ("fp32", "int8"):
        with open_engine(engine, precision=precision) as opened:
            assert opened.graph.precision == precision
            assert opened.self_test_difference is not None
            assert opened.self_test_difference <= opened.graph.tolerance


def test_engine_classifies_a_frame(engine: Path) -> None:
    with open_engine(engine) as opened:
        answer = opened(np.full((72, 80), 90, np.uint8))
    assert isinstance(answer, Prediction)
    assert answer.label in CLASSES
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)


def test_the_same_checkpoint_and_plan_give_the_same_bytes(checkpoint: Path, engine: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.edge"
    build_engine(str(checkpoint), again, settings=replace(INT8, plan=recorded_plan(engine)))
    assert again.read_bytes() == engine.read_bytes()


def test_no_path_of_the_building_machine_is_in_the_bundle(engine: Path, labelled: Path, checkpoint: Path) -> None:
    content = engine.read_bytes()
    assert str(labelled).encode() not in content
    assert str(checkpoint).encode() not in content
    assert b"g00_0.png" not in content


def test_accuracy_is_measured_on_groups_that_nothing_has_seen(manifest: Manifest, labelled: Path) -> None:
    split = manifest.split
    assert split is not None and manifest.accuracy is not None
    assert set(split.calibration) <= set(split.training)
    assert not set(split.test) & {*split.training, *split.validation, *split.calibration}
    tested = split.part(open_data(str(labelled)).samples, "test")
    assert manifest.accuracy.data.frames == len(tested) > 0
    assert set(manifest.accuracy.graphs) == {graph.path for graph in manifest.graphs}
    assert set(manifest.accuracy.drop_points) == {graph.path for graph in manifest.graphs[1:]}


def test_calibration_record_says_what_frames_there_were(manifest: Manifest) -> None:
    record = manifest.calibration
    assert record is not None
    assert (record.smallest_side_px, record.largest_side_px, record.bit_depths) == (72, 80, (8,))
    assert record.data.frames == 12


def test_a_float_bundle_needs_no_calibration(checkpoint: Path, tmp_path: Path) -> None:
    manifest = build_engine(str(checkpoint), tmp_path / "float.edge", settings=FLOAT)
    assert manifest.precision == "fp32"
    assert manifest.calibration is None
    assert [graph.path for graph in manifest.graphs] == ["model.onnx"]


def test_a_plan_without_int8_layers_is_labelled_fp32(checkpoint: Path, engine: Path, tmp_path: Path) -> None:
    plan = replace(recorded_plan(engine), placement=dict.fromkeys(TARGETS, ()))
    manifest = build_engine(str(checkpoint), tmp_path / "none.edge", settings=replace(INT8, plan=plan))
    assert manifest.precision == "fp32"


def assert_float_on_x86(manifest: Manifest) -> None:
    """Nothing but the form for ARM, which cannot be measured here, is in INT8."""
    assert [graph.requires for graph in manifest.graphs if graph.precision == "int8"] == [("aarch64",)]


def test_build_says_so_when_int8_would_be_slower(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgeneuro.export.placement._interleaved",
        lambda opened, feeds, budget_s: {name: np.ones(3) for name in opened},
    )
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    manifest = build_engine(str(checkpoint), tmp_path / "slow.edge", settings=INT8)
    assert_float_on_x86(manifest)
    assert any("no placement is faster than float here" in note for note in manifest.notes)


def test_an_existing_output_is_kept_without_force(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.edge"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already; give --force"):
        build_engine(str(checkpoint), out, settings=FLOAT)
    assert out.read_bytes() == b"precious"


def test_a_folder_as_output_is_refused_before_the_work(checkpoint: Path, tmp_path: Path) -> None:
    def nothing(step: str) -> None:
        raise AssertionError(f"began {step}")

    with pytest.raises(OutputError, match=r"is a folder, expected the name of a file; give --out .*NAME\.edge"):
        build_engine(str(checkpoint), tmp_path, settings=FLOAT, force=True, progress=nothing)


def test_an_interrupted_build_leaves_no_file(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_engine(str(checkpoint), tmp_path / "half.edge", settings=FLOAT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [None, b"precious"])
def test_a_disk_that_fills_up_while_the_bundle_is_written_leaves_what_was_there(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    out = tmp_path / "mine.edge"
    if old is not None:
        out.write_bytes(old)
    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(OutputError, match=r"mine\.edge: the disk is full; nothing was written, free some space"):
        build_engine(str(checkpoint), out, settings=FLOAT, force=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if old is None else [old])


def half_written(path: Path, data: bytes) -> int:
    """What `Path.write_bytes` does on a disk with room for half of `data`."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_unknown_source_names_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'nothing'.*checkpoint folder.*FILE\.onnx.*myositis"):
        build_engine("nothing", tmp_path / "x.edge", settings=FLOAT)


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        build_engine(str(tmp_path), tmp_path / "x.edge", settings=FLOAT)


def test_data_of_other_classes_is_refused(checkpoint: Path, labelled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(labelled, other)
    table = (other / "labels.csv").read_text().replace(",bright,", ",brilliant,")
    (other / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=r"has classes brilliant.*tells apart bright, dark, striped"):
        build_engine(str(checkpoint), tmp_path / "x.edge", settings=FLOAT, data=open_data(str(other)))


def test_training_data_that_moved_are_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    moved = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, moved)
    config = json.loads((moved / "config.json").read_text())
    config["data"] = str(tmp_path / "gone")
    (moved / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="give its folder with --data"):
        build_engine(str(moved), tmp_path / "x.edge", settings=INT8)


def unlabelled(labelled: Path, folder: Path, part: str) -> Path:
    """Frames of some groups, without their table and under other names."""
    folder.mkdir()
    for i, frame in enumerate(sorted(labelled.glob(part))):
        shutil.copy(frame, folder / f"frame{i}.png")
    return folder


def test_unlabelled_calibration_frames_that_are_test_frames_are_refused(
    checkpoint: Path, labelled: Path, tmp_path: Path
) -> None:
    calibration = open_data(str(unlabelled(labelled, tmp_path / "cine", "*.png")))
    with pytest.raises(DataError, match="calibration frames are test frames"):
        build_engine(str(checkpoint), tmp_path / "x.edge", settings=INT8, calibration=calibration)


def onnx_file(exported: Exported, folder: Path) -> Path:
    path = folder / "mine.onnx"
    onnx.save(exported.graph, str(path))
    return path


def test_an_onnx_file_with_unlabelled_frames_becomes_an_engine(
    exported: Exported, labelled: Path, tmp_path: Path
) -> None:
    frames = open_data(str(unlabelled(labelled, tmp_path / "cine", "*.png")))
    out = tmp_path / "mine.edge"
    manifest = build_engine(str(onnx_file(exported, tmp_path)), out, settings=INT8, calibration=frames)
    assert manifest.classes == ("class_0", "class_1", "class_2")
    assert manifest.accuracy is None
    assert any("accuracy was not measured" in note for note in manifest.notes)
    with open_engine(out) as engine:
        answer = engine(np.zeros((100, 120), np.uint8))
    assert isinstance(answer, Prediction)
    assert answer.label.startswith("class_")


def test_an_onnx_file_is_tested_on_groups_it_was_not_calibrated_on(
    exported: Exported, labelled: Path, tmp_path: Path
) -> None:
    data = open_data(str(labelled))
    out = tmp_path / "mine.edge"
    manifest = build_engine(str(onnx_file(exported, tmp_path)), out, settings=INT8, data=data, calibration=data)
    assert manifest.classes == data.classes
    assert manifest.accuracy is not None and manifest.split is not None
    assert not set(manifest.split.calibration) & set(manifest.split.test)
    assert any("does not say what the model was trained on" in note for note in manifest.notes)


def test_an_onnx_file_without_frames_cannot_be_quantised(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--calibration"):
        build_engine(str(onnx_file(exported, tmp_path)), tmp_path / "x.edge", settings=INT8)


def test_a_foreign_graph_fixed_to_one_frame_says_so(exported: Exported, labelled: Path, tmp_path: Path) -> None:
    path = onnx_file(exported, tmp_path)
    graph = onnx.load(str(path))
    for tensor in (graph.graph.input[0], graph.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(graph, str(path))
    out = tmp_path / "mine.edge"
    manifest = build_engine(str(path), out, settings=FLOAT)
    assert manifest.inputs[0].shape == (1, 1, 64, 64)
    with open_engine(out) as engine:
        first, second = (engine(np.zeros((100, 120), np.uint8)) for _ in range(2))
        assert replace(first, ms={}) == replace(second, ms={})
        with pytest.raises(ShapeError, match=r"got shape \(2, 1, 64, 64\), expected \(batch 1"):
            engine.infer({"image": np.zeros((2, 1, 64, 64), np.float32)})


def test_a_placement_that_is_not_faster_when_timed_again_is_dropped(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = Candidate(name="a lucky one", nodes=("any",), time_ratio=0.9, error=0.1)
    monkeypatch.setattr("edgeneuro.export.place.search_placement", lambda *_, **__: (best,))
    monkeypatch.setattr("edgeneuro.export.place._sound", lambda _, candidates: (candidates, ()))
    monkeypatch.setattr("edgeneuro.export.place.refine", lambda *_, **__: best.nodes)
    monkeypatch.setattr("edgeneuro.export.place.measure", lambda *_, **__: (replace(best, time_ratio=1.1),))
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    manifest = build_engine(str(checkpoint), tmp_path / "slow.edge", settings=INT8)
    assert_float_on_x86(manifest)
    assert any("the best takes 1.10 of the float time" in note for note in manifest.notes)


def test_a_bundle_for_every_target_says_which_graphs_ran_here_and_which_were_emulated(
    checkpoint: Path, engine: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    settings = replace(INT8, precision="mixed", backends=(), plan=recorded_plan(engine))
    manifest = build_engine(str(checkpoint), tmp_path / "all.edge", settings=settings)
    assert manifest.precision == "mixed"
    checked = {graph.path: graph.checked for graph in manifest.graphs}
    assert checked["graphs/openvino.int8.onnx"] == "run"
    assert checked["graphs/tensorrt.mixed.onnx"] == checked["graphs/onnxruntime-arm.int8.onnx"] == "emulated"
    with open_engine(tmp_path / "all.edge") as opened:  # a processor runs the INT8 form and says so
        assert opened.graph.precision == "int8"


def test_half_precision_alone_needs_no_calibration_frames(checkpoint: Path, tmp_path: Path) -> None:
    settings = replace(INT8, precision="fp16", backends=())
    manifest = build_engine(str(checkpoint), tmp_path / "half.edge", settings=settings)
    assert [graph.path for graph in manifest.graphs] == ["model.onnx", "graphs/tensorrt.fp16.onnx"]
    assert manifest.calibration is None


def test_an_engine_within_its_margin_is_written_with_the_verdict(
    checkpoint: Path, engine: Path, tmp_path: Path
) -> None:
    settings = replace(INT8, plan=recorded_plan(engine), margin=parse_margin("100"))
    manifest = build_engine(str(checkpoint), tmp_path / "judged.edge", settings=settings)
    assert manifest.gate is not None
    assert manifest.gate.verdict == "pass"
    assert {one.graph for one in manifest.gate.judgements} == {graph.path for graph in manifest.graphs[1:]}
    assert read_bundle(tmp_path / "judged.edge").manifest.gate == manifest.gate


def test_an_engine_not_shown_to_be_within_its_margin_is_not_written(
    checkpoint: Path, engine: Path, tmp_path: Path
) -> None:
    settings = replace(INT8, plan=recorded_plan(engine), margin=parse_margin("0.01"))
    with pytest.raises(GateError, match=r"--max-drop 0\.01.*not written"):
        build_engine(str(checkpoint), tmp_path / "judged.edge", settings=settings)
    assert not (tmp_path / "judged.edge").exists()


def test_layers_on_the_keep_float_list_stay_in_float_on_every_target(checkpoint: Path, tmp_path: Path) -> None:
    model = load_source(str(checkpoint))
    first = next(node.name for node in model.graph.graph.node if node.op_type == "Conv")
    kept = KeepFloat(
        model=GraphIdentity.of(model.graph, model.name), form="tensorrt", nodes={first: "costs most, measured"}
    )
    settings = replace(INT8, backends=("tensorrt",), keep_float=kept)
    manifest = build_engine(str(checkpoint), tmp_path / "kept.edge", settings=settings)
    (graph,) = manifest.graphs[1:]
    assert graph.kept_float == {first: "costs most, measured"}
    assert graph.int8_convolutions == graph.convolutions - 1


def test_a_second_build_takes_the_placement_from_the_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_engine(str(checkpoint), tmp_path / "first.edge", settings=INT8)
    monkeypatch.setattr("edgeneuro.export.place._searched", lambda *_: pytest.fail("measured again"))
    steps: list[str] = []
    second = build_engine(str(checkpoint), tmp_path / "second.edge", settings=INT8, progress=steps.append)
    assert second == first
    assert "onnxruntime: measured earlier, from the cache" in steps
