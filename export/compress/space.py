"""The search space: which networks can be made of the base, and what is known of it beforehand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn

from edgeneuro.export.compress.records import BaseFacts, Candidate, Goal, SearchSettings
from edgeneuro.export.compress.steps import open_parts, teaching_of
from edgeneuro.export.only_classifiers import refuse_masks, refuse_responses
from edgeneuro.export.prune.count import count
from edgeneuro.export.prune.names import under
from edgeneuro.models import model_entry
from edgeneuro.models.surgery import removable_blocks
from edgeneuro.preprocess import SMALLEST_SIDE_PX
from edgeneuro.training.checkpoint import MODEL, load_model, read_config

if TYPE_CHECKING:
    import optuna

COARSE_FROM_PX = 160
"""Inputs of at least so many pixels a side are made smaller in steps of 32, smaller ones in steps of 16."""
MOST_GROUPS = 5
"""Layer groups with a strength of their own: few trials cannot tell more of them apart."""
LEAST_SHARE = 0.02
"""Of the base's multiply-accumulates, where the goal is a time."""
STRENGTHS = (0.5, 2.0)
MOST_KEPT_FLOAT = 3
REMOVED_AT_FIRST = 0.25
"""How often a block is left out while the sampler knows nothing: with one half, no network of many blocks that keeps
most of them would ever be seen."""


def base_facts(settings: SearchSettings) -> BaseFacts:
    """No frame is read. Raises CheckpointError, DataError; UsageError for a teacher that has learnt from the test part, and for a
    model that finds where things are."""
    folder = Path(settings.base)
    config = read_config(folder)
    refuse_masks(config.model, "compress", "make it smaller with `edgeneuro prune --target-macs`")
    refuse_responses(
        config.model, "compress", "make it smaller with `edgeneuro prune --low-rank`, or teach a narrower one"
    )
    teaching_of(settings, open_parts(settings).test)
    network = load_model(folder)
    sizes = input_sizes(config.frame_preprocess.height)
    costs = [count(network, torch.zeros(2, config.frame_preprocess.channels, size, size)) for size in sizes]
    return BaseFacts(
        weights=config.files[MODEL],
        macs=costs[-1].macs,
        params=costs[-1].params,
        image_size=config.frame_preprocess.height,
        sizes=sizes,
        sizes_macs=tuple(cost.macs for cost in costs),
        classes=config.classes,
        metric=model_entry(config.model).primary_metric,
        layer_groups=layer_groups(network),
        removable=removable_blocks(network),
    )


def suggest(trial: optuna.Trial, base: BaseFacts, goal: Goal) -> Candidate:
    """A point of the space, by the sampler of the trial's study."""
    step = base.sizes[1] - base.sizes[0] if len(base.sizes) > 1 else 1
    least, most = (LEAST_SHARE, 1.0) if goal.macs is None else (goal.macs / 3, goal.macs)
    precision = cast(Literal["int8", "fp32"], trial.suggest_categorical("precision", ["int8", "fp32"]))
    strengths = [
        (group, trial.suggest_float(f"strength of {group[0]}", *STRENGTHS, log=True)) for group in base.layer_groups
    ]
    return Candidate(
        image_size=trial.suggest_int("image_size", base.sizes[0], base.sizes[-1], step=step),
        share=trial.suggest_float("share", least, most, log=True),
        strength={prefix: strength for group, strength in strengths for prefix in group},
        removed=tuple(
            block for block in base.removable if trial.suggest_float(f"without {block}", 0.0, 1.0) < REMOVED_AT_FIRST
        ),
        precision=precision,
        kept_float=trial.suggest_int("kept_float", 0, MOST_KEPT_FLOAT) if precision == "int8" else 0,
    )


def input_sizes(side: int) -> tuple[int, ...]:
    """Sides in px from about half of `side` to `side`, in equal steps."""
    step = 32 if side >= COARSE_FROM_PX else 16
    return tuple(reversed(range(side, max(side // 2, SMALLEST_SIDE_PX) - 1, -step))) or (side,)


def layer_groups(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The stages of a network in order, put together into at most MOST_GROUPS, each a tuple of names of modules.

    A stage is a top-level module; one that holds more than half of the layers is divided into its own. What holds nothing
    but the first or the last layer, which stay as they are, is none.
    """
    layers = [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    stages = _divided(network, "", layers)
    free = [stage for stage in stages if set(_inside(stage, layers)) - {layers[0], layers[-1]}]
    count = min(MOST_GROUPS, len(free))
    cuts = [round(i * len(free) / count) for i in range(count + 1)] if count else []
    return tuple(tuple(free[low:high]) for low, high in pairwise(cuts))


def _divided(module: nn.Module, prefix: str, layers: list[str]) -> list[str]:
    stages: list[str] = []
    for name, child in module.named_children():
        own = f"{prefix}{name}"
        if len(_inside(own, layers)) > len(layers) / 2 and own not in layers:
            stages += _divided(child, f"{own}.", layers)
        else:
            stages.append(own)
    return stages


def _inside(stage: str, layers: list[str]) -> list[str]:
    return [layer for layer in layers if under(layer, stage)]
