"""What decides the result of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgeneuro.drawing import Drawing
from edgeneuro.errors import UsageError
from edgeneuro.models import MODELS, Imaging, ModelEntry, model_entry
from edgeneuro.preprocess import SMALLEST_SIDE_PX
from edgeneuro.training.augment import AUGMENTATIONS, Augmentation

Keep = Literal["best", "last"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class SiameseSettings:
    """How a model of the recipe "siamese" is trained.

    loss = first_weight focal(branch 1) + second_weight focal(branch 2) + discriminator_weight cross-entropy(same class?);
    A, B and C of the patent. gamma: of the focal losses, 0 for cross-entropy. alpha: "balanced" gives every class the same
    share of the focal losses, "none" every frame. positive_ratio: share of the pairs of a batch whose frames are of one
    class. shared: one set of weights for both branches. pairs: without, one branch learns from single frames, by its focal
    loss alone, and only gamma and alpha matter. Raises UsageError for values out of range.
    """

    gamma: float = 2.0
    first_weight: float = 1.0
    second_weight: float = 1.0
    discriminator_weight: float = 0.5
    alpha: Literal["balanced", "none"] = "balanced"
    positive_ratio: float = 0.5
    shared: bool = False
    pairs: bool = True

    def __post_init__(self) -> None:
        for name in ("gamma", "first_weight", "second_weight", "discriminator_weight"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise UsageError(f"siamese {name}: got {value}, expected 0 or more")
        if not self.first_weight + self.second_weight:
            raise UsageError("siamese: no branch learns its classes; give first_weight or second_weight more than 0")
        if not 0.0 <= self.positive_ratio <= 1.0:
            raise UsageError(f"siamese positive_ratio: got {self.positive_ratio}, expected 0 to 1")


@dataclass(frozen=True, kw_only=True)
class SelfCureSettings:
    """How a model of the recipe "self-cure" weighs its training samples. Source: Wang 2020, arXiv:2002.10392.

    loss = (1 - rank_weight) weighted cross-entropy + rank_weight rank regularisation. high_ratio: share of a batch that should
    weigh more than the rest, on average by `margin`. relabel_margin: a sample of the rest gets the class it is taken for,
    where that is likelier by more than this than its own; None keeps all labels. relabel_from: the first epoch that does, from
    0. weights: without, a plain classifier is trained and nothing else here matters. Raises UsageError for values out of range.
    """

    weights: bool = True
    high_ratio: float = 0.7
    margin: float = 0.07
    rank_weight: float = 0.5
    relabel_margin: float | None = None
    relabel_from: int = 10

    def __post_init__(self) -> None:
        for name, value in (
            ("high_ratio", self.high_ratio),
            ("margin", self.margin),
            ("rank_weight", self.rank_weight),
            ("relabel_margin", self.relabel_margin),
        ):
            if value is not None and not 0.0 <= value <= 1.0:
                raise UsageError(f"self-cure {name}: got {value}, expected 0 to 1")
        if self.relabel_from < 0:
            raise UsageError(f"self-cure relabel_from: got {self.relabel_from}, expected an epoch from 0")


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How a model of the recipe "masks" is trained on crops of whole frames.

    foreground_share: of the crops, that hold foreground for sure where their frame has any. manual_share: of every batch, at least,
    from frames that were labelled by a person, beside pseudo-labelled ones. centreline_weight: of the soft clDice loss beside
    cross-entropy and Dice. Raises UsageError for values out of range.
    """

    foreground_share: float = 2 / 3
    manual_share: float = 0.25
    centreline_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("foreground_share", "manual_share"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"masks {name}: got {value}, expected 0 to 1")
        if not 0.0 <= self.centreline_weight < math.inf:
            raise UsageError(f"masks centreline_weight: got {self.centreline_weight}, expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings that change the weights; threads, devices and the output folder do not belong here.

    model: key in edgeneuro.models.MODELS. data: as edgeneuro.data.open_data takes it, the model's own where None.
    fold: the test part. patience: epochs without a better validation macro-F1, of the siamese
    recipe without a smaller validation loss, of masks without a better Dice, before training stops. batch_size: frames a step, or
    pairs, or crops. image_size: side in px, depth: planes, of a model for volumes, learning_rate: highest of the schedule; all the
    model's own where None.
    initial: "imagenet", a checkpoint folder of the same model, or a .safetensors file of ImageNet weights, which the run starts
    from; drawn where None.
    training_share: of the training groups to learn from, as edgeneuro.data.make_split takes it. channels: 1 for frames in
    grey, 3 in colour, the model's own where None. keep: weights of which epoch are written: of the one that was best on the
    validation part, or of the last, whose learning rate is nearly 0, where few validation frames make the best a matter of chance.
    crop: smallest share of a frame's area that an epoch shows of it, 1 for whole frames. augmentation: what else an epoch may
    change about a frame, the model's own where None. siamese, self_cure, masks: for a model of that recipe, the recipe's own where None.
    drawing: of neurons, as large as the network's input where None. label_noise: share of the training frames that learn from
    another class's label, drawn by the seed: an experiment. precision: bfloat16 multiplies in bfloat16 and keeps weights, sums and
    losses in float32; networks are scored and written in float32 either way.
    options: the model builder's own. Raises UsageError for values out of range.
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
    depth: int | None = None
    learning_rate: float | None = None
    initial: str | None = None
    crop: float = 1.0
    training_share: float = 1.0
    channels: Literal[1, 3] | None = None
    keep: Keep = "best"
    augmentation: Imaging | None = None
    siamese: SiameseSettings | None = None
    self_cure: SelfCureSettings | None = None
    masks: MaskSettings | None = None
    drawing: Drawing | None = None
    label_noise: float = 0.0
    precision: Precision = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model_entry(self.model)
        smallest = {
            "fold": 0,
            "seed": 0,
            "epochs": 1,
            "patience": 1,
            "batch_size": 2,
            "image_size": SMALLEST_SIDE_PX,
            "depth": 1,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name.replace('_', ' ')}: got {value}, expected {least} or more")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < float("inf"):
            raise UsageError(f"learning rate: got {self.learning_rate}, expected a positive number, e.g. 1e-3")
        if self.channels not in (None, 1, 3):
            raise UsageError(f"channels: got {self.channels}, expected 1 (grey) or 3 (colour)")
        if not 0.0 < self.crop <= 1.0:
            raise UsageError(f"crop: got {self.crop}, expected more than 0, at most 1 (whole frames)")
        if not 0.0 < self.training_share <= 1.0:
            raise UsageError(f"training share: got {self.training_share}, expected more than 0, at most 1 (all groups)")
        if not 0.0 <= self.label_noise < 1.0:
            raise UsageError(f"label noise: got {self.label_noise}, expected 0 (labels as they are) or more, below 1")
        for recipe, given in (("siamese", self.siamese), ("self-cure", self.self_cure), ("masks", self.masks)):
            if given and self.entry.recipe != recipe:
                known = ", ".join(name for name, row in MODELS.items() if row.recipe == recipe)
                raise UsageError(f"--{recipe}: {self.model!r} is not trained so, only {known}; leave it out")
        if self.depth is not None and self.entry.depth is None:
            raise UsageError(f"depth: got {self.depth}, but {self.model!r} takes images, no volumes; leave it out")
        if self.entry.masks:
            _refuse_for_masks(self)
        if self.entry.responses:
            _refuse_for_responses(self)

    @classmethod
    def of(cls, model: str, **given: Any) -> TrainSettings:
        """With what is usual for `model` where nothing else is given. Raises InputError, UsageError."""
        return cls(model=model, **{**model_entry(model).training, **given})

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
    def planes(self) -> int | None:
        """Of the input of a network for volumes, None of one for images."""
        return self.entry.depth if self.depth is None else self.depth

    @property
    def optimisation(self) -> dict[str, Any]:
        """What every Learner is told of them."""
        return {
            "optimiser": self.entry.optimiser,
            "learning_rate": self.top_learning_rate,
            "weight_decay": self.entry.weight_decay,
            "epochs": self.epochs,
        }

    @property
    def input_channels(self) -> Literal[1, 3]:
        """Of the network's input."""
        return self.entry.channels if self.channels is None else self.channels

    @property
    def top_learning_rate(self) -> float:
        """The learning rate after warm-up."""
        return self.entry.learning_rate if self.learning_rate is None else self.learning_rate

    @property
    def imaging(self) -> Imaging:
        """How frames were taken, as the model expects where nothing else was said."""
        return self.entry.augmentation if self.augmentation is None else self.augmentation

    @property
    def augment(self) -> Augmentation:
        """What an epoch may change about a frame."""
        return replace(AUGMENTATIONS[self.imaging], crop=self.crop)


def with_recipe(settings: TrainSettings, *, alone: bool) -> TrainSettings:
    """`settings` with those of the model's recipe filled in.

    alone: whether fresh weights learn from labels alone. A network that goes on from a checkpoint, or has a teacher, is the
    deployed one, which learns from single frames that all weigh the same. Raises UsageError where it was to learn otherwise.
    """
    if settings.entry.recipe == "self-cure":
        cure = settings.self_cure or SelfCureSettings(weights=alone)
        if cure.weights and not alone:
            raise UsageError(
                "self-cure weights: got true, but what starts from a checkpoint or has a teacher is the deployed network; "
                "give weights=false"
            )
        return replace(settings, self_cure=cure)
    if settings.entry.recipe == "siamese":
        siamese = settings.siamese or SiameseSettings(pairs=alone)
        if siamese.pairs and not alone:
            raise UsageError(
                "siamese pairs: got true, but what starts from a checkpoint or has a teacher is one branch; give "
                "pairs=false"
            )
        return replace(settings, siamese=siamese)
    if settings.entry.recipe == "masks":
        return replace(settings, masks=settings.masks or MaskSettings())
    return settings


def _refuse_for_masks(settings: TrainSettings) -> None:
    """Raise UsageError for a setting that means nothing where crops with masks are learnt from."""
    entry = settings.entry
    for name, value, only in (
        ("crop", settings.crop, 1.0),
        ("channels", settings.input_channels, entry.channels),
        ("augmentation", settings.imaging, entry.augmentation),
        ("label noise", settings.label_noise, 0.0),
    ):
        if value != only:
            raise UsageError(
                f"{name}: got {value}, but {entry.name!r} learns from crops of whole frames in grey, with an augmentation of its own; "
                "leave it out"
            )


def _refuse_for_responses(settings: TrainSettings) -> None:
    """Raise UsageError for a setting of frames."""
    entry = settings.entry
    for name, value, only in (
        ("image size", settings.side_px, entry.image_size),
        ("crop", settings.crop, 1.0),
        ("channels", settings.input_channels, entry.channels),
        ("augmentation", settings.imaging, entry.augmentation),
        ("drawing", settings.drawing, None),
        ("initial", settings.initial, None),
        ("label noise", settings.label_noise, 0.0),
    ):
        if value != only:
            raise UsageError(f"{name}: got {value}, but {entry.name!r} learns from responses of neurons; leave it out")
