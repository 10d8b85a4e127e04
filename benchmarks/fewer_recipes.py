"""How each network of the study on fewer operations is trained; every recipe makes one checkpoint a fold, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeneuro.errors import UsageError
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.settings import TrainSettings

TEACHER = "lite0"
STUDENT = "stanet-taught"


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
    """title: in tables. make: checkpoint of one fold, called with the recipe's own name. settings: beside the common ones. needs: recipes that come before it.
    engine: whether its INT8 engine is scored beside its float network."""

    name: str
    title: str
    make: Make
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
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
    )
}
"""In the order of the tables; the first is what the others are compared with."""
