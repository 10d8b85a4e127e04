import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.cli.in_rounds import in_rounds
from edgeneuro.cli.train import Seeding
from edgeneuro.data.volumes.blocks import block_names, read_block
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.training.checkpoint import load_model, read_config
from edgeneuro.training.fit import TrainResult
from edgeneuro.training.masks.work import tiled_preprocess
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.weak import rounds as weak_rounds
from edgeneuro.training.weak.admission import AdmissionSettings
from edgeneuro.training.weak.filters import FilterSettings
from edgeneuro.training.weak.pseudo import Labelled, predicted, read_labels, to_learn_from, write_labels
from edgeneuro.training.weak.rounds import Review, RoundSettings, train_rounds
from edgeneuro.training.weak.stopping import StopSettings
from tests.training.killing import Killed, kill_when
from tests.training.masks.lines import line_image, tiny_settings, write_lines
from tests.training.masks.test_score import Threshold

OPEN = RoundSettings(
    epochs=1,
    filters=FilterSettings(high=0.5, low=0.4, smallest=1, elongation=0.0),
    admission=AdmissionSettings(confidence=0.0, smallest_share=0.0, largest_share=1.0),
    stop=StopSettings(rounds=2, agreement=2.0, drift=1.0),
)
"""Two rounds that learn from whatever the one before found."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("few"), images=3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    for number in (10, 11):
        cv2.imwrite(str(folder / f"{number}.png"), line_image(number)[0])
    return folder


@pytest.fixture
def tiny(few: Path) -> TrainSettings:
    return tiny_settings(few, epochs=1)


def trained(
    settings: TrainSettings, pool: Path, out: Path, rounds: RoundSettings, *, resume: bool = False
) -> TrainResult:
    """To the end, without a review."""
    result = train_rounds(settings, str(pool), out, rounds, resume=resume, threads=1)
    assert isinstance(result, TrainResult)
    return result


def test_labels_of_a_sure_network_are_admitted_and_those_of_a_doubtful_one_are_not() -> None:
    values = np.zeros((40, 60), np.uint16)
    values[10:14] = 65535
    preprocess = dataclasses.replace(tiled_preprocess(32, None), std=(0.1,))  # logits of 9.5 and -0.5
    settings = FilterSettings(low=0.4)
    sure = predicted(Threshold(), preprocess, {"a": values}, 1, settings, AdmissionSettings())
    assert sure.admitted == () and sure.confidence["a"] < 0.5
    assert (sure.labels["a"][10:14] == 1).all() and (sure.labels["a"] == 0).sum() == 36 * 60
    admitting = AdmissionSettings(candidate=0.5)
    again = predicted(Threshold(), preprocess, {"a": values}, 1, settings, admitting)
    assert again.admitted == ("a",) and again.confidence["a"] > 0.99


def test_labels_come_back_from_their_blocks_and_say_where_they_come_from(tmp_path: Path) -> None:
    pool = {"00000-a": np.arange(6, dtype=np.uint16).reshape(2, 3), "00001-b": np.zeros((2, 2, 2), np.uint16)}
    labels = {"00000-a": np.array([[0, 1, 255]] * 2, np.uint8), "00001-b": np.ones((2, 2, 2), np.uint8)}
    labelled = Labelled(labels=labels, admitted=("00001-b",), confidence={"00000-a": 0.25, "00001-b": 0.75})
    write_labels(tmp_path / "labels", pool, labelled, 3)
    back = read_labels(tmp_path / "labels", pool)
    assert all((back[name] == labels[name]).all() and back[name].shape == labels[name].shape for name in pool)
    first, second = (read_block(tmp_path / "labels", name) for name in block_names(tmp_path / "labels"))
    assert (first.origin.source, first.origin.round, first.origin.confidence) == ("network", 3, 0.25)
    assert (first.weight.max(), second.weight.min()) == (0.0, 1.0)


def test_what_a_round_learns_from_is_known_by_its_content_and_weighs_less_than_manual_labels() -> None:
    pool = {"a": np.zeros((4, 4), np.uint16), "b": np.ones((4, 4), np.uint16)}
    labels = {name: np.zeros((4, 4), np.uint8) for name in pool}
    labelled = Labelled(labels=labels, admitted=("b",))
    more = to_learn_from(pool, labelled, {}, 2, AdmissionSettings())
    assert more is not None and [scene.weight for scene in more.scenes] == [0.8] and not more.scenes[0].manual
    labels["b"] = labels["b"] + np.uint8(1)
    other = to_learn_from(pool, labelled, {}, 2, AdmissionSettings())
    assert other is not None and other.record["sha256"] != more.record["sha256"]
    assert to_learn_from(pool, dataclasses.replace(labelled, admitted=()), {}, 2, AdmissionSettings()) is None


def test_what_a_person_corrected_counts_as_manual_in_the_place_of_the_networks_labels() -> None:
    pool = {"a": np.zeros((4, 4), np.uint16), "b": np.ones((4, 4), np.uint16)}
    labelled = Labelled(labels={name: np.zeros((4, 4), np.uint8) for name in pool}, admitted=("a", "b"))
    corrected = {"b": np.ones((4, 4), np.uint8)}
    more = to_learn_from(pool, labelled, corrected, 2, AdmissionSettings())
    assert more is not None and (more.record["blocks"], more.record["corrected"]) == (1, 1)
    assert {(scene.group, scene.manual, scene.weight, int(scene.label.max())) for scene in more.scenes} == {
        ("pool b", True, 1.0, 1),
        ("pool a", False, 0.8, 0),
    }


def test_rounds_are_kept_the_best_is_written_and_a_killed_run_goes_on_where_it_was(
    tiny: TrainSettings, pool: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    seen: list[int] = []

    def third_start(done: object) -> bool:
        seen.append(1)
        return (out / "rounds" / "1" / "round.json").exists()

    with pytest.raises(Killed):
        train_rounds(tiny, str(pool), out, OPEN, threads=1, progress=kill_when(third_start))
    stamp = (out / "rounds" / "1" / "round.json").stat().st_mtime_ns
    assert not (out / "config.json").exists()
    result = trained(tiny, pool, out, OPEN, resume=True)
    assert (out / "rounds" / "1" / "round.json").stat().st_mtime_ns == stamp
    told = result.metrics["rounds"]
    assert [one["learnt_from"] for one in told["rounds"]] == [0, 2]
    assert told["stopped"] == "2 rounds are done"
    scores = [one["result"]["validation_f1"] for one in told["rounds"]]
    assert told["best"] == 1 + int(np.argmax(scores))
    assert result.config == read_config(out) and load_model(out) is not None
    second = read_config(out / "rounds" / "2" / "checkpoint")
    assert second.pseudo["blocks"] == 2 and second.initial is not None
    assert len(block_names(out / "rounds" / "2" / "labels")) == 2
    with pytest.raises(CheckpointError, match="was trained with rounds epochs 1, now got 2"):
        train_rounds(tiny, str(pool), out, dataclasses.replace(OPEN, epochs=2), resume=True)
    assert trained(tiny, pool, out, OPEN, resume=True).metrics == result.metrics


def test_round_1_learns_from_what_the_filter_finds_where_asked(tiny: TrainSettings, pool: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(OPEN, seeding="filter", stop=StopSettings(rounds=1))
    result = trained(tiny, pool, tmp_path / "run", settings)
    only = result.metrics["rounds"]["rounds"][0]
    assert only["learnt_from"] == 2 and only["result"]["agreement"] is not None
    assert read_block(tmp_path / "run" / "rounds" / "0" / "labels", "00000-10").origin.source == "filter"
    assert json.loads((tmp_path / "run" / "rounds" / "1" / "round.json").read_text())["learnt_from"] == 2


def test_a_run_with_a_review_waits_and_goes_on_with_what_was_corrected(
    tiny: TrainSettings, pool: Path, tmp_path: Path
) -> None:
    out, settings = tmp_path / "run", dataclasses.replace(OPEN, review=1)
    waits = train_rounds(tiny, str(pool), out, settings, threads=1)
    assert isinstance(waits, Review) and waits.blocks == 1
    (mask,) = waits.folder.glob("*-mask.png")
    cv2.imwrite(str(waits.folder / "corrected" / mask.name), np.full((40, 48), 255, np.uint8))
    (waits.folder / "corrected" / "minutes.txt").write_text("3")
    told = trained(tiny, pool, out, settings, resume=True).metrics["rounds"]["rounds"]
    assert [(one["learnt_from"], one["corrected"], one["minutes"]) for one in told] == [(0, 0, 0.0), (1, 1, 3.0)]


def test_the_last_round_starts_from_fresh_weights_where_asked(tiny: TrainSettings, pool: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(OPEN, epochs=2, last_from_scratch=True)
    trained(tiny, pool, tmp_path / "run", settings)
    last = read_config(tmp_path / "run" / "rounds" / "2" / "checkpoint")
    assert (last.initial, last.epochs, last.pseudo["blocks"]) == (None, tiny.epochs, 2)


def test_the_command_line_says_with_which_tubes_and_how_the_last_round_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RoundSettings] = []
    monkeypatch.setattr(weak_rounds, "train_rounds", lambda _, __, ___, rounds: asked.append(rounds))
    given = {"rounds": 3, "round_epochs": None, "seed_with": None, "review": None, "last_from_scratch": None}
    for more in ({}, {"seed_with": Seeding.FILTER}, {"seed_with": Seeding.DARK_FILTER, "last_from_scratch": True}):
        in_rounds("segmentation-2d", {}, "pool", Path("out"), {**given, **more})
    assert [(one.seeding, one.seeds.dark, one.last_from_scratch) for one in asked] == [
        ("manual", False, False),
        ("filter", False, False),
        ("filter", True, True),
    ]
    assert asked[0].stop.rounds == 3


def test_a_pool_with_copies_of_held_out_frames_is_refused(tiny: TrainSettings, few: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unlabelled frames are of the validation or test part"):
        train_rounds(tiny, str(few / "images"), tmp_path / "run", OPEN)


def test_rounds_are_for_masks(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'myositis' learns no masks, expected segmentation-2d"):
        train_rounds(TrainSettings(model="myositis"), str(pool), tmp_path / "run", OPEN)
