"""What is compared with what, on which frames, and what of it is within tolerance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.benchmarks.compare.records import Limits
from edgeneuro.benchmarks.compare.verdict import require_pass
from edgeneuro.errors import (
    BackendError,
    ComparisonError,
    InputError,
)
from edgeneuro.runtime import backends
from tests.benchmarks.compare.files import (
    arrays,
    write_float,
    write_int8,
    write_network,
    write_onnx,
)
from tests.benchmarks.compare.running import LIMITS, expected_logits, one, pictures, run
from tests.benchmarks.frames import flat_data, split_of
from tests.runtime.bundles import logits_of, tiny_graph, tiny_manifest, write_bundle, write_explaining_bundle

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


def test_a_checkpoint_that_explains_itself_is_compared_in_both_of_its_outputs(tmp_path: Path) -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0"])
    write_network(tmp_path / "ckpt", tiny_manifest(), split=split, model="skin", branch_depth=0)  # maps of 4 x 4 places
    engine = write_explaining_bundle(tmp_path / "a.edge")
    found = one(run(engine, tmp_path / "ckpt", data=data))
    assert [output.output for output in found.outputs] == ["logits", "class_maps"]


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
