"""What a teacher gives to a run: a second look at every frame, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from edgeneuro.data import DataSet, Sample, Split
from edgeneuro.data.leakage import content_hashes
from edgeneuro.errors import DataError, UsageError
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json


@dataclass(frozen=True, kw_only=True)
class Lecture:
    """logits: (batch, class). features: the teacher's layer -> (batch, channel, height, width) or (batch, channel)."""

    logits: Tensor
    features: Mapping[str, Tensor]


class Teacher(Protocol):
    """identity: SHA-256 of its weights. classes: of its logits, in order. preprocess: how it wants its frames, None of one
    that takes responses of neurons."""

    @property
    def identity(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def preprocess(self) -> Preprocess | None: ...

    def __call__(self, images: Tensor) -> Lecture:
        """images: (batch, channel, height, width) float32, as `preprocess` makes them, or (batch, neuron), on the CPU."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A layer of the student, as its named_modules calls it, beside a layer of the teacher."""

    student: str
    teacher: str


@dataclass(frozen=True, kw_only=True)
class LessonSettings:
    """Weights of the terms of the loss, and what they compare.

    loss = (1 - soft_weight) task + soft_weight T^2 KL(teacher || student, both logits over T)
           + hint_weight mean over `hints` + attention_weight mean over `attention`.
    temperature: T. Sources: Hinton 2015 (arXiv:1503.02531), Romero 2015 (arXiv:1412.6550), Zagoruyko 2017
    (arXiv:1612.03928). edgeneuro.training.lesson has each term. mixing: share of the frames that are blended with another
    one and so have no label; crops and mixing show more of the teacher than a small set's own frames do (Beyer 2022,
    arXiv:2106.05237). The task term is the mean over the labelled frames of a
    batch, the others are means over all. Pairs whose weight is 0 are not compared. Raises UsageError for values out of
    range, and when nothing would be learnt from the teacher.
    """

    temperature: float = 4.0
    soft_weight: float = 0.7
    hint_weight: float = 0.0
    attention_weight: float = 0.0
    hints: tuple[Pair, ...] = ()
    attention: tuple[Pair, ...] = ()
    mixing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise UsageError(f"temperature: got {self.temperature}, expected a positive number, e.g. 4")
        if not 0.0 <= self.soft_weight <= 1.0:
            raise UsageError(f"soft weight: got {self.soft_weight}, expected 0 to 1")
        if not 0.0 <= self.mixing <= 1.0:
            raise UsageError(f"mixing: got {self.mixing}, expected 0 to 1")
        for name, weight, pairs in (
            ("hint", self.hint_weight, self.hints),
            ("attention", self.attention_weight, self.attention),
        ):
            if not 0.0 <= weight < float("inf"):
                raise UsageError(f"{name} weight: got {weight}, expected 0 or more")
            if weight and not pairs:
                raise UsageError(f"{name} weight: got {weight} and no pair of layers to compare; name some, or give 0")
        if not self.soft_weight + self.hint_weight + self.attention_weight:
            raise UsageError("lesson: all weights are 0, so the teacher teaches nothing; give one, or no teacher")


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """A teacher for a run. unlabelled: frames to learn from beside the training part; none may be of the test part.
    notes: for metrics.json."""

    teacher: Teacher
    settings: LessonSettings = field(default_factory=LessonSettings)
    unlabelled: tuple[DataSet, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, and what a resumed run must have again."""
        return {
            "teacher": self.teacher.identity,
            **to_json(self.settings),
            "unlabelled": [to_json(DataIdentity.of(data)) for data in self.unlabelled],
        }


def class_order(teacher: tuple[str, ...], student: tuple[str, ...]) -> tuple[int, ...]:
    """Number of each of the student's classes among the teacher's. Raises UsageError when they are not the same."""
    if sorted(teacher) != sorted(student):
        raise UsageError(
            f"teacher: knows the classes {', '.join(teacher) or 'none'}, expected {', '.join(student)}; use hints or "
            "attention only (soft weight 0), or train the teacher on these classes first"
        )
    return tuple(teacher.index(name) for name in student)


def refuse_held_out(
    unlabelled: Sequence[DataSet], dataset: DataSet, split: Split, step: Callable[[], None] = lambda: None
) -> None:
    """Raise DataError when a frame of `unlabelled` is of the validation or the test part of `dataset`.

    Of the same data set by name its split decides, so that the other frames of a patient are found as well. Whatever
    the name, no frame may have the same pixels. step: called after each frame read, held_out_reads in all.
    """
    if not unlabelled:
        return
    held_out = _held_out(dataset.samples, split)
    contents = content_hashes(dataset, _counted(held_out, step)).keys()
    for data in unlabelled:
        found = _held_out(data.samples, split) if data.name == dataset.name else ()
        if not found:
            copies = content_hashes(data, _counted(data.samples, step))
            found = tuple(sample for digest, sample in copies.items() if digest in contents)
        if found:
            raise DataError(
                f"{data.name}: {len(found)} of {len(data)} unlabelled frames are of the validation or test part "
                f"({found[0].source}{', ...' if len(found) > 1 else ''}); leave them out"
            )


def held_out_reads(unlabelled: Sequence[DataSet], dataset: DataSet, split: Split) -> int:
    """How many frames `refuse_held_out` reads."""
    return sum(map(len, unlabelled)) + len(_held_out(dataset.samples, split)) if unlabelled else 0


def _held_out(samples: Iterable[Sample], split: Split) -> tuple[Sample, ...]:
    samples = tuple(samples)
    return split.part(samples, "validation") + split.part(samples, "test")


def _counted(samples: Iterable[Sample], step: Callable[[], None]) -> Iterator[Sample]:
    for sample in samples:
        yield sample
        step()
