"""What decides the result of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgeneuro.errors import UsageError
from edgeneuro.models import ModelEntry, model_entry
from edgeneuro.preprocess import SMALLEST_SIDE_PX


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings that change the weights; threads, devices and the output folder do not belong here.

    model: key in edgeneuro.models.MODELS. data: as edgeneuro.data.open_data takes it, the model's own where None.
    fold: the test part. patience: epochs without a better validation macro-F1 before training stops.
    image_size: side in px, learning_rate: highest of the schedule; both the model's own where None.
    initial: "imagenet" or a checkpoint folder of the same model, whose weights the run starts from; drawn where None.
    crop: smallest share of a frame's area that an epoch shows of it, 1 for whole frames. options: the model builder's own. Raises UsageError for values out of range.
    """

    model: str
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    protocol: Literal["grouped", "leaky"] = "grouped"
    fold: int = 0
    seed: int = 0
    epochs: int = 120
    patience: int = 30
    batch_size: int = 32
    image_size: int | None = None
    learning_rate: float | None = None
    initial: str | None = None
    crop: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model_entry(self.model)
        smallest = {"fold": 0, "seed": 0, "epochs": 1, "patience": 1, "batch_size": 2, "image_size": SMALLEST_SIDE_PX}
        for name, least in smallest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name.replace('_', ' ')}: got {value}, expected {least} or more")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < float("inf"):
            raise UsageError(f"learning rate: got {self.learning_rate}, expected a positive number, e.g. 1e-3")
        if not 0.0 < self.crop <= 1.0:
            raise UsageError(f"crop: got {self.crop}, expected more than 0, at most 1 (whole frames)")

    @property
    def entry(self) -> ModelEntry:
        """The model's row in the table."""
        return model_entry(self.model)

    @property
    def source(self) -> str:
        """The data set, the model's own where none was given."""
        return self.entry.data if self.data is None else self.data

    @property
    def side_px(self) -> int:
        """Side of the network's square input."""
        return self.entry.image_size if self.image_size is None else self.image_size

    @property
    def top_learning_rate(self) -> float:
        """The learning rate after warm-up."""
        return self.entry.learning_rate if self.learning_rate is None else self.learning_rate
