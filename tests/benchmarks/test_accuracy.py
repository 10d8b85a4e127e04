"""What `evaluate` uses, what it leaves out, and what it says about it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from jsonschema import Draft202012Validator
from rich.console import Console

from edgeneuro.benchmarks.accuracy import evaluate
from edgeneuro.benchmarks.predictors import FrameResult, Predictor, open_predictor
from edgeneuro.benchmarks.show import show_evaluation
from edgeneuro.cli.main import main
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError, InputError, ModelFileError, UsageError
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame
from edgeneuro.training.checkpoint import write_checkpoint
from tests.benchmarks.frames import LEVELS, flat_data, split_of
from tests.checkpoints import checkpoint_config
from tests.runtime.bundles import PHANTOM, tiny_calibration, tiny_graph, tiny_manifest, tiny_onnx, write_bundle

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/evaluate.schema.json").read_text())


def by_brightness(classes: tuple[str, ...]) -> Callable[[Frame], FrameResult]:
    """A graph that is always right, with probabilities in the order of `classes`."""
    names = {level: name for name, level in LEVELS.items()}

    def predict(frame: Frame) -> FrameResult:
        right = names[int(frame[0, 0])]
        return FrameResult(probabilities=np.array([float(name == right) for name in classes]))

    return predict


def predictor(classes: tuple[str, ...] = ("dark", "grey", "bright")) -> Predictor:
    return Predictor(
        kind="engine", name="fake.edge", model="fake", classes=classes, graphs={"fp32": by_brightness(classes)}
    )


def test_classes_are_matched_by_name_and_not_by_position() -> None:
    done = evaluate(predictor(("grey", "bright", "dark")), flat_data())
    assert done.levels[0].graphs[0].metrics["accuracy"].value == 1.0
    assert done.classes == ("dark", "grey", "bright")
    assert np.array_equal(done.levels[0].graphs[0].confusion, np.diag([12, 12, 12]))


def test_other_classes_are_refused_and_both_are_named() -> None:
    with pytest.raises(DataError, match="knows the classes normal, ibm, but flat has dark, grey, bright"):
        evaluate(predictor(("normal", "ibm")), flat_data())
    with pytest.raises(DataError, match=r"but flat has dark, grey, bright \(bright is not known\); evaluate on data"):
        evaluate(predictor(("dark", "grey")), flat_data())


def test_groups_seen_in_training_or_calibration_are_left_out_and_counted() -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0", "grey-0", "bright-0"], calibration=["dark-1"])
    done = evaluate(replace(predictor(), split=split), data)
    assert (done.left_out.frames, done.left_out.groups) == (12, 4)
    assert (done.data.frames, done.data.groups) == (24, 8)
    assert done.protocol == "grouped"


def test_data_the_model_never_saw_are_used_in_full() -> None:
    data = flat_data()
    split = split_of(data, training=["somebody else"])
    assert evaluate(replace(predictor(), split=split), data).left_out.frames == 0


def test_data_seen_in_full_are_refused() -> None:
    data = flat_data()
    split = split_of(data, training=sorted({sample.group for sample in data.samples}))
    with pytest.raises(DataError, match="all 36 frames were used in training, validation or calibration"):
        evaluate(replace(predictor(), split=split), data)


def test_a_leaky_split_is_named_in_protocol_flags_and_notes() -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0-0.png#0"], leaky=True)
    done = evaluate(replace(predictor(), split=split), data)
    assert done.protocol == "leaky"
    assert "leaky_protocol" in done.flags
    assert done.left_out.frames == 1
    assert any(note.startswith("leaky protocol: 1 of 12 groups") for note in done.notes)


def test_unlabelled_frames_are_left_out_and_counted_but_not_all_of_them() -> None:
    data = flat_data()
    partly = data.subset([replace(data.samples[0], target=None), *data.samples[1:]])
    assert evaluate(predictor(), partly).left_out.unlabelled == 1
    with pytest.raises(DataError, match="no labelled frames"):
        evaluate(predictor(), data.subset([replace(sample, target=None) for sample in data.samples]))


def test_an_unknown_column_is_refused_before_any_frame_is_read() -> None:
    def read_nothing(_: object) -> Frame:
        raise AssertionError("a frame was read")

    with pytest.raises(DataError, match="has no column 'video_id'; expected group or one of probe, visit"):
        evaluate(predictor(), replace(flat_data(), reader=read_nothing), by="video_id")


def two_graphs(path: Path, data: DataSet | None = None) -> Path:
    graphs = (tiny_graph(), tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8"))
    split = None if data is None else split_of(data, training=["dark-0"])
    manifest = tiny_manifest(
        graphs=graphs, precision="int8", trained_on=PHANTOM, calibration=tiny_calibration(), split=split
    )
    return write_bundle(path, manifest)


def test_an_engine_is_scored_in_every_precision_paired_and_its_flags_are_passed_on(tmp_path: Path) -> None:
    data = flat_data(side=100)
    with open_predictor(two_graphs(tmp_path / "a.edge", data)) as opened:
        done = evaluate(opened, data, by="group")
    fp32, int8 = done.levels[0].graphs
    assert (fp32.name, int8.name) == ("fp32", "int8")
    assert fp32.metrics["accuracy"].value == 1.0
    assert int8.drop_points is not None and int8.drop_points["balanced_accuracy"].value == 0.0
    assert done.flags == ("simulated_training",)
    assert done.frame_flags == {"size_unseen": 33}
    assert done.left_out.groups == 1


def test_a_bare_onnx_file_is_scored_with_what_was_assumed_in_its_flags(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_onnx())
    with open_predictor(tmp_path / "tiny.onnx") as opened:
        done = evaluate(opened, flat_data())
    assert done.levels[0].graphs[0].metrics["accuracy"].value == 1.0
    assert done.flags == ("assumed_preprocessing", "assumed_class_order")
    assert done.protocol is None


def test_a_bare_onnx_file_that_ends_in_softmax_gives_its_own_probabilities(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_onnx())
    model.graph.node[-1].output[0] = "scores"
    model.graph.node.append(onnx.helper.make_node("Softmax", ["scores"], ["logits"]))
    onnx.save(model, str(tmp_path / "ends.onnx"))
    (tmp_path / "plain.onnx").write_bytes(tiny_onnx())
    frame = np.full((40, 40), 80, np.uint8)
    with open_predictor(tmp_path / "ends.onnx") as ends, open_predictor(tmp_path / "plain.onnx") as plain:
        expected = plain.graphs["onnx"](frame).probabilities
        assert ends.graphs["onnx"](frame).probabilities == pytest.approx(expected, abs=1e-6)
    assert expected.max() < 0.9, "a case that a second softmax would change"


def test_a_bare_onnx_file_with_other_outputs_than_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_onnx())
    with (
        open_predictor(tmp_path / "tiny.onnx") as opened,
        pytest.raises(ModelFileError, match="gives 3 outputs, but the data set has 2 classes"),
    ):
        evaluate(opened, flat_data(("dark", "bright")))


def test_a_bare_onnx_file_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_onnx())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, str(tmp_path / "four.onnx"))
    with (
        open_predictor(tmp_path / "four.onnx") as opened,
        pytest.raises(ModelFileError, match=r"four\.onnx: onnxruntime: failed to run .*; export it again"),
    ):
        evaluate(opened, flat_data())
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with (
        pytest.raises(ModelFileError, match=r"junk\.onnx: onnxruntime .*: refuses the graph"),
        open_predictor(tmp_path / "junk.onnx"),
    ):
        pass


@pytest.mark.parametrize(("name", "says"), [("none.edge", "does not exist"), ("notes.txt", "is no .edge file")])
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=says), open_predictor(tmp_path / name):
        pass


def halves(threshold: int) -> Callable[[Frame], FrameResult]:
    """A graph that calls foreground what is brighter than `threshold`."""
    return lambda frame: FrameResult(mask=(frame > threshold).astype(np.uint8))


def masked_data() -> DataSet:
    """Six patients with two frames: a bright square, its edge less bright; one frame is empty."""
    samples = tuple(Sample(source=f"{i}", index=0, target=None, group=f"P{i // 2}") for i in range(12))

    def read(sample: Sample) -> Frame:
        frame = np.zeros((40, 40), np.uint8)
        if sample.source != "0":
            frame[4:12, 4:12], frame[5:11, 5:11] = 100, 200
        return frame

    return DataSet(
        name="squares",
        classes=("background", "nerve"),
        samples=samples,
        reader=read,
        mask_reader=lambda sample: (read(sample) > 50).astype(np.uint8),
    )


def segmenter(**changes: Any) -> Predictor:
    known = Predictor(
        kind="engine",
        name="seg.edge",
        model="seg",
        task="segmentation",
        classes=("background", "nerve"),
        graphs={"fp32": halves(50), "int8": halves(150)},
        primary_metric="dice",
    )
    return replace(known, **changes)


def test_a_segmentation_is_scored_by_dice_and_iou_per_frame() -> None:
    done = evaluate(segmenter(), masked_data(), by="group")
    frames, groups = done.mask_levels
    fp32, int8 = frames.graphs
    assert (frames.units, frames.groups, groups.units) == (12, 6, 6)
    assert fp32.metrics["dice"].value == 1.0 and fp32.drop_points is None
    dice, iou = 2 * 36 / (36 + 64), 36 / 64
    assert int8.metrics["dice"].value == pytest.approx((1 + 11 * dice) / 12), "the empty frame scores 1"
    assert int8.metrics["iou"].value == pytest.approx((1 + 11 * iou) / 12)
    own = int8.classes["nerve"]
    assert own is not None and own.value == pytest.approx(dice)
    assert int8.drop_points is not None
    assert int8.drop_points["dice"].value == pytest.approx(100 * 11 * (1 - dice) / 12)
    assert int8.agreement is not None and int8.agreement.value == pytest.approx((1 + 11 * dice) / 12)
    document = done.document()
    Draft202012Validator(SCHEMA).validate(document)
    assert document["task"] == "segmentation" and len(document["levels"]) == 2
    console = Console(width=200, record=True, file=io.StringIO())
    show_evaluation(done, console)
    assert "Dice where nerve is" in console.export_text()


def test_masks_and_labels_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(DataError, match=r"squares: has masks, fake\.edge is a classification"):
        evaluate(predictor(("background", "nerve")), masked_data())
    with pytest.raises(DataError, match=r"flat: has one label a frame, seg\.edge is a segmentation"):
        evaluate(segmenter(), flat_data())
    with pytest.raises(DataError, match="knows the classes nerve, background"):
        evaluate(segmenter(classes=("nerve", "background")), masked_data())
    with pytest.raises(UsageError, match="gives tensors"):
        evaluate(segmenter(task="tensors"), masked_data())


def test_an_engine_that_segments_is_scored_through_its_masks(tmp_path: Path) -> None:
    """A graph of one channel whose logit is brightness - 0.5, frames of another size than the network's."""
    nodes = [onnx.helper.make_node("Sub", ["image", "half"], ["logits"])]
    sizes: list[str | int | None] = ["batch", 1, 32, 32]
    graph = onnx.helper.make_graph(
        nodes,
        "bright",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, sizes)],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, sizes)],
        [onnx.numpy_helper.from_array(np.array(0.2, np.float32), "half")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "bright.onnx"))
    with open_predictor(tmp_path / "bright.onnx") as opened:
        done = evaluate(opened, masked_data())
    assert done.primary_metric == "dice"
    assert done.mask_levels[0].graphs[0].metrics["dice"].value > 0.8


def test_area_sensitivity_and_calibration_are_reported_for_every_graph() -> None:
    (level,) = evaluate(predictor(), flat_data()).levels
    found = level.graphs[0].curves
    assert found.auc is not None and found.auc.value == 1.0
    assert {name: one.value for name, one in found.sensitivity.items() if one} == dict.fromkeys(LEVELS, 1.0)
    assert found.calibration_error == 0.0


def write_folder(folder: Path, data: DataSet) -> Path:
    import cv2

    folder.mkdir()
    rows = ["file,label,group_id,visit"]
    for sample in data.samples:
        cv2.imwrite(str(folder / sample.source), data.read(sample))
        rows.append(f"{sample.source},{data.classes[sample.target or 0]},{sample.group},{sample.tags['visit']}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_the_command_prints_a_document_that_its_schema_describes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = flat_data()
    engine, folder = two_graphs(tmp_path / "a.edge", data), write_folder(tmp_path / "frames", data)
    assert main(["evaluate", str(engine), "--data", str(folder), "--by", "visit", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(document)
    assert [level["unit"] for level in document["levels"]] == ["frame", "visit"]
    assert document["left_out"]["frames"] == 3
    del document["levels"][0]["graphs"][0]["metrics"]["accuracy"]
    assert not Draft202012Validator(SCHEMA).is_valid(document)


def test_the_table_names_the_leaky_protocol_on_every_line_of_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0-0.png#0"], leaky=True)
    engine = write_bundle(tmp_path / "a.edge", tiny_manifest(split=split))
    folder = write_folder(tmp_path / "frames", data)
    assert main(["evaluate", str(engine), "--data", str(folder), "--subgroup", "visit"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "left out: 1 frames that training, validation or calibration has seen" in printed
    lines = [line for line in printed if "[" in line]
    assert len(lines) == 12, "three metrics, three recalls, the area, three sensitivities, two subgroups"
    assert all("(leaky protocol)" in line for line in lines)


def test_subgroups_are_those_the_data_declare_or_those_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = flat_data()
    engine, folder = two_graphs(tmp_path / "a.edge", data), write_folder(tmp_path / "frames", data)
    plain = ["evaluate", str(engine), "--data", str(folder), "--json"]
    assert main(plain) == 0
    assert json.loads(capsys.readouterr().out)["subgroups"] == {}
    assert main([*plain, "--subgroup", "visit"]) == 0
    asked = json.loads(capsys.readouterr().out)
    (folder / "dataset.json").write_text('{"name": "frames", "subgroups": {"visit": []}}')
    assert main(plain) == 0
    declared = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(declared)
    assert declared["subgroups"] == asked["subgroups"]
    first, second = declared["subgroups"]["int8"]
    assert (first["column"], first["value"], first["frames"], first["groups"]) == ("visit", "1", 22, 11)
    assert (second["value"], second["frames"], second["metric"]["value"]) == ("2", 11, 1.0)
    assert second["drop_points"]["value"] == 0.0
    assert any("2 subgroups were looked at" in note for note in declared["notes"])
    assert main([*plain, "--no-subgroups"]) == 0
    assert json.loads(capsys.readouterr().out)["subgroups"] == {}


def test_subgroups_are_printed_with_their_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = flat_data()
    engine, folder = two_graphs(tmp_path / "a.edge", data), write_folder(tmp_path / "frames", data)
    assert main(["evaluate", str(engine), "--data", str(folder), "--subgroup", "visit"]) == 0
    printed = capsys.readouterr().out
    assert "by visit: balanced accuracy of frames, %, and drops in points" in printed
    (row,) = [line.split("│") for line in printed.splitlines() if line.startswith("│ 1 ")]
    assert [cell.strip() for cell in row[1:4]] == ["1", "22", "11"]
    assert "int8 drop" in printed and "note: 2 subgroups were looked at" in printed


def test_an_unknown_subgroup_and_contradicting_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, folder = two_graphs(tmp_path / "a.edge"), write_folder(tmp_path / "frames", flat_data())
    assert main(["evaluate", str(engine), "--data", str(folder), "--subgroup", "sex"]) == 1
    assert "has no column 'sex'; expected group or one of" in capsys.readouterr().err
    assert main(["evaluate", str(engine), "--data", str(folder), "--subgroup", "visit", "--no-subgroups"]) == 2
    assert "contradicts --subgroup" in capsys.readouterr().err


def test_a_segmentation_has_subgroups_too() -> None:
    data = masked_data()
    sided = data.subset([replace(one, tags={"side": "lr"[int(one.source) % 2]}) for one in data.samples])
    done = evaluate(segmenter(), sided, subgroups=["side"])
    left, right = done.subgroups["int8"]
    dice = 2 * 36 / (36 + 64)
    assert left.metric.value == pytest.approx((1 + 5 * dice) / 6), "the empty frame is on the left"
    assert right.metric.value == pytest.approx(dice)
    console = Console(width=200, record=True, file=io.StringIO())
    show_evaluation(done, console)
    assert "by side: Dice of frames" in console.export_text()


def test_a_checkpoint_is_scored_with_its_own_preprocessing_and_split(tmp_path: Path) -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0", "grey-0", "bright-0"])
    network = write_random_checkpoint(tmp_path / "ckpt", data, split)
    with open_predictor(tmp_path / "ckpt") as opened:
        frame = data.read(data.samples[0])
        expected = network(torch.from_numpy(HALVED(frame)[None])).softmax(1)[0].detach().numpy()
        assert opened.graphs["fp32"](frame).probabilities == pytest.approx(expected, abs=1e-6)
        done = evaluate(opened, data)
    assert (done.kind, done.left_out.groups, done.flags) == ("checkpoint", 3, ("simulated_training",))


HALVED = Preprocess(height=32, width=32, std=(0.5,))


def write_random_checkpoint(folder: Path, data: DataSet, split: Split) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_model("myositis", classes=3, channels=1)
    config = checkpoint_config(classes=data.classes, preprocess=HALVED, trained_on=PHANTOM, data="phantom")
    write_checkpoint(folder, network=network, config=config, metrics={}, split=split)
    return network.eval()
