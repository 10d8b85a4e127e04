import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.training.learner import Learner
from edgeneuro.training.lesson import Lesson, attention_loss, hint_loss, soft_target_loss, watched
from edgeneuro.training.teaching import Lecture, LessonSettings, Pair, class_order

IMAGES = torch.arange(2 * 64.0).reshape(2, 1, 8, 8) / 64


class Student(nn.Module):
    """Two convolutions, a mean and a head; one layer that gives no tensor, one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.late = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.pair = Twice()
        self.unused = nn.Linear(6, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, image: Tensor) -> Tensor:
        once, _ = self.pair(self.late(self.norm(self.early(image))))
        logits: Tensor = self.head(once.mean((2, 3)))
        return logits


class Twice(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def lecture(**features: Tensor) -> Lecture:
    return Lecture(logits=torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]]), features=features)


def settings(**changes: Any) -> LessonSettings:
    return LessonSettings(**{"soft_weight": 0.0, **changes})


def lesson(chosen: LessonSettings, taught: Lecture, order: tuple[int, ...] = (0, 1, 2)) -> Lesson:
    return Lesson(chosen, Student(), images=IMAGES, lecture=taught, order=order)


def softmax(logits: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in logits]
    return [power / sum(powers) for power in powers]


def test_soft_targets_are_the_divergence_from_the_teacher_times_the_square_of_the_temperature() -> None:
    students, teachers = [[1.0, 0.0, -1.0], [0.0, 0.0, 2.0]], [[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]]
    expected = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        q, p = softmax(student, 4.0), softmax(teacher, 4.0)
        expected += 4.0**2 * sum(b * math.log(b / a) for a, b in zip(q, p, strict=True)) / 2
    assert soft_target_loss(torch.tensor(students), torch.tensor(teachers), 4.0).item() == pytest.approx(expected)
    assert soft_target_loss(torch.tensor(students), torch.tensor(students), 4.0).item() == pytest.approx(0.0, abs=1e-6)


def test_the_gradient_of_soft_targets_hardly_depends_on_a_high_temperature() -> None:
    teacher = torch.tensor([[0.5, -0.5, 0.0]])

    def gradient(temperature: float) -> Tensor:
        student = torch.zeros(1, 3, requires_grad=True)
        soft_target_loss(student, teacher, temperature).backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        return student.grad

    assert torch.allclose(gradient(20.0), gradient(40.0), atol=0.002)
    assert torch.allclose(gradient(40.0), -teacher / 3, atol=0.002)  # Hinton 2015, eq. 4, times T^2


def test_a_hint_is_the_distance_of_both_at_length_one_after_averaging_the_larger_map() -> None:
    student = torch.tensor([[[[1.0, 3.0], [3.0, 1.0]]]])  # averaged to one pixel: 2
    teacher = torch.tensor([[[[3.0]], [[4.0]]]])  # length 5
    adapter = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        adapter.weight[:] = torch.tensor([4.0, -3.0]).reshape(2, 1, 1, 1)  # (8, -6), at a right angle to (3, 4)
    assert hint_loss(student, teacher, adapter).item() == pytest.approx((0.8 - 0.6) ** 2 + (-0.6 - 0.8) ** 2)


def test_hints_between_a_vector_and_a_map_compare_the_mean_over_its_pixels() -> None:
    teacher = torch.tensor([[3.0, 4.0]])
    student = torch.tensor([[[[0.0, 6.0]], [[8.0, 0.0]]]])
    assert hint_loss(student, teacher, nn.Identity()).item() == pytest.approx(0.0, abs=1e-6)


def test_attention_is_the_distance_of_the_sums_of_squares_at_length_one() -> None:
    student = torch.tensor([[[[1.0, 0.0]], [[math.sqrt(2.0), 2.0]]]])  # squares over channels: 3, 4
    teacher = torch.tensor([[[[math.sqrt(4.0), math.sqrt(3.0)]]]])  # 4, 3
    expected = (0.6 - 0.8) ** 2 + (0.8 - 0.6) ** 2
    assert attention_loss(student, teacher).item() == pytest.approx(expected)
    assert attention_loss(7.0 * student, -teacher).item() == pytest.approx(expected)
    larger = teacher.repeat_interleave(2, dim=2).repeat_interleave(3, dim=3)
    assert attention_loss(student, larger).item() == pytest.approx(expected)


def test_attention_maps_are_made_before_the_larger_one_is_averaged() -> None:
    """Values of both signs would cancel otherwise."""
    larger = torch.tensor([[[[1.0, -1.0, 1.0, 1.0]]]])
    assert attention_loss(torch.ones(1, 1, 1, 2), larger).item() == pytest.approx(0.0, abs=1e-6)


def test_the_loss_is_the_weighted_sum_of_its_terms_and_terms_without_weight_are_left_out() -> None:
    torch.manual_seed(0)
    taught = lecture(a=torch.randn(2, 5, 4, 4), b=torch.randn(2, 7))
    chosen = LessonSettings(
        temperature=2.0,
        soft_weight=0.25,
        hint_weight=3.0,
        attention_weight=5.0,
        hints=(Pair(student="late", teacher="b"), Pair(student="early", teacher="a")),
        attention=(Pair(student="early", teacher="a"),),
    )
    student = Student()
    made = Lesson(chosen, student, images=IMAGES, lecture=taught, order=(2, 0, 1))
    with watched(student, made.layers) as features:
        logits = student(IMAGES)
    task = torch.tensor(2.0)
    loss, terms = made(task, logits, features, taught)
    hints = [
        hint_loss(features["late"], taught.features["b"], made.adapters[0]),
        hint_loss(features["early"], taught.features["a"], made.adapters[1]),
    ]
    expected = {
        "task": 2.0,
        "soft": soft_target_loss(logits, taught.logits[:, [2, 0, 1]], 2.0).item(),
        "hint": (hints[0].item() + hints[1].item()) / 2,
        "attention": attention_loss(features["early"], taught.features["a"]).item(),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected)
    weighed = 0.75 * 2.0 + 0.25 * expected["soft"] + 3.0 * expected["hint"] + 5.0 * expected["attention"]
    assert loss.item() == pytest.approx(weighed)
    _, terms = lesson(LessonSettings(), lecture())(task, logits, {}, taught)
    assert list(terms) == ["task", "soft"]


def test_hints_draw_the_features_of_the_student_to_those_of_the_teacher() -> None:
    torch.manual_seed(0)
    taught = lecture(map=torch.randn(2, 5, 4, 4))
    student, pair = Student(), Pair(student="late", teacher="map")
    made = Lesson(settings(hint_weight=1.0, hints=(pair,)), student, images=IMAGES, lecture=taught)
    optimiser = torch.optim.Adam([*student.parameters(), *made.parameters()], lr=0.02)
    course = []
    for _ in range(60):
        with watched(student, made.layers) as features:
            logits = student(IMAGES)
        loss, terms = made(0.0 * logits.sum(), logits, features, taught)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.append(terms["hint"].item())
    assert course[-1] < 0.5 * course[0]


def test_nothing_is_left_on_the_student_and_its_mode_and_statistics_are_as_before() -> None:
    student = Student().train()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    pair = Pair(student="late", teacher="map")
    made = Lesson(
        settings(hint_weight=1.0, hints=(pair,)), student, images=IMAGES, lecture=lecture(map=torch.ones(2, 5, 2, 2))
    )
    with pytest.raises(RuntimeError, match="on purpose"), watched(student, made.layers):
        raise RuntimeError("on purpose")
    assert not any(module._forward_hooks for module in student.modules())
    assert student.training
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(
    ("pair", "features", "message"),
    [
        (("lates", "map"), {}, "layer 'lates': is not in the student; did you mean late"),
        (("late", "maps"), {}, "layer 'maps': the teacher does not give it, expected one of: map, one"),
        (("unused", "map"), {}, "layer 'unused' of the student: never runs"),
        (("pair", "map"), {}, "layer 'pair' of the student: gives tuple, expected"),
        (("late", "tokens"), {"tokens": torch.ones(2, 3, 4)}, r"'tokens' of the teacher: gives \(2, 3, 4\), expected"),
    ],
)
def test_a_layer_that_cannot_be_compared_is_named(
    pair: tuple[str, str], features: Mapping[str, Tensor], message: str
) -> None:
    taught = lecture(map=torch.ones(2, 5, 2, 2), one=torch.ones(2, 5), **features)
    chosen = settings(hint_weight=1.0, hints=(Pair(student=pair[0], teacher=pair[1]),))
    with pytest.raises(UsageError, match=message):
        lesson(chosen, taught)


def test_attention_to_a_single_pixel_is_refused() -> None:
    chosen = settings(attention_weight=1.0, attention=(Pair(student="late", teacher="one"),))
    with pytest.raises(UsageError, match="has a single pixel, expected maps"):
        lesson(chosen, lecture(one=torch.ones(2, 5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "temperature: got 0.0, expected a positive number"),
        ({"soft_weight": 1.5}, "soft weight: got 1.5, expected 0 to 1"),
        ({"soft_weight": float("nan")}, "soft weight: got nan"),
        ({"hint_weight": -1.0}, "hint weight: got -1.0, expected 0 or more"),
        ({"attention_weight": float("inf")}, "attention weight: got inf, expected 0 or more"),
        ({"hint_weight": 1.0}, "hint weight: got 1.0 and no pair of layers"),
        ({"soft_weight": 0.0}, "all weights are 0, so the teacher teaches nothing"),
    ],
)
def test_lessons_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LessonSettings(**change)  # type: ignore[arg-type]


def test_classes_may_come_in_another_order_but_must_be_the_same() -> None:
    assert class_order(("a", "b", "c"), ("c", "a", "b")) == (2, 0, 1)
    with pytest.raises(UsageError, match=r"knows the classes a, b, expected a, c; use hints or attention only"):
        class_order(("a", "b"), ("a", "c"))


def test_frames_without_label_have_no_task_loss_and_a_batch_of_them_is_finite() -> None:
    learner = Learner(
        Student(),
        weights=torch.tensor([1.0, 2.0, 3.0]),
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=1,
    )
    logits, targets = torch.randn(4, 3), torch.tensor([2, -1, 0, -1])
    log_p = torch.log_softmax(logits, 1)
    expected = -(3.0 * log_p[0, 2] + 1.0 * log_p[2, 0]) / 4.0
    assert learner.labelled_loss(logits, targets).item() == pytest.approx(expected.item())
    assert learner.labelled_loss(logits, torch.full((4,), -1)).item() == 0.0
