"""The table of reference models. A model is one file and one row here; importing the table needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgeneuro.errors import InputError

Imaging = Literal["ultrasound", "photograph", "neuron"]
"""How frames were taken, which says what another recording of the same would differ in."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """builder: "module:function", called with (classes=int, channels=int, **options), returns a torch module that
    maps (batch, channel, height, width) float32 to (batch, class) logits. image_size: default side in px.
    data: default data set. primary_metric: key in edgeneuro.metrics. learning_rate, optimiser: of the recipe.
    imagenet: "module:function" that returns weights trained on ImageNet by name, None where there are none; frames are
    then normalised as those weights expect. torchvision: "module:function" that gives weights named as torchvision names them the
    model's names, for ImageNet weights from a file; None where none would fit. recipe: how `train` makes it from the labels; "siamese" is
    edgeneuro.training.siamese, "self-cure" edgeneuro.training.self_cure, "masks" edgeneuro.training.masks. augmentation: which of edgeneuro.training.augment.AUGMENTATIONS, where a run names no other.
    explains: the network has `class_maps`, (batch, channel, height, width) -> (batch, class, height, width), and a `bias`
    (class,), with logits = mean of the maps + bias; engines give the maps beside the logits. depth: planes of the input, of a
    network for volumes; None of one for images. positions: the network needs the places of the cells. training: settings of
    edgeneuro.training.settings.TrainSettings that are usual for it, where they differ from those of most models.

    Of the recipe "responses" (edgeneuro.training.responses) a network maps (batch, neuron) float32 to (batch, class), and the builder is
    called with (classes=int, neurons=int, **options), where it needs positions with most=int as well.
    """

    name: str
    title: str
    builder: str
    channels: Literal[1, 3] = 1
    image_size: int = 224
    data: str = "phantom"
    primary_metric: str = "balanced_accuracy"
    optimiser: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    imagenet: str | None = None
    torchvision: str | None = None
    recipe: Literal["classifier", "siamese", "self-cure", "masks", "responses"] = "classifier"
    augmentation: Imaging = "ultrasound"
    explains: bool = False
    depth: int | None = None
    positions: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def responses(self) -> bool:
        """Whether it takes responses of the neurons of one session, (batch, neuron), no frames."""
        return self.recipe == "responses"

    @property
    def masks(self) -> bool:
        """Whether it finds where things are: (batch, channel, [depth,] height, width) -> logits (batch, 1, [depth,] height, width)."""
        return self.recipe == "masks"


_RESPONSES: Mapping[str, Any] = {
    "data": "v1-simulated",
    "weight_decay": 1e-2,
    "recipe": "responses",
    "training": {"epochs": 60, "batch_size": 128},
}
"""What the decoders of the visual cortex have in common."""

MODELS: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="myositis",
            title="STANet: depthwise separable and conventional convolution with soft-threshold attention",
            builder="edgeneuro.models.stanet:build",
        ),
        ModelEntry(
            name="myositis-dual",
            title="DualVGG: VGG16 and VGG19 side by side, features concatenated (Ucar 2022)",
            builder="edgeneuro.models.dualvgg:build",
            channels=3,
            optimiser="adam",
            learning_rate=2e-5,
            weight_decay=0.0,
        ),
        ModelEntry(
            name="skin",
            title="Lightweight siamese network for skin lesions, one branch deployed, with class activation maps",
            builder="edgeneuro.models.skin:build",
            channels=3,
            data="phantom-lesions",
            weight_decay=5e-4,
            recipe="siamese",
            augmentation="photograph",
            explains=True,
        ),
        ModelEntry(
            name="morphology",
            title="ResNet-18 with feature reconstruction for pictures of neurons, trained with a weight of every sample",
            builder="edgeneuro.models.morphology:build",
            channels=3,
            data="phantom-neurons",
            torchvision="edgeneuro.models.resnet:from_torchvision",
            recipe="self-cure",
            augmentation="neuron",
        ),
        ModelEntry(
            name="segmentation-2d",
            title="Residual U-Net for neurites in images, trained from few labels in rounds",
            builder="edgeneuro.models.segmentation:build_2d",
            image_size=256,
            data="phantom-neurites",
            primary_metric="dice",
            recipe="masks",
        ),
        ModelEntry(
            name="segmentation-3d",
            title="Residual U-Net for neurites in volumes, trained from few labels in rounds",
            builder="edgeneuro.models.segmentation:build_3d",
            image_size=64,
            depth=64,
            data="phantom-volumes",
            primary_metric="dice",
            recipe="masks",
        ),
        ModelEntry(
            name="v1-mlp",
            title="Fully connected decoder of the responses of neurons of the visual cortex",
            builder="edgeneuro.models.v1:build_mlp",
            learning_rate=3e-4,
            **_RESPONSES,
        ),
        ModelEntry(
            name="v1-cnn2d",
            title="Decoder of neurons on the grid of their places, planes of the microscope as channels",
            builder="edgeneuro.models.v1:build_cnn2d",
            positions=True,
            **_RESPONSES,
        ),
        ModelEntry(
            name="v1-cnn3d",
            title="Decoder of neurons on the grid of their places, as one volume",
            builder="edgeneuro.models.v1:build_cnn3d",
            positions=True,
            **_RESPONSES,
        ),
        ModelEntry(
            name="mobilenet-v2",
            title="MobileNetV2, to compare with",
            builder="edgeneuro.models.mobilenet:build",
        ),
        ModelEntry(
            name="resnet18",
            title="ResNet-18, to compare with",
            builder="edgeneuro.models.resnet:build",
            torchvision="edgeneuro.models.resnet:from_torchvision",
        ),
        ModelEntry(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0, to compare with and to learn from",
            builder="edgeneuro.models.lite0:build",
            channels=3,
            learning_rate=3e-4,
            weight_decay=0.05,
            imagenet="edgeneuro.models.lite0:imagenet_weights",
        ),
    )
}


def model_entry(name: str) -> ModelEntry:
    """The row of `name`. Raises InputError with the known names and the nearest one."""
    if name not in MODELS:
        from difflib import get_close_matches

        near = get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"model {name!r}: is not known; {hint}expected one of {', '.join(MODELS)}")
    return MODELS[name]
