"""What a student's batch costs beside its teacher: soft targets, feature hints, attention transfer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.training.teaching import Lecture, LessonSettings, Pair


class Lesson(nn.Module):
    """The loss that LessonSettings defines, with the adapters that hints need: one 1 x 1 convolution a pair, from the
    student's channels to the teacher's, trained with the network and not part of it.

    network: the student; it is run once on `images` (batch, channel, height, width), `lecture` is the teacher's on the
    same frames; both only for shapes. order: number of each of the student's classes among the teacher's logits; not
    needed without soft targets. layers: of the student, whose features `forward` needs. Raises UsageError for a layer
    that is not there, or whose output has no channels.
    """

    def __init__(
        self,
        settings: LessonSettings,
        network: nn.Module,
        *,
        images: Tensor,
        lecture: Lecture,
        order: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.settings = settings
        self.order = list(order)
        self.hints = settings.hints if settings.hint_weight else ()
        self.attention = settings.attention if settings.attention_weight else ()
        pairs = (*self.hints, *self.attention)
        self.layers = tuple(dict.fromkeys(pair.student for pair in pairs))
        features = _features(network, self.layers, images)
        for pair in pairs:
            _refuse_without_channels(pair, features, lecture)
        for pair in self.attention:
            _refuse_one_pixel(pair, features, lecture)
        self.adapters = nn.ModuleList(
            nn.Conv2d(features[pair.student].shape[1], lecture.features[pair.teacher].shape[1], 1)
            for pair in self.hints
        )

    def forward(
        self, task: Tensor, logits: Tensor, features: Mapping[str, Tensor], lecture: Lecture
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its terms before they are weighted: "task", then those of "soft", "hint" and "attention" whose
        weight is not 0. task: the loss against the labels. features: the student's, by layer."""
        settings = self.settings
        terms, loss = {"task": task}, (1.0 - settings.soft_weight) * task
        if settings.soft_weight:
            taught = lecture.logits.to(logits)[:, self.order]
            terms["soft"] = soft_target_loss(logits, taught, settings.temperature)
            loss = loss + settings.soft_weight * terms["soft"]
        if self.hints:
            losses = [
                hint_loss(features[pair.student], lecture.features[pair.teacher].to(logits), adapter)
                for pair, adapter in zip(self.hints, self.adapters, strict=True)
            ]
            terms["hint"] = torch.stack(losses).mean()
            loss = loss + settings.hint_weight * terms["hint"]
        if self.attention:
            losses = [
                attention_loss(features[pair.student], lecture.features[pair.teacher].to(logits))
                for pair in self.attention
            ]
            terms["attention"] = torch.stack(losses).mean()
            loss = loss + settings.attention_weight * terms["attention"]
        return loss, terms


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of the softmax of logits over T, mean over the batch.

    student, teacher: (batch, class). T^2 keeps the gradient's size whatever T is. Source: Hinton 2015, arXiv:1503.02531.
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return temperature**2 * divergence


def hint_loss(student: Tensor, teacher: Tensor, adapter: nn.Module) -> Tensor:
    """Squared distance of the adapted student's features from the teacher's, each of length 1 over all channels and
    pixels of a frame; mean over the batch. 0 to 4, so that one weight means the same for every pair of layers.

    student, teacher: (batch, channel[, height, width]); the larger map is averaged down to the smaller.
    Source: Romero 2015, arXiv:1412.6550, eq. 3, there without the division by the lengths.
    """
    mine, theirs = _same_size(_as_maps(student), _as_maps(teacher))
    return _distance(adapter(mine), theirs)


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of the two attention maps (sums of squares over channels), each of length 1 over a frame; mean
    over the batch. 0 to 2.

    student, teacher: (batch, channel, height, width); the larger map is averaged down to the smaller.
    Source: Zagoruyko 2017, arXiv:1612.03928, eq. 2 with p = 2, squared as in its authors' code.
    """
    mine, theirs = (maps.square().sum(1, keepdim=True) for maps in (student, teacher))
    return _distance(*_same_size(mine, theirs))


def _distance(one: Tensor, two: Tensor) -> Tensor:
    """Both scaled to length 1 a frame, then the square of their distance, mean over the batch."""
    return (F.normalize(one.flatten(1)) - F.normalize(two.flatten(1))).square().sum(1).mean()


def _as_maps(features: Tensor) -> Tensor:
    """(batch, channel, height, width); a vector is a map of one pixel."""
    return features if features.ndim == 4 else features[:, :, None, None]


def _same_size(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """Maps averaged to the smaller height and the smaller width of the two."""
    size = min(one.shape[2], two.shape[2]), min(one.shape[3], two.shape[3])
    return F.adaptive_avg_pool2d(one, size), F.adaptive_avg_pool2d(two, size)


@contextmanager
def watched(network: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Collects what `layers` of `network` give while the block runs, by name; nothing stays on the network.

    Raises UsageError for a name that `named_modules` does not know.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    features: dict[str, Any] = {}
    for name in layers:
        if name not in modules:
            near = get_close_matches(name, modules, n=3, cutoff=0.0)
            raise UsageError(f"layer {name!r}: is not in the student; did you mean {', '.join(near)}?")
    handles = [modules[name].register_forward_hook(partial(_keep, features, name)) for name in layers]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def _keep(features: dict[str, Any], name: str, module: nn.Module, inputs: Any, output: Any) -> None:
    features[name] = output


@torch.no_grad()
def _features(network: nn.Module, layers: Sequence[str], images: Tensor) -> dict[str, Any]:
    """The student's, in evaluation mode, which leaves its batch statistics alone; its mode is as it was afterwards."""
    training = network.training
    with watched(network.eval(), layers) as features:
        network(images)
    network.train(training)
    return features


def _refuse_without_channels(pair: Pair, features: Mapping[str, Any], lecture: Lecture) -> None:
    """Raise UsageError unless both layers of `pair` gave (batch, channel[, height, width])."""
    if pair.teacher not in lecture.features:
        there = ", ".join(lecture.features) or "none"
        raise UsageError(f"layer {pair.teacher!r}: the teacher does not give it, expected one of: {there}")
    if pair.student not in features:
        raise UsageError(f"layer {pair.student!r} of the student: never runs; choose one that does")
    both = {
        "student": (pair.student, features[pair.student]),
        "teacher": (pair.teacher, lecture.features[pair.teacher]),
    }
    for who, (name, value) in both.items():
        if not isinstance(value, Tensor) or value.ndim not in (2, 4):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(
                f"layer {name!r} of the {who}: gives {got}, expected (batch, channel) or (batch, channel, height, width); "
                "choose a convolution, a block or a linear layer"
            )


def _refuse_one_pixel(pair: Pair, features: Mapping[str, Tensor], lecture: Lecture) -> None:
    """Raise UsageError for attention where there is nothing to attend to."""
    both = _same_size(_as_maps(features[pair.student]), _as_maps(lecture.features[pair.teacher]))
    if both[0].shape[2:].numel() == 1:
        raise UsageError(
            f"attention {pair.student!r} to {pair.teacher!r}: one of them has a single pixel, expected maps; "
            "choose layers before the pooling, or use hints"
        )
