"""How each network of the study on fewer operations is trained; every recipe makes one checkpoint a fold, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeneuro.errors import UsageError
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.prune.run import LEARNING_RATE_SHARE, PruneSettings, prune
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.prune.start import pruned_start
from edgeneuro.models import model_entry
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.settings import TrainSettings

TEACHER = "lite0"
STUDENT = "stanet-taught-more"


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all recipes share. data: as open_data takes it. folder: of all checkpoints of this data set. pretrained: checkpoint of
    STANet that has seen other images, None where there is none. threads: of training."""

    data: str
    folder: Path
    image_size: int
    epochs: int
    patience: int
    seed: int
    pretrained: Path | None = None
    threads: int = 1

    def document(self) -> dict[str, Any]:
        """What decides the numbers."""
        left_out = ("data", "folder", "pretrained", "threads")
        return {key: value for key, value in asdict(self).items() if key not in left_out}

    def checkpoint(self, name: str, fold: int) -> Path:
        """Where the recipe `name` leaves the checkpoint of a fold."""
        return self.folder / name / f"fold{fold}"


Make = Callable[[Common, str, int], TrainResult]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """title: in tables. make: checkpoint of one fold, called with the recipe's own name. settings: beside the common ones. engine: whether its INT8 engine is scored beside its float network."""

    name: str
    title: str
    make: Make
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: bool = False


def from_scratch(model: str, **options: Any) -> Make:
    """The same recipe for every network that starts from drawn weights."""

    def make(common: Common, name: str, fold: int) -> TrainResult:
        return _train(common, name, replace(_settings(common, model, fold), options=options))

    return make


def from_imagenet(common: Common, name: str, fold: int) -> TrainResult:
    """Fewer epochs with a smaller step: the weights are good already."""
    settings = replace(_settings(common, "efficientnet-lite0", fold), initial="imagenet", **IMAGENET)
    return _train(common, name, settings)


def taught(**lesson: Any) -> Make:
    """The fold's own EfficientNet-Lite0 answers to cut-outs of mixed frames, and STANet learns to answer alike."""

    def make(common: Common, name: str, fold: int) -> TrainResult:
        settings = DistilSettings(**lesson, data=common.data, fold=fold, seed=common.seed, image_size=common.image_size)
        return _distil(common, name, "myositis", fold, settings)

    return make


def taught_more(common: Common, name: str, fold: int) -> TrainResult:
    """The same lesson for weights that have seen other images, on frames of other ultrasound sets beside; the last epoch's weights,
    because the best epoch on some 85 validation frames is largely a matter of chance."""
    settings = DistilSettings(
        **LESSON,
        **MORE,
        data=common.data,
        fold=fold,
        seed=common.seed,
        image_size=common.image_size,
        initial=str(common.pretrained),
        unlabelled=_other_ultrasound(common),
    )
    return _distil(common, name, "myositis", fold, settings)


def patient(common: Common, name: str, fold: int) -> TrainResult:
    """What cut-outs and as many epochs bring without a teacher."""
    return _train(common, name, replace(_settings(common, "myositis", fold), crop=LESSON["crop"], **FIRST))


def compressed(share: float) -> Make:
    """The taught network with `share` of its operations, in the order that ships: prune, fine-tune, distil; what quantises and
    judges it is the bundle."""

    def make(common: Common, name: str, fold: int) -> TrainResult:
        folder = common.checkpoint(f"{name}-pruned", fold)
        cut = PruneSettings(
            how=CutSettings(target_macs=share), epochs=PRUNE_EPOCHS, data=common.data, seed=common.seed
        )  # fmt: skip
        prune(common.checkpoint(STUDENT, fold), folder, cut, resume=True, threads=common.threads)
        return _taught_again(common, name, folder, fold)

    return make


def taught_twice(common: Common, name: str, fold: int) -> TrainResult:
    """The same fine-tuning and the same second lesson with nothing taken away: what pruning itself costs or brings."""
    first, folder = common.checkpoint(STUDENT, fold), common.checkpoint(f"{name}-tuned", fold)
    settings = settings_of(
        first,
        epochs=PRUNE_EPOCHS,
        learning_rate=LEARNING_RATE_SHARE * model_entry("myositis").learning_rate,
        data=common.data,
        seed=common.seed,
    )
    train(settings, folder, start=pruned_start(first, None), resume=True, threads=common.threads)
    return _taught_again(common, name, folder, fold)


def _taught_again(common: Common, name: str, student: Path, fold: int) -> TrainResult:
    settings = DistilSettings(
        **LESSON, **MORE, data=common.data, seed=common.seed, unlabelled=_other_ultrasound(common)
    )  # fmt: skip
    return _distil(common, name, str(student), fold, settings)


def _other_ultrasound(common: Common) -> tuple[str, ...]:
    return tuple(other for other in ULTRASOUND if other != common.folder.name)


def _distil(common: Common, name: str, student: str, fold: int, settings: DistilSettings) -> TrainResult:
    teacher = common.checkpoint(TEACHER, fold)
    return distil(
        str(teacher), student, common.checkpoint(name, fold), settings, resume=True, threads=common.threads
    )  # fmt: skip


def _settings(common: Common, model: str, fold: int) -> TrainSettings:
    return TrainSettings(
        model=model,
        data=common.data,
        fold=fold,
        seed=common.seed,
        epochs=common.epochs,
        patience=common.patience,
        image_size=common.image_size,
    )


def _train(common: Common, name: str, settings: TrainSettings, **how: Any) -> TrainResult:
    folder = common.checkpoint(name, settings.fold)
    return train(settings, folder, resume=True, threads=common.threads, **how)


def recipe_named(name: str) -> Recipe:
    """Raises UsageError with the known names."""
    if name not in RECIPES:
        raise UsageError(f"--method {name}: is not known, expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


IMAGENET: Mapping[str, Any] = {"epochs": 10, "patience": 10}
LESSON: Mapping[str, Any] = {"soft_weight": 1.0, "temperature": 2.0, "crop": 0.35, "mixing": 1.0}
FIRST: Mapping[str, Any] = {"epochs": 60, "patience": 60, "learning_rate": 2e-3}
MORE: Mapping[str, Any] = {"epochs": 26, "patience": 26, "learning_rate": 2e-3, "keep": "last"}
ULTRASOUND = ("us_breast_busi", "us_lung_pocus", "us_muscle_timtrack")
PRUNE_EPOCHS = 8
SMALL: Mapping[str, Any] = {
    "prune_epochs": PRUNE_EPOCHS,
    **LESSON,
    **MORE,
    "unlabelled": "the other two ultrasound sets",
}
SMALL_MACS, STANET_MACS_128 = 12e6, 26_609_136
SMALL_SHARE = round(SMALL_MACS / STANET_MACS_128, 3)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="stanet", title="STANet", make=from_scratch("myositis"), engine=True),
        Recipe(
            name="stanet-no-attention",
            title="STANet without soft threshold",
            make=from_scratch("myositis", attention="none"),
        ),
        Recipe(
            name="stanet-fixed", title="STANet, one fixed threshold", make=from_scratch("myositis", attention="fixed")
        ),
        Recipe(
            name="stanet-separable",
            title="STANet, separable convolutions only",
            make=from_scratch("myositis", convolutions="separable"),
        ),
        Recipe(
            name="stanet-conventional",
            title="STANet, conventional convolutions only",
            make=from_scratch("myositis", convolutions="conventional"),
        ),
        Recipe(name="mobilenet-v2", title="MobileNetV2, width 1.0", make=from_scratch("mobilenet-v2")),
        Recipe(name="resnet18", title="ResNet-18", make=from_scratch("resnet18")),
        Recipe(
            name=TEACHER,
            title="EfficientNet-Lite0 from ImageNet weights",
            make=from_imagenet,
            settings={"initial": "imagenet", **IMAGENET},
        ),
        Recipe(
            name="stanet-patient",
            title="STANet, cut-outs and 60 epochs, no teacher",
            make=patient,
            settings={"crop": LESSON["crop"], **FIRST},
        ),
        Recipe(
            name="stanet-taught",
            title="STANet taught by EfficientNet-Lite0",
            make=taught(**LESSON, **FIRST),
            settings={**LESSON, **FIRST},
            engine=True,
        ),
        Recipe(
            name=STUDENT,
            title="STANet, pretrained, taught by EfficientNet-Lite0 on other ultrasound too",
            make=taught_more,
            settings={**LESSON, **MORE, "initial": "fewer_pretrain", "unlabelled": "the other two ultrasound sets"},
            engine=True,
        ),
        Recipe(
            name="stanet-taught-twice",
            title="the same, taught once more",
            make=taught_twice,
            settings=SMALL,
            engine=True,
        ),
        Recipe(
            name="stanet-small",
            title="the same, pruned to 12 MMACs and taught once more",
            make=compressed(SMALL_SHARE),
            settings={"share": SMALL_SHARE, **SMALL},
            engine=True,
        ),
    )
}
"""In the order of the tables; the first is what the others are compared with."""
