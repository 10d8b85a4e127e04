"""Channels that can be exchanged for one another: how many of them stay decides the widths, which of them the weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.coupling import Coupled, Slot, coupled_channels
from edgeneuro.export.prune.names import under
from edgeneuro.export.prune.settings import CutSettings


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Channels that touch the same slots, each slot equally often.

    places: slot -> (channel, times) indices of the layer's channels. fixed: why all stay, empty where some may go. essential:
    at least one has to stay, for a layer that has no others. strength: factor on the share that goes.
    """

    places: Mapping[Slot, NDArray[np.int64]]
    fixed: str
    essential: bool
    strength: float

    def __len__(self) -> int:
        return len(next(iter(self.places.values())))


def segments_of(network: nn.Module, example: Tensor, settings: CutSettings) -> tuple[Segment, ...]:
    """Every output channel of every convolution and linear layer, in one segment each.

    example: (batch, channel, height, width), of which only the shape counts. Raises UsageError for a prefix in `settings` that
    no layer has, InputError where tracing fails.
    """
    layers = [name for name, _ in network.named_modules()]
    for prefix in (*settings.keep, *settings.strength):
        if not any(under(name, prefix) for name in layers):
            top = dict.fromkeys(name.partition(".")[0] for name in layers if name)
            raise UsageError(f"layer {prefix!r}: no layer has this name or prefix, expected one under {', '.join(top)}")
    alike: dict[tuple[frozenset[tuple[Slot, int]], str], list[Coupled]] = defaultdict(list)
    for coupled in coupled_channels(network, example):
        slots = Counter(place.slot for place in coupled.places)
        alike[frozenset(slots.items()), coupled.fixed or _guard(slots, settings)].append(coupled)
    users = Counter(slot for slots, _ in alike for slot, _ in slots)
    staying = {slot for slots, fixed in alike for slot, _ in slots if fixed or _alone(slots, users)}
    return tuple(
        Segment(
            places=_places(channels),
            fixed=fixed,
            essential=not all(slot in staying and users[slot] > 1 for slot, _ in slots),
            strength=_strength([slot for slot, _ in slots], settings.strength),
        )
        for (slots, fixed), channels in alike.items()
    )


def _guard(slots: Iterable[Slot], settings: CutSettings) -> str:
    """Why the settings keep these channels, empty where they do not."""
    made = [slot.layer for slot in slots if slot.side == "outputs"]
    for prefix in settings.keep:
        if any(under(layer, prefix) for layer in made):
            return f"{prefix} is guarded"
    return "" if _strength(slots, settings.strength) else "their strength is 0"


def _alone(slots: Collection[tuple[Slot, int]], users: Mapping[Slot, int]) -> bool:
    return any(users[slot] == 1 for slot, _ in slots)


def _strength(slots: Iterable[Slot], strength: Mapping[str, float]) -> float:
    """Geometric mean over the layers that make the channels; of several prefixes the longest counts."""
    made = {slot.layer for slot in slots if slot.side == "outputs"}
    factors = []
    for layer in made:
        prefixes = [prefix for prefix in strength if under(layer, prefix)]
        factors.append(strength[max(prefixes, key=len)] if prefixes else 1.0)
    return float(prod(factors) ** (1 / len(factors)))


def _places(channels: Iterable[Coupled]) -> dict[Slot, NDArray[np.int64]]:
    """(channel, times) indices of each slot, channels in the order of their places."""
    indices: dict[Slot, list[list[int]]] = defaultdict(list)
    for coupled in sorted(channels, key=lambda coupled: min(coupled.places)):
        here: dict[Slot, list[int]] = defaultdict(list)
        for place in sorted(coupled.places):
            here[place.slot].append(place.channel)
        for slot, found in here.items():
            indices[slot].append(found)
    return {slot: np.array(rows) for slot, rows in indices.items()}
