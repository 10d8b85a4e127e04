"""What every row of a benchmark is worth: on which frames, compared with what, and what is left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeneuro.benchmarks.measure.judge import judge_notes, judge_rows
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import BackendError, DataError, EdgeNeuroError, FrameError, ShapeError
from edgeneuro.manifest import Manifest
from edgeneuro.spec import Array, Feed, Frame, TensorSpec
from tests.benchmarks.frames import LEVELS, flat_data, split_of
from tests.runtime.bundles import SIDE, logits_of, tiny_manifest

CLASSES = ("dark", "grey", "bright")


def exact(feed: Feed) -> dict[str, Array]:
    """The float network of tests.runtime.bundles: brightness tells the class."""
    return {"logits": logits_of(feed["image"])}


def grey_is_bright(feed: Feed) -> dict[str, Array]:
    """The same, but it calls grey frames bright."""
    logits = logits_of(feed["image"])
    if logits.argmax() == 1:
        logits = logits[:, [0, 2, 1]]
    return {"logits": logits}


def manifest(**changes: Any) -> Manifest:
    return tiny_manifest(classes=CLASSES, **changes)


def judged(data: DataSet, other: Callable[[Feed], Mapping[str, Array]] = grey_is_bright, **changes: Any) -> Any:
    known = manifest(**changes)
    return judge_rows(known, data, {"int8": other, "fp32": exact}, reference="fp32", subgroups=(), seed=0)


def test_each_row_has_its_score_its_confusions_and_what_it_loses_against_float() -> None:
    found = judged(flat_data())
    assert list(found) == ["int8", "fp32"], "as the rows came"
    fp32, int8 = found["fp32"], found["int8"]
    assert (fp32.frames, fp32.groups, fp32.metric) == (36, 12, "balanced_accuracy")
    assert fp32.value.value == 1.0 and int8.value.value == pytest.approx(2 / 3)
    assert int8.confusion == ((12, 0, 0), (0, 0, 12), (0, 0, 12))
    assert int8.drop_points.value == pytest.approx(100 / 3)
    assert int8.agreement.value == pytest.approx(2 / 3)
    assert int8.drop_points.low < 100 / 3 < int8.drop_points.high
    assert int8.output_error > 0
    assert (fp32.drop_points, fp32.agreement, fp32.output_error) == (None, None, None)


def test_classes_are_matched_by_name_and_not_by_position() -> None:
    turned = flat_data(("bright", "dark", "grey"))
    found = judged(turned)
    assert found["fp32"].value.value == 1.0
    assert found["fp32"].classes == CLASSES
    assert found["int8"].confusion == ((12, 0, 0), (0, 0, 12), (0, 0, 12))


def test_only_unseen_groups_count_and_what_was_left_out_is_said() -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0", "grey-0", "bright-0"], calibration=["dark-1"])
    assert (judged(data, split=split)["fp32"].frames, judged(data, split=split)["fp32"].protocol) == (24, "grouped")
    (note,) = judge_notes(manifest(split=split), data)
    assert note.startswith("flat: 24 frames evaluated; 12 of 36 left out (4 groups seen in training")
    everything = split_of(data, training=sorted({sample.group for sample in data.samples}))
    with pytest.raises(DataError, match="all 36 frames were used in training"):
        judged(data, split=everything)


def test_a_leaky_split_is_named() -> None:
    data = flat_data()
    split = split_of(data, training=["dark-0-0.png#0"], leaky=True)
    assert judged(data, split=split)["int8"].protocol == "leaky"
    assert any(note.startswith("leaky protocol: 1 of 12 groups") for note in judge_notes(manifest(split=split), data))


def test_an_engine_that_names_no_split_says_that_frames_may_have_been_seen() -> None:
    assert judged(flat_data())["fp32"].protocol is None
    assert any("all frames were used, seen or not" in note for note in judge_notes(manifest(), flat_data()))


def test_frames_without_a_label_are_left_out_and_counted() -> None:
    data = flat_data()
    partly = data.subset([replace(data.samples[0], target=None), *data.samples[1:]])
    assert judged(partly)["fp32"].frames == 35
    assert "1 frames of flat have no label and were left out." in judge_notes(manifest(), partly)


def test_without_labels_there_is_agreement_and_output_error_only() -> None:
    data = flat_data()
    bare = replace(data, classes=(), samples=tuple(replace(sample, target=None) for sample in data.samples))
    found = judge_rows(
        manifest(), bare, {"fp32": exact, "int8": grey_is_bright}, reference="fp32", subgroups=("visit",), seed=0
    )
    int8 = found["int8"]
    assert (int8.metric, int8.value, int8.drop_points, int8.confusion, int8.subgroups) == (
        "agreement",
        None,
        None,
        (),
        (),
    )
    assert int8.agreement is not None and int8.agreement.value == pytest.approx(2 / 3)
    assert int8.output_error is not None and int8.output_error > 0
    assert any(
        "flat has no labels: rows are compared with the float row only" in n for n in judge_notes(manifest(), bare)
    )


def test_data_of_other_classes_or_another_task_are_refused() -> None:
    with pytest.raises(DataError, match="knows the classes dark, grey, bright, but flat has dark, grey;"):
        judged(flat_data(("dark", "grey")))
    with pytest.raises(DataError, match="flat: has masks, myositis is a classification"):
        judged(replace(flat_data(), mask_reader=lambda sample: np.zeros((40, 40), np.uint8)))


def test_every_frame_is_read_once_and_all_rows_are_fed_the_same() -> None:
    data, read, fed = flat_data(), [], []

    def count(sample: Sample) -> Frame:
        read.append(sample.source)
        return data.reader(sample)

    def watch(feed: Feed) -> dict[str, Array]:
        fed.append(feed["image"])
        return exact(feed)

    rows = {"fp32": watch, "int8": watch}
    found = judge_rows(manifest(), replace(data, reader=count), rows, reference="fp32", subgroups=None, seed=0)
    assert len(read) == 36 and len(set(read)) == 36
    assert all(fed[i] is fed[i + 1] for i in range(0, 72, 2))
    assert found["int8"].output_error == 0.0


def test_a_frame_that_cannot_be_read_ends_the_work() -> None:
    def broken(sample: Sample) -> Frame:
        raise FrameError(f"{sample.source}: is cut short")

    with pytest.raises(FrameError, match="is cut short"):
        judged(replace(flat_data(), reader=broken))


def test_a_row_that_fails_is_named_and_ends_the_work_unless_somebody_is_told() -> None:
    def breaks(feed: Feed) -> dict[str, Array]:
        return {"logits": logits_of(feed["image"]) * (np.nan if feed["image"].mean() > 0.3 else 1.0)}

    data = flat_data()
    with pytest.raises(BackendError, match=r"int8: at grey-0-0\.png: network: returned NaN"):
        judged(data, breaks)
    told: list[tuple[str, EdgeNeuroError]] = []
    rows = {"fp32": exact, "broken": breaks, "int8": grey_is_bright}
    found = judge_rows(
        manifest(), data, rows, reference="fp32", subgroups=(), seed=0, failed=lambda *what: told.append(what)
    )
    assert list(found) == ["fp32", "int8"] and found["int8"].value is not None
    assert found["int8"].value.value == pytest.approx(2 / 3)
    assert [name for name, _ in told] == ["broken"], "told once, and not asked again"


def test_the_reference_may_not_fail_even_then() -> None:
    def breaks(feed: Feed) -> dict[str, Array]:
        raise BackendError("onnxruntime: no")

    with pytest.raises(BackendError, match="fp32: at"):
        judge_rows(
            manifest(), flat_data(), {"fp32": breaks}, reference="fp32", subgroups=(), seed=0, failed=lambda *_: None
        )


def test_a_row_that_answers_in_another_shape_is_named() -> None:
    with pytest.raises(ShapeError, match=r"int8: at .*: int8: gives 'logits' of shape \(1, 2\), expected \(1, 3\)"):
        judged(flat_data(), lambda feed: {"logits": np.zeros((1, 2), np.float32)})


def test_subgroups_stand_beside_the_whole() -> None:
    data = replace(flat_data(), subgroups={"visit": ()})
    found = judge_rows(
        manifest(), data, {"fp32": exact, "int8": grey_is_bright}, reference="fp32", subgroups=None, seed=0
    )
    first, second = found["int8"].subgroups
    assert (first.value, first.frames, second.value, second.frames) == ("1", 24, "2", 12)
    assert first.metric.value == pytest.approx(2 / 3) and first.drop_points is not None
    assert [one.drop_points for one in found["fp32"].subgroups] == [None, None]
    assert any("2 subgroups were looked at" in note for note in judge_notes(manifest(), data))


def masked() -> DataSet:
    """Six patients with two frames: a bright square."""
    samples = tuple(
        Sample(source=f"{i}", index=0, target=None, group=f"P{i // 2}", tags={"side": "lr"[i % 2]}) for i in range(12)
    )

    def read(sample: Sample) -> Frame:
        frame = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
        frame[8:40, 8:40] = 200
        return frame

    return DataSet(
        name="squares",
        classes=("background", "nerve"),
        samples=samples,
        reader=read,
        mask_reader=lambda sample: (read(sample) > 50).astype(np.uint8),
        subgroups={"side": ()},
    )


def segmentation() -> Manifest:
    logits = TensorSpec(
        name="logits",
        shape=(-1, 1, SIDE, SIDE),
        axes=("batch", "class", "height", "width"),
        dtype="float32",
        unit="logit",
    )
    return replace(
        manifest(), task="segmentation", primary_metric="dice", outputs=(logits,), classes=("background", "nerve")
    )


def test_a_segmentation_is_judged_by_dice_at_the_size_of_its_label_masks() -> None:
    def whole(feed: Feed) -> dict[str, Array]:
        return {"logits": feed["image"] - 0.5}

    def half(feed: Feed) -> dict[str, Array]:
        logits = feed["image"] - 0.5
        logits[:, :, : 4 + 8] = -1.0
        return {"logits": logits}

    rows = {"fp32": whole, "int8": half}
    found = judge_rows(segmentation(), masked(), rows, reference="fp32", subgroups=None, seed=0)
    fp32, int8 = found["fp32"], found["int8"]
    assert fp32.metric == "dice" and fp32.value is not None and fp32.value.value == 1.0
    dice = 2 * 0.5 / (1 + 0.5)
    assert int8.value is not None and int8.value.value == pytest.approx(dice)
    assert int8.drop_points is not None and int8.drop_points.value == pytest.approx(100 * (1 - dice))
    assert int8.agreement is not None and int8.agreement.value == pytest.approx(dice)
    assert int8.confusion == ()
    assert [(one.value, one.frames) for one in int8.subgroups] == [("l", 6), ("r", 6)]
    bare = replace(masked(), classes=(), mask_reader=None)
    assert (
        judge_rows(segmentation(), bare, rows, reference="fp32", subgroups=None, seed=0)["int8"].metric == "agreement"
    )


def test_a_network_that_takes_and_gives_arrays_is_judged_by_agreement() -> None:
    spec = TensorSpec(name="x", shape=(-1, 4), axes=("batch", "cell"), dtype="float32", unit="1")
    out = TensorSpec(name="y", shape=(-1, 4), axes=("batch", "cell"), dtype="float32", unit="1")
    known = manifest()
    known = replace(
        known,
        task="tensors",
        primary_metric="output_error",
        preprocess=None,
        classes=(),
        inputs=(spec,),
        outputs=(out,),
    )
    samples = tuple(Sample(source=f"{i}.npy", index=0, target=None, group=f"{i}") for i in range(5))

    def arrays(sample: Sample) -> Array:
        return np.arange(4, dtype=np.float32) + int(sample.source[0])

    data = DataSet(name="cells", classes=(), samples=samples, reader=arrays, array_reader=arrays)
    rows = {"fp32": lambda feed: {"y": feed["x"]}, "int8": lambda feed: {"y": 0.9 * feed["x"]}}
    int8 = judge_rows(known, data, rows, reference="fp32", subgroups=None, seed=0)["int8"]
    assert int8.metric == "agreement" and int8.value is None
    assert int8.agreement is not None and int8.agreement.value == pytest.approx(0.9, abs=1e-6)
    assert any("gives tensors" in note for note in judge_notes(known, data))


def test_levels_of_the_made_up_data_are_what_the_tiny_network_tells_apart() -> None:
    assert [
        exact({"image": np.full((1, 1, 2, 2), level / 255, np.float32)})["logits"].argmax() for level in LEVELS.values()
    ] == [0, 1, 2]
