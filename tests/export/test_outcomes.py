"""One pass over the frames, read by accuracy and gate: classes, masks, tensors; by frame and by exam."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.export.accuracy import accuracy_of, class_drops, drop
from edgeneuro.export.outcomes import Baseline
from edgeneuro.metrics import balanced_accuracy, drop_interval
from edgeneuro.spec import Array, Feed
from tests.export.answers import Listed, baseline, classifier, dataset

TARGETS = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
GROUPS = list("aaabbbccdd")


def test_a_classifiers_accuracy_and_drop_are_those_of_its_predictions() -> None:
    floating = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1, 1])
    int8 = np.array([0, 0, 1, 1, 0, 1, 0, 0, 1, 1])
    outcomes = baseline(dataset(TARGETS, GROUPS), classifier(floating)).beside({"int8.onnx": classifier(int8)})
    measured = accuracy_of(outcomes, metric="balanced_accuracy", protocol="grouped")
    assert measured.graphs["model.onnx"].value == pytest.approx(balanced_accuracy(TARGETS, floating, 2))
    assert measured.drop_points["int8.onnx"] == drop_interval("balanced_accuracy", TARGETS, floating, int8, GROUPS, 2)
    assert measured.agreement == {"int8.onnx": 0.9}
    assert set(measured.others) == {"accuracy", "macro_f1"}
    assert measured.curves["int8.onnx"].auc is not None
    assert measured.curves["model.onnx"].calibration_error < measured.curves["int8.onnx"].calibration_error


def test_every_graph_sees_every_frame_once_and_the_float_graph_is_not_run_again() -> None:
    runs: list[Feed] = []

    class Counted(Listed):
        def run(self, feed: Feed) -> dict[str, Array]:
            runs.append(feed)
            return super().run(feed)

    reference = Counted([np.eye(2, dtype=np.float32)[target] for target in TARGETS])
    base = baseline(dataset(TARGETS, GROUPS), reference)
    for _ in range(3):
        base.beside({"int8.onnx": classifier(TARGETS)})
    assert len(runs) == len(TARGETS)


def test_an_exam_is_one_visit_of_one_patient_with_the_mean_of_its_frames() -> None:
    floating = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1, 1])
    data = dataset(TARGETS, GROUPS, visits=list("1122111111"))
    exams = baseline(data, classifier(floating)).beside({"int8.onnx": classifier(floating)}).by("visit")
    assert [sample.group for sample in exams.samples] == ["a", "a", "b", "b", "c", "d"]
    assert exams.probabilities["model.onnx"].argmax(1).tolist() == [0, 1, 1, 1, 0, 1]
    assert exams.unit == "visit"
    with pytest.raises(DataError, match="has no column 'video'"):
        exams.by("video")


def square(side: int, size: int = 8) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[:side, :side] = 1
    return mask


def logits(mask: np.ndarray) -> np.ndarray:
    return np.stack([1.0 - mask, mask]).astype(np.float32)


def test_a_segmentation_is_scored_by_dice_and_iou_at_the_size_of_the_label() -> None:
    truth = [square(4), square(4), square(0), square(4, 16)]
    found = [square(4), square(2), square(0), square(2)]
    data = dataset([None] * 4, list("aabb"), classes=("background", "nerve"), masks=truth)
    base = baseline(data, Listed([logits(mask) for mask in truth[:3]] + [logits(square(2))]), "segmentation")
    outcomes = base.beside({"int8.onnx": Listed([logits(mask) for mask in found])})
    assert outcomes.dice["model.onnx"][:2, 0].tolist() == [1.0, 1.0]
    assert outcomes.dice["int8.onnx"][1, 0] == pytest.approx(2 * 4 / (16 + 4))
    assert np.isnan(outcomes.dice["model.onnx"][2, 0])
    measured = accuracy_of(outcomes, metric="dice", protocol="grouped")
    assert measured.graphs["model.onnx"].value == 1.0
    assert measured.drop_points["int8.onnx"].value == pytest.approx(100 * 0.6 / 4)
    assert measured.others["iou"]["int8.onnx"].value == pytest.approx((1 + 0.25 + 1 + 1) / 4)
    assert measured.agreement["int8.onnx"] == pytest.approx((1 + 0.4 + 1 + 1) / 4)
    units, lost = class_drops(outcomes, "int8.onnx", "dice")["nerve"]
    assert units == 3, "the frame without a nerve does not dilute it"
    assert lost.value == pytest.approx(100 * 0.6 / 3)


def test_masks_without_labels_are_compared_with_the_float_graphs() -> None:
    data = dataset([None] * 2, list("ab"), classes=("background", "nerve"))
    outcomes = baseline(data, Listed([logits(square(4))] * 2), "segmentation").beside(
        {"int8.onnx": Listed([logits(square(2)), logits(square(4))])}
    )
    assert not outcomes.labelled
    assert drop(outcomes, "int8.onnx", "agreement").value == pytest.approx(100 * 0.6 / 2)
    with pytest.raises(DataError, match="frames without label"):
        accuracy_of(outcomes, metric="dice", protocol="grouped")


def test_tensors_agree_by_what_is_left_of_their_length() -> None:
    data = dataset([None] * 3, list("abc"), classes=())
    expected = [np.array([3.0, 4.0], np.float32)] * 3
    got = [np.array(values, np.float32) for values in ([3.0, 4.0], [3.0, 3.5], [-9.0, 9.0])]
    outcomes = baseline(data, Listed(expected), "tensors").beside({"int8.onnx": Listed(got)})
    assert outcomes.agreement["int8.onnx"] == pytest.approx(np.array([1.0, 0.9, 0.0]))
    assert outcomes.agreement["model.onnx"].tolist() == [1.0, 1.0, 1.0]


def test_as_many_inputs_as_frames_are_expected() -> None:
    data = dataset(TARGETS, GROUPS)
    feeds = baseline(data, classifier(TARGETS)).feeds
    fewer = data.subset(data.samples[:5])
    with pytest.raises(DataError, match="got 10 inputs for 5 frames"):
        Baseline.of(
            classifier(TARGETS),
            fewer,
            feeds,
            task="classification",
            classes=data.classes,
            reference="model.onnx",
        )
