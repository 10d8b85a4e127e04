"""Names of layers and blocks as a user gives them, compared with those there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from torch import nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.models.surgery import removable_blocks

NEAREST = 3
"""Names that an error lists, at most."""


def refuse_unknown_names(network: nn.Module, settings: CutSettings) -> None:
    """Raise UsageError for a layer or block of `settings` that `network` does not have, listing the nearest there are, and
    for a layer that goes with its block."""
    layers = [name for name, _ in network.named_modules() if name]
    blocks = removable_blocks(network)
    for block in settings.removed:
        if not blocks:
            raise UsageError(f"--remove {block}: no block of this model can be left out")
        if block not in blocks:
            raise UsageError(f"--remove {block}: is no block that can be left out; expected {_nearest(block, blocks)}")
    for option, prefixes in (("--keep", settings.keep), ("--strength", settings.strength)):
        for prefix in prefixes:
            if not any(under(name, prefix) for name in layers):
                raise UsageError(f"{option} {prefix}: no layer is called so; did you mean {_nearest(prefix, layers)}?")
            if any(under(prefix, block) for block in settings.removed):
                raise UsageError(f"{option} {prefix}: is in a block that --remove leaves out; name it in one of them")


def under(name: str, prefix: str) -> bool:
    """Whether `prefix` is the layer `name` or a part of the network that holds it."""
    return name == prefix or name.startswith(f"{prefix}.")


def _nearest(name: str, known: Iterable[str]) -> str:
    return " or ".join(get_close_matches(name, list(known), n=NEAREST, cutoff=0.0))
