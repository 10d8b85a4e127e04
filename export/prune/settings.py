"""What decides which channels go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgeneuro.errors import UsageError

Importance = Literal["group", "magnitude", "batch-norm", "taylor"]
IMPORTANCES: tuple[Importance, ...] = ("group", "magnitude", "batch-norm", "taylor")
WIDTH_MULTIPLES = (1, 4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """target_macs: multiply-accumulates to keep, a share of the network that is cut, above 0 and below 1.

    importance: of a channel, smallest goes first. "group": weights of all layers that lose it, together; "magnitude": of the
    layer that makes it; "batch-norm": scale of its normalisation; "taylor": weight times gradient of the loss on training
    frames. round_to: widths that change become multiples of it; where fewer channels than that stand together they stay, or
    all go if their layers have others. keep: layers whose outputs are guarded beside the first's and the last's; a prefix of
    their name, up to a point, is enough. strength: prefix of layers -> factor on the share of channels they lose, 1 where not
    named, 0 guards them; of several prefixes the longest counts, and for channels that several layers make the geometric mean.
    removed: blocks left out altogether, of those that edgeneuro.models.surgery.removable_blocks lists; they count towards
    target_macs.

    Raises UsageError for values out of range.
    """

    target_macs: float
    importance: Importance = "group"
    round_to: int = 8
    keep: tuple[str, ...] = ()
    strength: Mapping[str, float] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.target_macs < 1.0:
            raise UsageError(
                f"--target-macs {self.target_macs:g}: expected a share above 0 and below 1, e.g. 0.25 of the unpruned model"
            )
        if self.importance not in IMPORTANCES:
            raise UsageError(f"--importance {self.importance}: is not known, expected one of {', '.join(IMPORTANCES)}")
        if self.round_to not in WIDTH_MULTIPLES:
            raise UsageError(f"--round-to {self.round_to}: expected one of {', '.join(map(str, WIDTH_MULTIPLES))}")
        if any(factor < 0.0 for factor in self.strength.values()):
            raise UsageError(f"strength {dict(self.strength)}: expected factors of 0 or more")
