"""What is compared with what, on which frames, and what of it is within tolerance."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.benchmarks.compare.records import Compared, Comparison, Limits
from edgeneuro.benchmarks.compare.run import compare
from edgeneuro.benchmarks.compare.verdict import require_pass
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import (
    BackendError,
    BundleError,
    CheckpointError,
    ComparisonError,
    DataError,
    InputError,
    ModelFileError,
    ShapeError,
)
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import backends
from edgeneuro.runtime.backends.ort import OrtBackend
from tests.benchmarks.compare.files import (
    BIAS,
    arrays,
    unlabelled,
    write_float,
    write_int8,
    write_network,
    write_onnx,
)
from tests.benchmarks.frames import LEVELS, flat_data, split_of
from tests.runtime.bundles import SIDE, logits_of, tiny_graph, tiny_manifest, write_bundle
from tests.runtime.foreign import sum_onnx, write_array_bundle, write_mask_bundle

LIMITS = Limits(max_difference=1e-3, min_cosine=0.99, max_drop=None)
ORT = Choice(backends=("onnxruntime",))


def run(
    *paths: Path, data: DataSet | None = None, choice: Choice = ORT, limits: Limits = LIMITS, **more: Any
) -> Comparison:
    return compare(paths, flat_data() if data is None else data, limits=limits, choice=choice, **more)


def one(done: Comparison) -> Compared:
    (found,) = done.executables
    return found


def expected_logits() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(frame, class) of the tiny network for the flat frames."""
    levels = [LEVELS[sample.source.partition("-")[0]] / 255 for sample in flat_data().samples]
    return logits_of(np.array(levels, np.float32)[:, None, None, None])


# --- tensors, known by hand


def test_a_shift_of_the_logits_is_found_to_the_digit(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge", (0.5, 0.0, -1.0)))
    found = one(done)
    (logits,) = found.outputs
    reference = expected_logits()
    moved = reference + np.array([0.5, 0.0, -1.0])
    cosines = (reference * moved).sum(1) / np.linalg.norm(reference, axis=1) / np.linalg.norm(moved, axis=1)
    assert done.reference.name == "a.edge: fp32 onnxruntime"
    assert found.executable.name == "a.edge: int8 onnxruntime"
    assert logits.output == "logits"
    assert logits.max == pytest.approx(1.0, abs=1e-5)
    assert logits.mean == pytest.approx(0.5, abs=1e-5)
    assert logits.magnitude == pytest.approx(np.abs(reference).max(), rel=1e-5)
    assert logits.relative_max == pytest.approx(1.0 / np.abs(reference).max(), rel=1e-5)
    assert logits.cosine_min == pytest.approx(cosines.min(), rel=1e-6)
    assert logits.cosine_mean == pytest.approx(cosines.mean(), rel=1e-6)


def test_answers_are_counted_and_the_drop_is_paired(tmp_path: Path) -> None:
    """With 20 more for grey, every frame is called grey."""
    found = one(run(write_int8(tmp_path / "a.edge", (0.0, 20.0, 0.0))))
    assert found.agreement is not None and found.agreement.value == pytest.approx(1 / 3)
    assert found.value is not None and found.value.value == pytest.approx(1 / 3)
    assert found.drop_points is not None and found.drop_points.value == pytest.approx(200 / 3)
    assert found.drop_points.low > 30


# --- verdicts


def test_float_executables_must_give_the_same_and_the_reason_names_the_limit(tmp_path: Path) -> None:
    same = one(run(write_onnx(tmp_path / "a.onnx"), write_onnx(tmp_path / "b.onnx"), data=arrays(pictures())))
    assert same.verdict == "pass" and same.outputs[0].max == 0.0
    done = run(write_float(tmp_path / "a.edge"), write_onnx(tmp_path / "moved.onnx", (0.1, 0.0, 0.0)))
    assert one(done).agreement is not None and one(done).agreement.value == 1.0  # type: ignore[union-attr]
    assert one(done).verdict == done.verdict == "fail"
    assert one(done).judged_by == ("logits: largest difference 0.00402 of the largest value, at most 0.001",)
    with pytest.raises(
        ComparisonError, match=r"moved\.onnx: fp32 onnxruntime: differs from a\.edge: fp32 onnxruntime on"
    ):
        require_pass(done)
    loose = run(tmp_path / "a.edge", tmp_path / "moved.onnx", limits=replace(LIMITS, max_difference=0.01))
    assert one(loose).verdict == "pass"
    require_pass(loose)


def test_a_float_executable_that_changes_an_answer_fails_however_small_the_difference(tmp_path: Path) -> None:
    """Grey frames give dark 8.1 less than grey: 8.5 more for dark turns them."""
    done = run(
        write_float(tmp_path / "a.edge"),
        write_onnx(tmp_path / "b.onnx", (8.5, 0.0, 0.0)),
        limits=replace(LIMITS, max_difference=1.0),
    )
    assert one(done).verdict == "fail"
    assert one(done).judged_by == ("frames with the same class 0.666667, at least 1",)


def test_a_lossy_executable_may_differ_but_not_in_direction(tmp_path: Path) -> None:
    near = one(run(write_int8(tmp_path / "a.edge", (0.1, 0.0, 0.0))))
    assert near.outputs[0].relative_max > LIMITS.max_difference
    assert near.verdict == "pass" and near.judged_by[0].startswith("logits: mean cosine 0.99")
    far = run(write_int8(tmp_path / "b.edge", (20.0, -20.0, 20.0)))
    assert one(far).verdict == "fail"
    with pytest.raises(ComparisonError, match=r"mean cosine 0\.\d+, at least 0\.99; look at its layers"):
        require_pass(far)


def test_the_mean_of_the_frames_cosines_counts_and_not_the_smallest(tmp_path: Path) -> None:
    found = one(run(write_int8(tmp_path / "a.edge", (2.3, 0.0, 0.0))))
    assert found.outputs[0].cosine_min < 0.99 < found.outputs[0].cosine_mean
    assert found.verdict == "pass"


def test_a_margin_judges_answers_in_place_of_the_cosine(tmp_path: Path) -> None:
    """Logits ten higher throughout are other tensors but the same answers."""
    engine = write_int8(tmp_path / "a.edge", (10.0, 10.0, 10.0))
    assert one(run(engine)).verdict == "fail"
    margin = Limits(max_difference=1e-3, min_cosine=None, max_drop="40")
    by_drop = run(engine, limits=margin)
    assert one(by_drop).verdict == "pass"
    assert one(by_drop).judged_by[0].startswith("balanced accuracy drops by 0.00 points")
    both = run(engine, limits=replace(margin, min_cosine=0.99))
    assert one(both).verdict == "fail", "where both are asked for, both have to hold"
    too_few = run(engine, limits=replace(margin, max_drop="1"))
    assert too_few.verdict == "inconclusive"
    with pytest.raises(ComparisonError, match=r"cannot be shown to be as good as .* give more recordings"):
        require_pass(too_few)
    worse = run(write_int8(tmp_path / "b.edge", (0.0, 20.0, 0.0)), limits=margin)
    assert worse.verdict == "fail"


def test_lossy_executables_need_something_to_be_judged_by() -> None:
    with pytest.raises(InputError, match="neither min_cosine nor max_drop"):
        Limits(max_difference=1e-3, min_cosine=None, max_drop=None)


# --- the reference, and what runs beside it


def test_a_checkpoint_is_the_reference_wherever_it_stands(tmp_path: Path) -> None:
    data = flat_data()
    network = write_network(tmp_path / "ckpt", tiny_manifest(), split=split_of(data, training=["dark-0"]))
    engine = write_float(tmp_path / "a.edge")
    done = run(engine, tmp_path / "ckpt", data=data)
    assert (done.reference.name, done.reference.backend) == ("ckpt: fp32 pytorch", "pytorch")
    assert done.reference.version == torch.__version__
    found = one(done)
    assert found.executable.name == "a.edge: fp32 onnxruntime"
    frames = [sample for sample in data.samples if sample.group != "dark-0"]
    with torch.inference_mode():
        batch = np.stack([tiny_manifest().frame_preprocess(data.read(sample)) for sample in frames])
        expected = np.concatenate([network(torch.from_numpy(row[None])).numpy() for row in batch])
    assert found.outputs[0].max == pytest.approx(np.abs(expected - logits_of(batch)).max(), rel=1e-4)
    assert done.left_out.frames == 3


def test_the_float_graph_stays_the_reference_where_others_are_asked_for(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge"), choice=Choice(backends=("openvino",), precisions=("fp32",)))
    assert done.reference.name == "a.edge: fp32 onnxruntime"
    assert [found.executable.name for found in done.executables] == ["a.edge: fp32 openvino"]
    assert one(done).verdict == "pass"


def test_every_graph_runs_on_every_backend_that_can_and_the_others_say_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgeneuro.benchmarks.compare.open_bundle.unavailable",
        lambda name: "" if name == "onnxruntime" else "is not installed; run: pip install it",
    )
    graphs = (tiny_graph(), tiny_graph("graphs/arm.int8.onnx", precision="int8", requires=("no_such_feature",)))
    manifest = tiny_manifest(graphs=(*graphs, tiny_graph("graphs/a.int8.onnx", precision="int8")))
    done = run(write_bundle(tmp_path / "a.edge", manifest), choice=Choice())
    assert [found.executable.name for found in done.executables] == ["a.edge: int8 onnxruntime (a.int8)"]
    assert done.missing.pop("a.edge: int8 onnxruntime (arm.int8)") == (  # type: ignore[attr-defined]
        "needs a processor with no_such_feature, which this one does not show"
    )
    assert done.missing == {
        f"a.edge: {name}": "is not installed; run: pip install it"
        for name in backends.BACKENDS
        if name != "onnxruntime"
    }


def test_one_executable_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"only a\.edge: fp32 onnxruntime runs here, expected at least two"):
        run(write_float(tmp_path / "a.edge"))


def test_an_executable_that_fails_at_a_frame_fails_alone(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge", (float("nan"), 0.0, 0.0))
    done = run(engine, write_onnx(tmp_path / "b.onnx"))
    broken, sound = done.executables
    assert (broken.verdict, sound.verdict, done.verdict) == ("fail", "pass", "fail")
    assert broken.outputs == () and broken.agreement is None
    assert broken.judged_by == ("at dark-0-0.png: output 'logits' is NaN or infinite, expected finite numbers",)
    with pytest.raises(BackendError, match=r"nan\.onnx: fp32 onnxruntime: at dark-0-0\.png: output 'logits' is NaN"):
        run(write_onnx(tmp_path / "nan.onnx", (float("nan"), 0.0, 0.0)), engine)


def test_files_of_one_name_are_told_apart_without_their_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    done = run(write_float(tmp_path / "a" / "x.edge"), write_float(tmp_path / "b" / "x.edge"))
    assert done.reference.name == "x.edge: fp32 onnxruntime"
    assert one(done).executable.file == "x.edge (2)"


def test_a_quantised_onnx_file_is_judged_as_lossy(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(write_onnx(tmp_path / "a.onnx").read_bytes())
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "step"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step"], ["seen"]),
    ]
    model.graph.node[0].input[0] = "seen"
    model.graph.initializer.append(numpy_helper.from_array(np.array(1 / 128, np.float32), "step"))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.save(model, str(tmp_path / "q.onnx"))
    done = run(write_float(tmp_path / "a.edge"), tmp_path / "q.onnx")
    assert one(done).executable.precision == "int8"
    assert one(done).verdict == "pass" and one(done).outputs[0].relative_max > 1e-3
    half = onnx.ModelProto.FromString((tmp_path / "a.onnx").read_bytes())
    half.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float16), "unused"))
    onnx.save(half, str(tmp_path / "half.onnx"))
    assert one(run(tmp_path / "a.edge", tmp_path / "half.onnx")).executable.precision == "fp16"


# --- frames


def test_groups_that_any_file_has_seen_are_left_out(tmp_path: Path) -> None:
    data = flat_data()
    first = write_int8(tmp_path / "a.edge", split=split_of(data, training=["dark-0"]))
    second = write_int8(tmp_path / "b.edge", split=split_of(data, training=["grey-0"], calibration=["bright-1"]))
    done = run(first, second, data=data)
    assert (done.left_out.frames, done.left_out.groups) == (9, 3)
    assert (done.data.frames, done.data.groups) == (27, 9)
    assert done.protocol == "grouped" and done.notes == ()
    with pytest.raises(DataError, match="all 36 frames were used"):
        run(write_int8(tmp_path / "c.edge", split=split_of(data, training=sorted({s.group for s in data.samples}))))


def test_a_leaky_split_and_an_unknown_one_are_said(tmp_path: Path) -> None:
    data = flat_data()
    leaky = write_int8(tmp_path / "a.edge", split=split_of(data, training=["dark-0-0.png#0"], leaky=True))
    done = run(leaky, data=data)
    assert done.protocol == "leaky" and done.notes[0].startswith("leaky protocol: 1 of 12 groups")
    unknown = run(write_int8(tmp_path / "b.edge"))
    assert unknown.protocol is None and unknown.notes[0].startswith("No file says what the network was trained on")


def test_some_frames_are_drawn_from_all_groups_in_turn_by_the_seed(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    done = run(engine, max_frames=12)
    assert (done.data.frames, done.data.groups, done.drawn_from) == (12, 12, 36)
    assert run(engine, max_frames=12) == done
    assert run(engine, max_frames=36).drawn_from is None


def test_class_numbers_of_the_data_follow_their_names(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge"), data=flat_data(("bright", "dark", "grey")))
    assert done.reference_value is not None and done.reference_value.value == 1.0
    with pytest.raises(DataError, match=r"a\.edge: knows the classes dark, grey, bright, but flat has dark, grey"):
        run(tmp_path / "a.edge", data=flat_data(("dark", "grey")))


def test_unlabelled_frames_give_differences_and_agreement_only(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge", (0.1, 0.0, 0.0)), data=unlabelled())
    assert done.metric is None and done.reference_value is None
    assert one(done).value is None and one(done).drop_points is None
    assert one(done).agreement is not None and one(done).agreement.value == 1.0  # type: ignore[union-attr]
    assert "plain has no labels: executables are compared with the reference only." in done.notes


def test_unlabelled_rows_of_labelled_data_are_left_out_and_counted(tmp_path: Path) -> None:
    data = flat_data()
    partly = data.subset([replace(data.samples[0], target=None), *data.samples[1:]])
    done = run(write_int8(tmp_path / "a.edge"), data=partly)
    assert (done.left_out.unlabelled, done.data.frames) == (1, 35)


def test_each_frame_is_read_once_whatever_the_number_of_executables(tmp_path: Path) -> None:
    data, read = flat_data(), list[str]()

    def reader(sample: Sample) -> Any:
        read.append(sample.source)
        return data.read(sample)

    files = write_int8(tmp_path / "a.edge"), write_onnx(tmp_path / "b.onnx"), write_onnx(tmp_path / "c.onnx")
    done = run(*files, data=replace(data, reader=reader))
    assert len(done.executables) == 3
    assert sorted(read) == sorted(sample.source for sample in data.samples)


def test_no_output_outlives_its_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two executables, 36 frames: at any call at most the outputs of this frame and the last are there."""
    made: list[weakref.ref[Any]] = []
    most = 0
    original = OrtBackend.run

    def counted(self: OrtBackend, feeds: Any) -> Any:
        nonlocal most
        most = max(most, sum(kept() is not None for kept in made))
        outputs = original(self, feeds)
        made.extend(weakref.ref(values) for values in outputs.values())
        return outputs

    monkeypatch.setattr(OrtBackend, "run", counted)
    run(write_int8(tmp_path / "a.edge"))
    assert len(made) == 72 and most <= 4


# --- other tasks


def masks() -> DataSet:
    """Six frames of three people: bright on the left, dark on the right."""
    samples = tuple(Sample(source=f"{n}", index=0, target=None, group=f"P{n // 2}") for n in range(6))

    def read(sample: Sample) -> Any:
        frame = np.full((SIDE, SIDE), 20, np.uint8)
        frame[:, : SIDE // 2] = 140 + 10 * int(sample.source)
        return frame

    return DataSet(
        name="halves",
        classes=("background", "bright"),
        samples=samples,
        reader=read,
        mask_reader=lambda sample: (read(sample) > 100).astype(np.uint8),
    )


def moved_masks(path: Path, offset: float) -> Path:
    """The bare graph of `write_mask_bundle`, its logits moved."""
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"], strides=[2, 2])
    graph = helper.make_graph(
        [node],
        "mask",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, SIDE // 2, SIDE // 2])],
        [
            numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w"),
            numpy_helper.from_array(np.array([offset], np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return path


def test_masks_agree_by_their_dice_and_are_scored_by_the_labels(tmp_path: Path) -> None:
    """A threshold of 0.6 in place of 0.5 leaves frames of 140 and 150 (of 255) without a mask."""
    engine = write_mask_bundle(tmp_path / "m.edge")
    same, moved = moved_masks(tmp_path / "same.onnx", -0.5), moved_masks(tmp_path / "moved.onnx", -0.6)
    done = run(engine, same, moved, data=masks())
    assert (done.task, done.metric) == ("segmentation", "dice")
    assert done.reference_value is not None and done.reference_value.value == 1.0
    first, second = done.executables
    assert first.verdict == "pass" and first.agreement is not None and first.agreement.value == 1.0
    assert second.verdict == "fail"
    assert second.agreement is not None and second.agreement.value == pytest.approx(4 / 6)
    assert second.value is not None and second.value.value == pytest.approx(4 / 6)
    assert second.drop_points is not None and second.drop_points.value == pytest.approx(100 * 2 / 6)
    assert second.outputs[0].max == pytest.approx(0.1, abs=1e-6)


def test_masks_without_labels_still_agree(tmp_path: Path) -> None:
    engine = write_mask_bundle(tmp_path / "m.edge")
    done = run(engine, moved_masks(tmp_path / "same.onnx", -0.5), data=unlabelled())
    assert done.metric is None and one(done).verdict == "pass"
    assert one(done).judged_by[-1] == "Dice of the masks 1, at least 0.999"


def test_outputs_of_a_network_for_arrays_are_compared_one_by_one(tmp_path: Path) -> None:
    engine = write_array_bundle(tmp_path / "t.edge")
    (tmp_path / "t.onnx").write_bytes(sum_onnx())
    items = [{"left": np.full((1, 4), n, np.float32), "steps": np.array([n, 2])} for n in range(3)]
    done = run(engine, tmp_path / "t.onnx", data=arrays(items))
    found = one(done)
    assert (done.task, found.agreement, found.verdict) == ("tensors", None, "pass")
    assert [(output.output, output.dtype, output.max) for output in found.outputs] == [
        ("total", "float32", 0.0),
        ("index", "int64", 0.0),
    ]
    assert [text.partition(" of")[0] for text in found.judged_by] == [
        "total: largest difference 0",
        "index: mean difference 0",
    ]


def pictures() -> list[dict[str, np.ndarray[Any, Any]]]:
    """Inputs of the tiny network."""
    return [{"image": np.full((1, 1, SIDE, SIDE), level, np.float32)} for level in (0.1, 0.5, 0.9)]


def test_bare_onnx_files_are_compared_on_arrays_and_say_so_when_given_pictures(tmp_path: Path) -> None:
    files = write_onnx(tmp_path / "a.onnx"), write_onnx(tmp_path / "b.onnx", (0.25, 0.0, 0.0))
    done = run(*files, data=arrays(pictures()))
    assert (done.task, done.reference.name) == ("tensors", "a.onnx: fp32 onnxruntime")
    assert one(done).outputs[0].max == pytest.approx(0.25, abs=1e-5)
    assert one(done).outputs[0].magnitude == pytest.approx(np.abs(expected_levels()).max(), rel=1e-5)
    with pytest.raises(ShapeError, match="nothing compared here says how a frame becomes an input"):
        run(*files, data=unlabelled())


def expected_levels() -> Any:
    return logits_of(np.array([0.1, 0.5, 0.9], np.float32)[:, None, None, None], bias=BIAS)


def test_a_bare_onnx_file_is_fed_by_the_preprocessing_of_the_file_that_has_one(tmp_path: Path) -> None:
    half = Preprocess(height=SIDE, width=SIDE, std=(0.5,))
    done = run(write_onnx(tmp_path / "a.onnx"), write_float(tmp_path / "b.edge", preprocess=half))
    assert done.reference.kind == "onnx" and one(done).verdict == "pass"
    levels = np.array([LEVELS[s.source.partition("-")[0]] / 255 / 0.5 for s in flat_data().samples], np.float32)
    assert one(done).outputs[0].magnitude == pytest.approx(
        np.abs(logits_of(levels[:, None, None, None])).max(), rel=1e-5
    )


# --- what cannot be compared


def test_another_order_of_classes_is_refused_and_both_are_named(tmp_path: Path) -> None:
    first = write_float(tmp_path / "a.edge")
    second = write_float(tmp_path / "b.edge", classes=("grey", "dark", "bright"))
    with pytest.raises(
        InputError, match=r"b\.edge: has the classes grey, dark, bright, a\.edge has dark, grey, bright"
    ):
        run(first, second)


def test_other_preprocessing_another_task_and_other_tensors_are_refused(tmp_path: Path) -> None:
    first = write_float(tmp_path / "a.edge")
    second = write_float(tmp_path / "b.edge", preprocess=Preprocess(height=SIDE, width=SIDE, mean=(0.5,)))
    with pytest.raises(InputError, match=r"b\.edge: has the preprocessing .*mean=\(0\.5,\).*, a\.edge has"):
        run(first, second)
    with pytest.raises(
        InputError, match=r"m\.edge: has outputs logits \[-1, 1, 16, 16\] float32, a\.edge has logits \["
    ):
        run(first, write_mask_bundle(tmp_path / "m.edge"))
    (tmp_path / "sum.onnx").write_bytes(sum_onnx())
    with pytest.raises(InputError, match=r"sum\.onnx: has inputs left .*, steps .* int64, a\.edge has image"):
        run(first, tmp_path / "sum.onnx")


def test_files_that_are_missing_damaged_or_something_else_are_refused_by_name(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    with pytest.raises(InputError, match=r"none\.edge: does not exist"):
        run(engine, tmp_path / "none.edge")
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match=r"note\.txt: is no \.edge file, \.onnx file or checkpoint folder"):
        run(engine, tmp_path / "note.txt")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelFileError, match=r"broken\.onnx: is not a readable ONNX file"):
        run(engine, tmp_path / "broken.onnx")
    (tmp_path / "cut.edge").write_bytes(engine.read_bytes()[:-40])
    with pytest.raises(BundleError, match=r"cut\.edge: is not a whole \.edge file"):
        run(engine, tmp_path / "cut.edge")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match=r"folder: is not a checkpoint folder, it has no config\.json"):
        run(engine, tmp_path / "folder")
    with pytest.raises(BackendError, match="'abacus': is not known here"):
        run(engine, choice=Choice(backends=("abacus",)))


def test_another_backend_for_an_onnx_file_is_taken_by_name(tmp_path: Path) -> None:
    both = Choice(backends=("openvino", "onnxruntime"))
    done = run(write_onnx(tmp_path / "a.onnx"), data=arrays(pictures()), choice=both)
    assert done.reference.name == "a.onnx: fp32 openvino"
    assert one(done).executable.name == "a.onnx: fp32 onnxruntime"
    assert one(done).verdict == "pass"
