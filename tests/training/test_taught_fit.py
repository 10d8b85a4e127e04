import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.augment import Augmentation
from edgeneuro.training.checkpoint import load_model, read_config, read_split
from edgeneuro.training.fit import train
from edgeneuro.training.frames import UNLABELLED, AugmentedBatches, Frames, TaughtBatches, normalised_for, read_frames
from edgeneuro.training.keeper import Progress
from edgeneuro.training.learner import Learner
from edgeneuro.training.lesson import Lesson
from edgeneuro.training.reading import read_run
from edgeneuro.training.run import STATE, part_of
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.teaching import Lecture, LessonSettings, Pair, Teaching
from tests.training.killing import Killed

RGB = Preprocess(height=48, width=48, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
ALL_TERMS = LessonSettings(
    soft_weight=0.5,
    hint_weight=0.5,
    attention_weight=0.5,
    hints=(Pair(student="blocks.1", teacher="map"),),
    attention=(Pair(student="blocks.1", teacher="map"),),
)


@dataclass
class Light:
    """Knows by the mean grey level how bright a frame of the tiny data is: dark around 60, bright around 110. seen:
    shapes of the batches it was shown."""

    identity: str = "light"
    classes: tuple[str, ...] = ("bright", "dark")
    preprocess: Preprocess = RGB
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, images: Tensor) -> Lecture:
        self.seen.append(tuple(images.shape))
        grey = (images * self.preprocess.std[0] + self.preprocess.mean[0]).mean((1, 2, 3)) * 255
        brightness = (grey - 85) / 5
        return Lecture(
            logits=torch.stack([brightness, -brightness], 1),
            features={"map": nn.functional.avg_pool2d(images, 8).abs(), "grey": brightness[:, None]},
        )


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def kill_when(reached: Callable[[Progress], bool]) -> Callable[[Progress], None]:
    def progress(done: Progress) -> None:
        if done.stage == "training" and reached(done):
            raise Killed

    return progress


def teaching(settings: LessonSettings = ALL_TERMS, **changes: Any) -> Teaching:
    return Teaching(**{"teacher": Light(), "settings": settings, **changes})


def training_part(settings: TrainSettings) -> DataSet:
    dataset = open_data(settings.source)
    return part_of(dataset, make_split(dataset, fold=settings.fold, seed=settings.seed), "training")


@pytest.fixture
def short(tiny: TrainSettings) -> TrainSettings:
    return dataclasses.replace(tiny, epochs=3)


@pytest.fixture(scope="module")
def taught(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run of the settings `short`, taught in every way, with unlabelled frames."""
    out = tmp_path_factory.mktemp("taught") / "run"
    settings = TrainSettings(model="myositis", data=str(tiny_folder), epochs=3, batch_size=8, image_size=32)
    train(settings, out, threads=1, teaching=teaching(unlabelled=(training_part(settings),)))
    return out


@pytest.mark.parametrize("crop", [1.0, 0.6])
def test_a_landmark_lands_in_the_same_relative_place_at_another_size(crop: float) -> None:
    """At both sizes a disc around (0.3, 0.35) of the width and height, the centre of its pixels measured."""

    def centre(side: int, seed: int) -> tuple[float, float]:
        y, x = (np.indices((side, side)) + 0.5) / side
        disc = (np.hypot(x - 0.3, y - 0.35) < 0.1).astype(np.uint8) * 255
        augment = Augmentation(brightness=0.0, contrast=0.0, crop=crop)
        level = augment(disc, np.random.default_rng(seed)).astype(float)
        return float((x * level).sum() / level.sum()), float((y * level).sum() / level.sum())

    for seed in range(12):
        assert centre(64, seed) == pytest.approx(centre(150, seed), abs=0.25 / 64)  # a quarter of the larger pixel
    places = [centre(64, seed) for seed in range(12)]
    assert np.std(places, axis=0).min() > 1 / 64  # they do move


@pytest.mark.parametrize(("crop", "mixing"), [(1.0, 0.0), (0.5, 0.0), (0.5, 1.0)])
def test_a_batch_holds_the_same_frames_augmented_alike_for_student_and_teacher(
    tiny: TrainSettings, crop: float, mixing: float
) -> None:
    part = training_part(tiny)
    student, teacher = Preprocess(height=32, width=32), RGB
    views = [
        AugmentedBatches(
            read_frames(part, preprocess), preprocess, 3, lambda: 2, augment=Augmentation(crop=crop), mixing=mixing
        )
        for preprocess in (student, teacher)
    ]
    images, targets, seen = TaughtBatches(*views).__getitems__([4, 0, 7])
    assert images.shape == (3, 1, 32, 32) and seen.shape == (3, 3, 48, 48)
    own = [part.samples[row].target for row in (4, 0, 7)]
    assert targets.tolist() == ([UNLABELLED] * 3 if mixing else own)
    grey = seen.mean(1, keepdim=True) * 0.25 + 0.5
    small = nn.functional.interpolate(grey, size=(32, 32), mode="area")
    for one, two in zip(images.flatten(1), small.flatten(1), strict=True):
        assert torch.corrcoef(torch.stack([one, two]))[0, 1] > 0.7
        assert torch.corrcoef(torch.stack([one, two.roll(37)]))[0, 1] < 0.3


def test_a_mixed_frame_lies_between_two_frames_of_the_set() -> None:
    levels = np.array([0, 40, 200], np.uint8)
    flat = Frames(pixels=np.full((3, 8, 8), levels[:, None, None]), targets=np.arange(3), groups=("a", "b", "c"))
    still = Augmentation(brightness=0.0)
    drawn = [
        AugmentedBatches(flat, Preprocess(height=8, width=8), seed, lambda: 0, augment=still, mixing=0.5).frame(1)
        for seed in range(80)
    ]
    kept = [int(pixels[0, 0]) for pixels, target in drawn if target == 1]
    mixed = [int(pixels[0, 0]) for pixels, target in drawn if target == UNLABELLED]
    assert len(kept) + len(mixed) == 80 and 25 <= len(kept) <= 55 and set(kept) == {40}
    assert min(mixed) < 15 and max(mixed) > 150 and all(pixels.std() == 0 for pixels, _ in drawn)


def test_a_student_taught_by_soft_targets_alone_learns_also_from_frames_without_label(
    tiny: TrainSettings, tmp_path: Path
) -> None:
    part = training_part(tiny)
    nameless = tuple(dataclasses.replace(sample, target=None) for sample in part.samples)
    more = dataclasses.replace(part, name="nameless", classes=(), samples=nameless)
    teacher = Light()
    given = Teaching(teacher=teacher, settings=LessonSettings(soft_weight=1.0), unlabelled=(more,))
    settings = dataclasses.replace(tiny, epochs=6, learning_rate=3e-3)
    result = train(settings, tmp_path / "run", threads=1, teaching=given)
    assert result.metrics["test"]["accuracy"] == 1.0
    assert sum(frames for frames, *_ in teacher.seen) == 1 + 6 * 2 * len(part)


def test_without_task_weight_the_student_believes_a_teacher_who_is_wrong(tiny: TrainSettings, tmp_path: Path) -> None:
    liar = Teaching(teacher=Light(classes=("dark", "bright")), settings=LessonSettings(soft_weight=1.0))
    result = train(dataclasses.replace(tiny, learning_rate=3e-3), tmp_path / "run", threads=1, teaching=liar)
    course = result.metrics["lesson"]
    assert course["soft"][-1] < course["soft"][0] / 2
    assert course["task"][-1] > 2.0  # one who cannot tell the two classes apart has ln 2


def test_metrics_hold_each_term_of_each_epoch_and_the_training_loss_is_their_weighted_sum(taught: Path) -> None:
    metrics = json.loads((taught / "metrics.json").read_text())
    assert set(metrics["lesson"]) == {"task", "soft", "hint", "attention"}
    assert all(len(course) == 3 for course in metrics["lesson"].values())
    for row, *terms in zip(metrics["history"], *metrics["lesson"].values(), strict=True):
        assert row["training_loss"] == pytest.approx(sum(0.5 * term for term in terms), rel=1e-4)
    assert metrics["lesson"]["hint"][-1] < metrics["lesson"]["hint"][0]


def test_a_taught_checkpoint_is_a_plain_network_with_a_record_of_its_lesson(taught: Path) -> None:
    config = read_config(taught)
    assert config.taught["teacher"] == "light" and config.taught["soft_weight"] == 0.5
    assert config.trained_on.frames == len(read_split_part(taught))
    assert not any(module._forward_hooks for module in load_model(taught).modules())


def read_split_part(folder: Path) -> tuple[Any, ...]:
    return read_split(folder).part(open_data(read_config(folder).data).samples, "training")


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 1, id="before the first epoch ends"),
        pytest.param(lambda done: done.done == 10, id="within the second epoch"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 2, id="after the last epoch"),
    ],
)
def test_a_taught_run_cut_off_anywhere_resumes_to_the_weights_of_an_uninterrupted_one(
    reached: Callable[[Progress], bool], taught: Path, short: TrainSettings, tmp_path: Path
) -> None:
    out, again = tmp_path / "run", teaching(unlabelled=(training_part(short),))
    with pytest.raises(Killed):
        train(short, out, threads=1, teaching=again, progress=kill_when(reached))
    result = train(short, out, threads=1, teaching=again, resume=True)
    assert same(weights(out), weights(taught))
    assert result.metrics["lesson"] == json.loads((taught / "metrics.json").read_text())["lesson"]


def test_resuming_with_another_lesson_or_without_a_teacher_is_refused(tiny: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        kill = kill_when(lambda done: done.row is not None)
        train(tiny, tmp_path / "run", threads=1, teaching=teaching(), progress=kill)
    other = teaching(dataclasses.replace(ALL_TERMS, temperature=2.0))
    with pytest.raises(CheckpointError, match=r"was taught with temperature 4.0, now got 2.0"):
        train(tiny, tmp_path / "run", threads=1, teaching=other, resume=True)
    with pytest.raises(CheckpointError, match=r"was taught with teacher 'light', now got None"):
        train(tiny, tmp_path / "run", threads=1, resume=True)


def test_without_weight_on_it_a_teacher_of_other_classes_may_give_hints(tiny: TrainSettings, tmp_path: Path) -> None:
    stranger = Light(classes=("muscle", "nerve", "vessel"))
    with pytest.raises(UsageError, match="knows the classes muscle, nerve, vessel, expected bright, dark; use hints"):
        train(tiny, tmp_path / "soft", threads=1, teaching=teaching(teacher=stranger))
    hints = LessonSettings(soft_weight=0.0, hint_weight=1.0, hints=(Pair(student="blocks", teacher="grey"),))
    once = dataclasses.replace(tiny, epochs=1)
    result = train(once, tmp_path / "hints", threads=1, teaching=teaching(hints, teacher=stranger))
    assert list(result.metrics["lesson"]) == ["task", "hint"]


def test_a_layer_that_the_student_lacks_is_named_with_the_nearest(tiny: TrainSettings, tmp_path: Path) -> None:
    wrong = LessonSettings(hint_weight=1.0, hints=(Pair(student="block.1", teacher="map"),))
    with pytest.raises(UsageError, match=r"layer 'block.1': is not in the student; did you mean blocks.1, "):
        train(tiny, tmp_path / "run", threads=1, teaching=teaching(wrong))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_frames_held_out_are_refused_by_group_in_the_same_set_and_by_content_in_a_copy(
    part: Any, tiny: TrainSettings, tmp_path: Path
) -> None:
    dataset = open_data(tiny.source)
    held = part_of(dataset, make_split(dataset), part)
    one = held.subset(held.samples[:1])
    noise = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)
    other_frame = dataclasses.replace(one, reader=lambda _: noise)
    renamed = dataclasses.replace(one.samples[0], source="elsewhere.png", group="someone")
    copy = dataclasses.replace(one, samples=(renamed,), reader=lambda _: dataset.read(one.samples[0]))
    for data in (one, other_frame, copy, dataclasses.replace(copy, name="a copy")):
        with pytest.raises(DataError, match=rf"{data.name}: 1 of 1 unlabelled frames are of the validation or test"):
            train(tiny, tmp_path / "run", threads=1, force=True, teaching=teaching(unlabelled=(data,)))
    elsewhere = dataclasses.replace(other_frame, name="other recordings")
    once = dataclasses.replace(tiny, epochs=1)
    train(once, tmp_path / "run", threads=1, force=True, teaching=teaching(unlabelled=(elsewhere,)))


def test_unlabelled_frames_change_neither_normalisation_nor_class_weights(taught: Path, tiny: TrainSettings) -> None:
    frames = read_frames(training_part(tiny), Preprocess(height=32, width=32))
    expected = normalised_for(Preprocess(height=32, width=32), frames)
    assert read_config(taught).preprocess == expected
    noise = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)
    part = training_part(tiny)
    more = dataclasses.replace(part, name="more", reader=lambda _: noise)
    read = _read(tiny, teaching(unlabelled=(more,)))
    assert read.training.targets.tolist() == [*frames.targets, *[UNLABELLED] * len(part)]
    assert np.array_equal(read.labelled["training"].pixels, frames.pixels)
    assert read.teacher is not None and len(read.teacher.frames) == 2 * len(part)


def _read(settings: TrainSettings, given: Teaching | None, steps: list[Progress] | None = None) -> Any:
    dataset = open_data(settings.source)
    split = make_split(dataset)
    parts = {part: part_of(dataset, split, part) for part in ("training", "validation", "test")}
    count = [] if steps is None else steps
    size = Preprocess(height=32, width=32)
    return read_run(dataset, split, parts, size, given, count.append, label_noise=0.0, seed=0)


def test_progress_counts_every_reading_to_the_end(tiny: TrainSettings) -> None:
    part = training_part(tiny)
    for given in (None, teaching(), teaching(unlabelled=(part,))):
        steps: list[Progress] = []
        _read(tiny, given, steps)
        assert [step.done for step in steps] == list(range(1, len(steps) + 1))
        assert {step.total for step in steps} == {len(steps)}


def test_a_teacher_of_the_students_size_and_channels_shares_its_frames(tiny: TrainSettings) -> None:
    grey = Preprocess(height=32, width=32, bit_depth=16, max_value=65535.0, mean=(0.5,), std=(0.25,))
    read = _read(tiny, teaching(teacher=Light(preprocess=grey)))
    assert read.teacher.frames is read.training
    white = Frames(pixels=np.full((1, 32, 32), 255, np.uint8), targets=np.zeros(1, np.int64), groups=("a",))
    assert read.teacher.preprocess.normalise(white.pixels[0]).max() == pytest.approx(2.0)  # (1 - 0.5) / 0.25


def test_a_teacher_of_other_proportions_is_refused(tiny: TrainSettings) -> None:
    with pytest.raises(UsageError, match="teacher: takes frames of 64 x 48 px, the student of 32 x 32"):
        _read(tiny, teaching(teacher=Light(preprocess=Preprocess(height=48, width=64))))


class Module(nn.Module):
    """A teacher that is a torch module itself."""

    identity, classes, preprocess = "module", ("bright", "dark"), Preprocess(height=32, width=32)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(32 * 32, 2)

    def forward(self, images: Tensor) -> Lecture:
        logits = self.layer(images.flatten(1))
        return Lecture(logits=logits, features={"logits": logits})


def test_a_teacher_is_neither_trained_nor_kept_in_the_state_but_adapters_are() -> None:
    teacher, student = Module(), nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 4), nn.Linear(4, 2))
    chosen = LessonSettings(hint_weight=1.0, hints=(Pair(student="1", teacher="logits"),))
    images = torch.rand(3, 1, 32, 32)
    learner = Learner(
        student,
        weights=torch.ones(2),
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=1,
        lesson=Lesson(chosen, student, images=images, lecture=teacher(images), order=(0, 1)),
        teacher=teacher,
    )
    learner.taught_loss(images, torch.tensor([0, 1, -1]), images).backward()  # type: ignore[no-untyped-call]
    assert teacher.layer.weight.grad is None
    named = set(dict(learner.named_parameters()))
    assert named == {
        *(f"network.{layer}.{kind}" for layer in "12" for kind in ("weight", "bias")),
        "lesson.adapters.0.weight",
        "lesson.adapters.0.bias",
    }
    assert set(learner.state_dict()) == {*named, "weights"}
    held = [id(p) for group in learner.configure_optimizers()["optimizer"].param_groups for p in group["params"]]
    assert held == [id(parameter) for parameter in learner.parameters()]


def test_the_state_of_a_taught_run_holds_the_adapters_and_their_moments(tiny: TrainSettings, tmp_path: Path) -> None:
    from edgeneuro.training.resume import read_state

    with pytest.raises(Killed):
        kill = kill_when(lambda done: done.row is not None)
        train(tiny, tmp_path / "run", threads=1, teaching=teaching(), progress=kill)
    state = read_state(tmp_path / "run" / STATE)
    assert "lesson.adapters.0.weight" in state["state_dict"]
    assert len(state["optimizer_states"][0]["state"]) == len(state["optimizer_states"][0]["param_groups"][0]["params"])
