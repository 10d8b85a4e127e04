"""From somebody's .onnx file to an engine and its results, through the command line's own functions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.cli.main import main
from edgeneuro.data import open_data
from edgeneuro.data.decode import read_frame
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.file_options import FileOptions
from edgeneuro.export.forms import FORMS
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.plan import with_placement
from edgeneuro.export.quantizable import quantizable_nodes, tensors_needing_ranges
from edgeneuro.export.source import load_source
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import Segmentation, TensorOutputs, open_engine
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.postprocess import softmax
from tests.cli.conftest import SCHEMAS
from tests.own_models.files import classifier, frames, samples, save, segmenter, two_inputs, value, weights

FLOAT = BuildSettings(precision="fp32")


def build_int8(source: Path, out: Path, calibration: Path, options: FileOptions) -> Manifest:
    """Every convolution placed on ONNX Runtime by a recorded plan, so that nothing here depends on timing."""
    data = open_data(str(calibration))
    model = load_source(str(source), options)
    plan = calibrated_plan(model.graph, [model.feed(model.read(data, sample)) for sample in data.samples])
    convolutions = tuple(node.name for node in model.graph.graph.node if node.op_type == "Conv")
    settings = BuildSettings(
        precision="int8", backends=("onnxruntime",), plan=with_placement(plan, "onnxruntime", convolutions)
    )
    return build_engine(str(source), out, settings=settings, options=options, calibration=data)


def test_a_classifier_becomes_an_int8_engine_with_its_preprocessing(tmp_path: Path) -> None:
    options = FileOptions(mean=(0.4,), std=(0.2,))
    manifest = build_int8(classifier(tmp_path / "c.onnx"), tmp_path / "c.edge", frames(tmp_path / "data"), options)
    assert (manifest.task, manifest.precision) == ("classification", "int8")
    assert manifest.preprocess == options.preprocess(32, 32, 1)
    assert "a softmax at its end was taken off; the engine applies its own" in manifest.notes
    with open_engine(tmp_path / "c.edge") as engine:
        assert sum(engine.classify(np.zeros((50, 60), np.uint8)).probabilities.values()) == pytest.approx(1)


def test_an_engine_gives_the_probabilities_of_the_file(tmp_path: Path) -> None:
    source = classifier(tmp_path / "c.onnx", channels=3, side="s")
    options = FileOptions(height=40, width=48, mean=(0.4, 0.5, 0.6), std=(0.2,))
    build_engine(str(source), tmp_path / "c.edge", settings=FLOAT, options=options)
    frame = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    fed = ((frame / 255 - [0.4, 0.5, 0.6]) / 0.2).astype(np.float32).transpose(2, 0, 1)[None]
    expected = open_backend("onnxruntime", source.read_bytes(), threads=1).run({"x": fed})["y"][0]
    with open_engine(tmp_path / "c.edge") as engine:
        got = list(engine.classify(frame).probabilities.values())
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(("classes", "scale"), [(1, 1), (1, 4), (3, 2)])
def test_a_segmentation_gives_the_mask_of_the_file(tmp_path: Path, classes: int, scale: int) -> None:
    source = segmenter(tmp_path / "s.onnx", classes=classes, scale=scale)
    manifest = build_int8(source, tmp_path / "s.edge", frames(tmp_path / "data", height=64, width=64), FileOptions())
    assert (manifest.task, manifest.primary_metric) == ("segmentation", "dice")
    assert manifest.classes == (("background", "foreground") if classes == 1 else ("background", "class_1", "class_2"))
    frame = open_data(str(tmp_path / "data")).read(open_data(str(tmp_path / "data")).samples[0])
    fed = (frame[None, None] / np.float32(255)).astype(np.float32)
    output = open_backend("onnxruntime", source.read_bytes(), threads=1).run({"x": fed})["y"][0]
    small = output[0] > 0.5 if classes == 1 else output.argmax(0)
    expected = small.repeat(scale, 0).repeat(scale, 1)
    with open_engine(tmp_path / "s.edge", precision="fp32") as engine:
        made = engine(frame)
    assert isinstance(made, Segmentation)
    np.testing.assert_array_equal(made.mask, expected)
    with open_engine(tmp_path / "s.edge", precision="int8") as engine:
        rough = engine(frame)
    assert isinstance(rough, Segmentation)
    assert (rough.mask == expected).mean() > 0.95


def test_arrays_in_and_out_with_several_inputs(tmp_path: Path) -> None:
    source = two_inputs(tmp_path / "t.onnx")
    manifest = build_int8(source, tmp_path / "t.edge", samples(tmp_path / "data"), FileOptions())
    assert (manifest.task, manifest.preprocess, manifest.classes) == ("tensors", None, ())
    assert [spec.shape for spec in manifest.inputs] == [(-1, 2, 8, 8), (1,)]
    assert manifest.graphs[1].int8_convolutions <= 1
    assert manifest.calibration is not None and manifest.calibration.bit_depths == ()
    given = {"map": np.ones((2, 8, 8), np.float32), "index": np.array([1])}
    with open_engine(tmp_path / "t.edge", precision="fp32") as engine:
        made = engine(given)
    expected = open_backend("onnxruntime", source.read_bytes(), threads=1).run({**given, "map": given["map"][None]})
    assert isinstance(made, TensorOutputs)
    np.testing.assert_allclose(made.outputs["sum"], expected["sum"], atol=1e-5)
    np.testing.assert_array_equal(made.outputs["twice"], [2])


def test_whole_numbers_are_never_quantised(tmp_path: Path) -> None:
    model = load_source(str(two_inputs(tmp_path / "t.onnx"))).graph
    for form in FORMS.values():
        outputs = [name for node in quantizable_nodes(model, form) for name in node.output]
        assert "twice" not in outputs
    assert {"index", "twice"}.isdisjoint(tensors_needing_ranges(model))


def test_a_layer_over_the_steps_of_a_sequence_keeps_its_bias(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "steps"], ["rows"]),
        helper.make_node("Gemm", ["rows", "w", "b"], ["y"], transB=1),
    ]
    constants = {"steps": np.array([4, 8]), "w": weights(16, 8), "b": weights(16)}
    path = save(tmp_path / "g.onnx", nodes, [value("x", [1, 4, 8])], [value("y", [4, 16])], constants)
    model = load_source(str(path))
    plan = calibrated_plan(model.graph, [{"x": np.ones((1, 4, 8), np.float32)}])
    assert plan.biases == {}


def test_labels_decide_the_names_of_the_classes_and_the_accuracy(tmp_path: Path) -> None:
    folder = frames(tmp_path / "data", count=36)
    rows = [f"f{number}.png,{'abc'[number % 3]},g{number}" for number in range(36)]
    (folder / "labels.csv").write_text("\n".join(["file,label,group_id", *rows]))
    manifest = build_engine(
        str(classifier(tmp_path / "c.onnx")), tmp_path / "c.edge", settings=FLOAT, data=open_data(str(folder))
    )
    assert manifest.classes == ("a", "b", "c")
    assert manifest.accuracy is not None


def test_a_fixed_batch_becomes_an_engine_for_single_frames(tmp_path: Path) -> None:
    source = classifier(tmp_path / "four.onnx", batch=4)
    manifest = build_engine(str(source), tmp_path / "four.edge", settings=FLOAT)
    assert manifest.inputs[0].shape == (-1, 1, 32, 32)
    with open_engine(tmp_path / "four.edge") as engine:
        assert engine.classify(np.zeros((50, 60), np.uint8)).label in manifest.classes


def test_the_same_file_and_plan_give_the_same_bytes(tmp_path: Path) -> None:
    source, data = classifier(tmp_path / "c.onnx"), frames(tmp_path / "data")
    for name in ("a", "b"):
        build_int8(source, tmp_path / f"{name}.edge", data, FileOptions())
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


# --- run


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    import jsonschema

    schema = json.loads((SCHEMAS / "run.schema.json").read_text(encoding="utf-8"))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in found:
        jsonschema.Draft202012Validator(schema).validate(line)
    return found


def test_run_writes_a_mask_for_each_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_engine(str(segmenter(tmp_path / "s.onnx")), tmp_path / "s.edge", settings=FLOAT)
    folder = frames(tmp_path / "data" / "deep", count=2).parent
    out = tmp_path / "masks"
    assert main(["run", str(tmp_path / "s.edge"), str(folder), "--out", str(out), "--json"]) == 0
    for line, name in zip(lines(capsys), ("f0.png", "f1.png"), strict=True):
        assert line["mask"] == str(out / "deep" / name)
        mask = read_frame(Path(str(line["mask"])))
        assert mask.shape == (72, 80)
        assert set(np.unique(mask)) <= {0, 255}
        assert line["foreground_fraction"] == pytest.approx(np.mean(mask > 0))


def test_run_without_a_folder_prints_the_share_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_engine(str(segmenter(tmp_path / "s.onnx")), tmp_path / "s.edge", settings=FLOAT)
    folder = frames(tmp_path / "data", count=1)
    (folder / "f1.png").write_bytes(b"")
    assert main(["run", str(tmp_path / "s.edge"), str(folder), "--json"]) == 1
    good, bad = lines(capsys)
    assert good["mask"] is None and bad["foreground_fraction"] is None
    assert main(["run", str(tmp_path / "s.edge"), str(folder)]) == 1
    assert "f0.png: foreground " in capsys.readouterr().out


def test_run_writes_arrays_and_asks_where_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge, folder = tmp_path / "t.edge", samples(tmp_path / "data", count=2)
    build_engine(str(two_inputs(tmp_path / "t.onnx")), edge, settings=FLOAT)
    assert main(["run", str(edge), str(folder)]) == 2
    assert "--out is needed: this engine gives arrays" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["run", str(edge), str(folder), "--out", str(out), "--json"]) == 0
    first, _ = lines(capsys)
    with np.load(str(first["outputs"])) as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {"sum": (1, 16, 8, 8), "twice": (1,)}
    assert main(["run", str(edge), str(folder), "--out", str(out)]) == 1
    assert "is not empty; give --force" in capsys.readouterr().err
    assert main(["run", str(edge), str(folder), "--out", str(out), "--force"]) == 0
    assert "sum 1x16x8x8, twice 1" in capsys.readouterr().out


def test_frames_of_one_name_do_not_overwrite_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_engine(str(segmenter(tmp_path / "s.onnx")), tmp_path / "s.edge", settings=FLOAT)
    a, b = frames(tmp_path / "a", count=1), frames(tmp_path / "b", count=1, seed=1)
    np.save(tmp_path / "f0.npy", np.zeros((2, 40, 50), np.uint8))
    sources = [str(a / "f0.png"), str(b / "f0.png"), str(tmp_path / "f0.npy")]
    assert main(["run", str(tmp_path / "s.edge"), *sources, "--out", str(tmp_path / "out"), "--json"]) == 0
    names = [Path(str(line["mask"])).name for line in lines(capsys)]
    assert names == ["f0.png", "f0-2.png", "f0-3.png", "f0_1.png"]


def test_a_classifier_has_nothing_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_engine(str(classifier(tmp_path / "c.onnx")), tmp_path / "c.edge", settings=FLOAT)
    assert main(["run", str(tmp_path / "c.edge"), str(frames(tmp_path / "data")), "--out", str(tmp_path / "o")]) == 2
    assert "this engine gives classes, and no files to write" in capsys.readouterr().err


def test_inspect_shows_inputs_that_are_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_engine(str(two_inputs(tmp_path / "t.onnx")), tmp_path / "t.edge", settings=FLOAT)
    assert main(["inspect", str(tmp_path / "t.edge")]) == 0
    shown = capsys.readouterr().out
    assert "map: float32, n x 2 x 8 x 8" in shown
    assert "index: int64, 1" in shown


# --- structure: the onnx package's own light models, whose weights are constant


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_a_light_model_of_the_onnx_package_computes_the_same_after_it_was_read(name: str) -> None:
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    model = load_source(str(path))
    assert model.task == "classification"
    assert model.compute.macs > 1e8
    image = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
    before, after = (
        next(iter(open_backend("onnxruntime", data, threads=1).run({model.input_name: image}).values()))
        for data in (path.read_bytes(), model.graph.SerializeToString())
    )
    np.testing.assert_allclose(softmax(after)[0], before.ravel(), rtol=1e-4, atol=1e-6)
