"""What a teacher gives to a run: a second look at every frame, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from edgeneuro.data import DataSet
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json


@dataclass(frozen=True, kw_only=True)
class Lecture:
    """logits: (batch, class). features: the teacher's layer -> (batch, channel, height, width) or (batch, channel)."""

    logits: Tensor
    features: Mapping[str, Tensor]


class Teacher(Protocol):
    """identity: SHA-256 of its weights. classes: of its logits, in order. preprocess: how it wants its frames."""

    @property
    def identity(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def preprocess(self) -> Preprocess: ...

    def __call__(self, images: Tensor) -> Lecture:
        """images: (batch, channel, height, width) float32, as `preprocess` makes them."""
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
    (arXiv:1612.03928). Frames without label have no task term.
    """

    temperature: float = 4.0
    soft_weight: float = 0.7
    hint_weight: float = 0.0
    attention_weight: float = 0.0
    hints: tuple[Pair, ...] = ()
    attention: tuple[Pair, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """A teacher for a run. unlabelled: frames to learn from beside the training part; none may be of the test part."""

    teacher: Teacher
    settings: LessonSettings = field(default_factory=LessonSettings)
    unlabelled: tuple[DataSet, ...] = ()

    def record(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, and what a resumed run must have again."""
        return {
            "teacher": self.teacher.identity,
            **to_json(self.settings),
            "unlabelled": [to_json(DataIdentity.of(data)) for data in self.unlabelled],
        }
