"""Distillation from teacher to checkpoint, on networks of a few layers."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.data import open_data
from edgeneuro.errors import DataError, InputError, UsageError
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.files import sha256
from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.keeper import Progress
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.teaching import Pair
from tests.export.distil.toys import LEVELS, SIDE, train_toy, write_noise
from tests.training.killing import Killed

LOAD = "edgeneuro.export.distil.run.load_source"
SHORT = DistilSettings(epochs=2, batch_size=8, image_size=SIDE, learning_rate=0.01)


@pytest.fixture(autouse=True)
def exported_once(teacher: Path, loaded: FloatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds; the graph of `teacher` is that of `loaded` each time."""
    monkeypatch.setattr(
        LOAD, lambda source, options: loaded if source == str(teacher) else load_source(source, options)
    )


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """What the package warns of, also where the command line ran before in this process."""
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    with caplog.at_level(logging.WARNING, logger="edgeneuro"):
        yield caplog


@pytest.fixture(scope="module")
def lesson() -> DistilSettings:
    """With every term of the loss."""
    return replace(SHORT, hint_weight=0.5, attention_weight=0.5)


@pytest.fixture(scope="module")
def taught(teacher: Path, loaded: FloatModel, lesson: DistilSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run."""
    out = tmp_path_factory.mktemp("taught") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LOAD, lambda source, options: loaded)
        distil(str(teacher), "small", out, lesson, threads=1)
    return out


@pytest.fixture(scope="module")
def begun(noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the student."""
    return train_toy("small", noise, tmp_path_factory.mktemp("begun") / "run", epochs=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_fresh_student_has_the_data_and_the_split_of_its_teacher(teacher: Path, taught: Path) -> None:
    assert read_split(taught) == read_split(teacher)
    config, of_teacher = read_config(taught), read_config(teacher)
    assert (config.model, config.fold, config.seed) == ("small", 1, 3)
    assert (config.data, config.trained_on, config.classes) == (
        of_teacher.data,
        of_teacher.trained_on,
        of_teacher.classes,
    )
    assert config.made_from is None


def test_the_checkpoint_says_who_taught_it_and_how(loaded: FloatModel, teacher: Path, taught: Path) -> None:
    said = read_config(taught).taught
    assert said["teacher"] == sha256((teacher / "model.safetensors").read_bytes())
    assert (said["temperature"], said["soft_weight"], said["hint_weight"]) == (4.0, 0.7, 0.5)
    pooled = next(node.input[0] for node in loaded.graph.graph.node if node.op_type == "GlobalAveragePool")
    assert said["hints"] == [{"student": "relu", "teacher": pooled}]
    first = next(node.output[0] for node in loaded.graph.graph.node if node.op_type == "Relu")
    assert said["attention"] == [{"student": "relu", "teacher": first}]
    assert set(read_metrics(taught)["lesson"]) == {"task", "soft", "hint", "attention"}


def test_nothing_of_the_teacher_is_left_in_the_student(taught: Path, begun: Path) -> None:
    assert weights(taught).keys() == weights(begun).keys()
    assert sorted(path.name for path in taught.iterdir()) == [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "split.json",
    ]


def test_teacher_and_student_are_scored_on_the_same_frames_and_counted(
    teacher: Path, taught: Path, noise: Path
) -> None:
    metrics, config, data = read_metrics(taught), read_config(teacher), open_data(str(noise))
    for part in ("validation", "test"):
        samples = read_split(teacher).part(data.samples, part)
        frames = torch.from_numpy(np.stack([config.frame_preprocess(data.read(sample)) for sample in samples]))
        with torch.no_grad():
            predicted = load_model(teacher)(frames).argmax(1).numpy()
        right = float(np.mean(predicted == [sample.target for sample in samples]))
        assert metrics["teacher"][part]["accuracy"] == right
        assert metrics["teacher"][part]["frames"] == metrics[part]["frames"] == len(samples)
    student = 16 * 16 * 8 * 9 + 16 * 16 * 8 * 8 * 9 + 8 * 2
    large = 16 * 16 * 8 * 9 + 8 * 8 * 12 * 8 * 9 + 4 * 4 * 16 * 12 * 9 + 16 * 2
    assert {who: cost["macs"] for who, cost in metrics["operations"].items()} == {"student": student, "teacher": large}
    assert (metrics["teacher"]["unseen"], metrics["teacher"]["notes"]) == (True, [])


def test_classes_are_matched_by_name_and_not_by_position(teacher: Path, noise: Path, tmp_path: Path) -> None:
    """The same frames under the same name, with the classes counted the other way round."""
    again = tmp_path / "again"
    shutil.copytree(noise, again)
    described = {"name": noise.name, "classes": ["dark", "bright"]}
    (again / "dataset.json").write_text(json.dumps(described))
    result = distil(str(teacher), "small", tmp_path / "run", replace(SHORT, data=str(again), epochs=1), threads=1)
    assert result.config.classes == ("dark", "bright") != read_config(teacher).classes
    got, expected = result.metrics["teacher"]["test"], read_metrics(teacher)["test"]
    assert got["per_class_recall"] == expected["per_class_recall"]
    assert got["confusion_matrix"] == [row[::-1] for row in expected["confusion_matrix"][::-1]]


@pytest.mark.parametrize("changes", [{"fold": 0}, {"fold": 2}, {"seed": 4}], ids=str)
def test_a_teacher_that_has_seen_what_judges_the_student_is_refused(
    teacher: Path, tmp_path: Path, changes: dict[str, int]
) -> None:
    with pytest.raises(DataError, match=r"has seen \d+ of the \d+ frames of the student's .*fold 1 and seed 3"):
        distil(str(teacher), "small", tmp_path / "run", replace(SHORT, **changes), threads=1)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_groups_of_the_same_name_in_other_data_are_a_doubt_and_no_refusal(
    teacher: Path, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    """A copy of the folder cannot be told from another hospital's patients who are called alike."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_noise(elsewhere, seed=9)
    settings = replace(SHORT, data=str(elsewhere), fold=0, epochs=1)
    result = distil(str(teacher), "small", tmp_path / "run", settings, threads=1)
    assert not result.metrics["teacher"]["unseen"]
    (note,) = result.metrics["teacher"]["notes"]
    assert "with groups called like those of" in note and note in warned.messages


def test_a_foreign_file_teaches_and_what_is_not_known_of_it_is_said(
    foreign: Path, noise: Path, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    settings = replace(SHORT, data=str(noise), hint_weight=1.0, epochs=1)
    result = distil(str(foreign), "small", tmp_path / "run", settings, threads=1)
    doubt, order = result.metrics["teacher"]["notes"]
    assert "somebodys: does not say what it has learnt from" in doubt
    assert "its logits are taken for bright, dark, in this order" in order
    assert {doubt, order} <= set(warned.messages)
    assert not result.metrics["teacher"]["unseen"]
    assert result.metrics["teacher"]["test"]["frames"] == result.metrics["test"]["frames"]
    assert result.config.taught["teacher"] == sha256(foreign.read_bytes())


def test_a_teacher_of_other_classes_gives_hints_alone(foreign: Path, tmp_path: Path) -> None:
    data = tmp_path / "three"
    data.mkdir()
    write_noise(data, levels={**LEVELS, "grey": 85})
    settings = replace(SHORT, data=str(data), epochs=1)
    with pytest.raises(UsageError, match="knows the classes none, expected bright, dark, grey; use hints or attention"):
        distil(str(foreign), "small", tmp_path / "run", settings, threads=1)
    hints = replace(settings, soft_weight=0.0, hint_weight=1.0)
    result = distil(str(foreign), "small", tmp_path / "run", hints, threads=1)
    assert set(result.metrics["lesson"]) == {"task", "hint"}
    assert (result.metrics["teacher"]["test"], result.metrics["teacher"]["validation"]) == (None, None)


def test_layers_by_name_are_compared(teacher: Path, loaded: FloatModel, tmp_path: Path) -> None:
    node = next(node.name for node in loaded.graph.graph.node if node.op_type == "Conv")
    pair = Pair(student="first", teacher=node)
    settings = replace(SHORT, hint_weight=1.0, hints=(pair,), epochs=1)
    result = distil(str(teacher), "small", tmp_path / "run", settings, threads=1)
    assert result.config.taught["hints"] == [{"student": "first", "teacher": node}]
    wrong = {"student": Pair(student="fist", teacher=node), "teacher": Pair(student="first", teacher="fist")}
    for whose, unknown in wrong.items():
        with pytest.raises(UsageError, match=f"{whose}'s layer 'fist': is not in its "):
            distil(str(teacher), "small", tmp_path / "no", replace(settings, hints=(unknown,)), threads=1)
    assert not (tmp_path / "no").exists()


def test_a_student_goes_on_from_its_checkpoint(teacher: Path, begun: Path, tmp_path: Path) -> None:
    settings = DistilSettings(epochs=2)
    result = distil(str(teacher), str(begun), tmp_path / "run", settings, threads=1)
    config, before = result.config, read_config(begun)
    assert config.made_from is not None and config.made_from.checkpoint == before.files["model.safetensors"]
    assert (config.frame_preprocess, config.batch_size, config.patience) == (before.frame_preprocess, 8, 2)
    assert config.learning_rate == 0.5e-3
    assert read_split(tmp_path / "run") == read_split(begun)
    assert result.metrics["before"]["test"] == read_metrics(begun)["test"]
    assert not same(tmp_path / "run", begun)


def test_a_teacher_must_not_have_seen_what_judges_the_checkpoint(teacher: Path, noise: Path, tmp_path: Path) -> None:
    settings = TrainSettings(model="small", data=str(noise), fold=2, seed=3, epochs=1, batch_size=8, image_size=SIDE)
    train(settings, tmp_path / "fold2", threads=1)
    with pytest.raises(DataError, match="teacher and student need the same split"):
        distil(str(teacher), str(tmp_path / "fold2"), tmp_path / "run", DistilSettings(epochs=1), threads=1)


@pytest.mark.parametrize(
    ("changes", "option"),
    [({"fold": 0}, "--fold"), ({"initial": "imagenet"}, "--initial"), ({"options": {"tau": 1}}, "--option")],
)
def test_what_the_checkpoint_decides_cannot_be_set(
    teacher: Path, begun: Path, tmp_path: Path, changes: dict[str, object], option: str
) -> None:
    with pytest.raises(UsageError, match=f"{option}: is the checkpoint's own"):
        distil(str(teacher), str(begun), tmp_path / "run", replace(SHORT, **changes), threads=1)  # type: ignore[arg-type]


def test_neither_folder_is_overwritten_and_an_unknown_student_is_refused(
    teacher: Path, begun: Path, tmp_path: Path
) -> None:
    for out in (teacher, begun):
        with pytest.raises(UsageError, match="is the folder of --"):
            distil(str(teacher), str(begun), out, SHORT, force=True)
    with pytest.raises(InputError, match="--student 'smal': is no folder and no model; expected"):
        distil(str(teacher), "smal", tmp_path / "run", SHORT)


def test_unlabelled_frames_are_learnt_from_but_not_those_of_the_test_part(
    teacher: Path, noise: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    write_noise(more, groups=2, seed=7)
    (more / "labels.csv").unlink()
    settings = replace(SHORT, epochs=1)
    with_more = replace(settings, unlabelled=(str(more),))
    plain = distil(str(teacher), "small", tmp_path / "plain", settings, threads=1)
    result = distil(str(teacher), "small", tmp_path / "run", with_more, threads=1)
    assert [data["frames"] for data in result.config.taught["unlabelled"]] == [12]
    assert not same(plain.folder, result.folder)
    data = open_data(str(noise))
    tested = read_split(teacher).part(data.samples, "test")[0]
    shutil.copy(noise / tested.source, more / "innocent.png")
    with pytest.raises(DataError, match=r"1 of 13 unlabelled frames are of the validation or test part"):
        distil(str(teacher), "small", tmp_path / "leak", with_more, threads=1)


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 1, id="before the first epoch ends"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 0, id="after the first epoch"),
    ],
)
def test_a_run_cut_off_resumes_to_the_same_weights(
    reached: Callable[[Progress], bool], teacher: Path, taught: Path, lesson: DistilSettings, tmp_path: Path
) -> None:
    def progress(done: Progress) -> None:
        if done.stage == "training" and reached(done):
            raise Killed

    out = tmp_path / "run"
    with pytest.raises(Killed):
        distil(str(teacher), "small", out, lesson, threads=1, progress=progress)
    assert not (out / "config.json").exists()
    result = distil(str(teacher), "small", out, lesson, threads=1, resume=True)
    assert same(out, taught)
    assert result.metrics["teacher"] == read_metrics(taught)["teacher"]
    before = (out / "model.safetensors").stat().st_mtime_ns
    assert distil(str(teacher), "small", out, lesson, threads=1, resume=True).config == result.config
    assert (out / "model.safetensors").stat().st_mtime_ns == before
