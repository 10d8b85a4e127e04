"""What a user may say of a student's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeneuro.export.distil.pairs import Asked
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.training.settings import Keep


@dataclass(frozen=True, kw_only=True)
class DistilSettings:
    """temperature, soft_weight, hint_weight, attention_weight: as of edgeneuro.training.teaching.LessonSettings. hints,
    attention: pairs of layers; "auto" takes for hints the last feature maps of both, for attention the last at every
    resolution that both have. Looked for only where their weight is not 0.

    unlabelled: more frames to learn from, each as edgeneuro.data.open_data takes it; labels they have are not used.
    teacher_options: what an .onnx file does not say of itself.

    What is None is the model's own, or TrainSettings', for a student with fresh weights; fold, seed and data then are the
    teacher's where it has some. For a student from a checkpoint it is the checkpoint's; then epochs are 30, learning_rate
    half of the model's own, patience never stops, seed is 0, and fold, initial and options cannot be set.
    crop, keep: as of edgeneuro.training.settings.TrainSettings. mixing: as of LessonSettings.
    label_column, group_column: go with `data`. image_size: side of the student's input in px.
    """

    temperature: float = 4.0
    soft_weight: float = 0.7
    hint_weight: float = 0.0
    attention_weight: float = 0.0
    hints: Asked = "auto"
    attention: Asked = "auto"
    unlabelled: tuple[str, ...] = ()
    teacher_options: FileOptions = NOTHING_SAID
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    fold: int | None = None
    seed: int | None = None
    epochs: int | None = None
    patience: int | None = None
    batch_size: int | None = None
    image_size: int | None = None
    learning_rate: float | None = None
    initial: str | None = None
    crop: float | None = None
    mixing: float = 0.0
    keep: Keep = "best"
    options: Mapping[str, Any] = field(default_factory=dict)


DEFAULTS = DistilSettings()
