"""What a checkpoint went through, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeneuro.training.checkpoint import IMAGENET, CheckpointConfig, Initial, MadeFrom

HASH_LETTERS = 8
"""Of a SHA-256, enough to find a checkpoint again."""


def history(config: CheckpointConfig) -> tuple[str, ...]:
    """One step a checkpoint, the oldest first, that of `config` last: "trained on us_lung_pocus from ImageNet weights",
    "pruned to 0.25 of its operations by group importance", "trained with rounding for onnxruntime"; with ", taught by
    3f2a1b9c..." where a teacher helped.
    """
    data = config.trained_on.name
    earlier = (_step(data, one.made_from, one.taught, one.initial) for one in config.ancestors)
    return (*earlier, _step(data, config.made_from, config.taught, config.initial))


def _step(data: str, made_from: MadeFrom | None, taught: Mapping[str, Any], initial: Initial | None) -> str:
    """One checkpoint. data: all of them learnt from the same, since they have one split."""
    parts = [f"trained on {data}{_initial(initial)}"] if made_from is None else _changes(made_from)
    if taught:
        parts.append(f"taught by {_short(taught['teacher'])}")
    return ", ".join(parts) or "trained on in float"


def _initial(initial: Initial | None) -> str:
    if initial is None:
        return ""
    return " from ImageNet weights" if initial.name == IMAGENET else f" from weights trained on {initial.name}"


def _changes(made_from: MadeFrom) -> list[str]:
    """What was done to a checkpoint before it was trained on; nothing of it where it only was."""
    pruned, parts = made_from.pruned, []
    if "low_rank" in pruned:
        parts.append(f"linear layers factorised to {pruned['low_rank']:g} of their energy")
    if pruned.get("removed"):
        parts.append(f"{', '.join(pruned['removed'])} left out")
    if "target_macs" in pruned:
        parts.append(f"pruned to {pruned['target_macs']:.3g} of its operations by {pruned['importance']} importance")
    if pruned.get("sparsity") is not None:
        parts.append(f"{pruned['sparsity']:g} of its weights masked")
    if pruned.get("pattern") is not None:
        parts.append(f"weights masked in the pattern {pruned['pattern']}")
    if "image_size" in pruned:
        parts.append(f"input of {pruned['image_size']} px")
    if made_from.quantised_for is not None:
        parts.append(f"trained with rounding for {made_from.quantised_for}")
    return parts


def _short(digest: str) -> str:
    return f"{digest[:HASH_LETTERS]}..."
