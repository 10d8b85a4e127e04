"""What decides which weights of a network are set to zero, and the masks that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.masking import Layer, Scope, magnitude_masks
from edgeneuro.export.prune.two_four import largest_two

DENSE = (
    "dense kernels, as ONNX Runtime and OpenVINO have them for processors, multiply by zeros as by any number, and the file "
    "keeps its bytes unless it is compressed"
)


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """Exactly one of sparsity and pattern.

    sparsity: share of the weights to set to zero, the smallest magnitudes, wherever they lie. pattern: "2:4", two of every
    four along the input channels, as TensorRT's sparse kernels want it. scope: of sparsity; "layer": the same share of every
    layer, "network": one threshold for all, on magnitudes over the norm of their layer. keep: layers left dense beside those
    that read the image and the one that runs last; a prefix of their name is enough.

    Raises UsageError for values out of range.
    """

    sparsity: float | None = None
    pattern: Literal["2:4"] | None = None
    scope: Scope = "layer"
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.sparsity is None) == (self.pattern is None):
            both = "got both" if self.pattern else "got neither"
            raise UsageError(f"--sparsity and --pattern: {both}, expected one of them")
        if self.sparsity is not None and not 0.0 < self.sparsity < 1.0:
            raise UsageError(f"--sparsity {self.sparsity:g}: expected a share above 0 and below 1, e.g. 0.5")
        if self.pattern not in (None, "2:4"):
            raise UsageError(f"--pattern {self.pattern}: is not known, expected 2:4")
        if self.scope not in ("layer", "network"):
            raise UsageError(f"scope {self.scope!r}: is not known, expected layer or network")

    def record(self) -> dict[str, Any]:
        """In plain values, for MadeFrom.pruned; what has no effect is left out."""
        how = {"pattern": self.pattern} if self.pattern else {"sparsity": self.sparsity, "scope": self.scope}
        return {**how, **({"keep": list(self.keep)} if self.keep else {})}

    @property
    def speed(self) -> str:
        """What such masks do for speed, in one sentence."""
        if self.pattern is None:
            return f"A mask brings no speed: {DENSE}."
        return (
            "A 2:4 mask can bring speed in TensorRT alone, on GPUs from Ampere on, in FP16 or INT8, built with --sparse, "
            f"where its sparse kernel is the faster one; {DENSE}."
        )


def make_masks(
    network: nn.Module, layers: dict[str, Layer], settings: MaskSettings, example: Tensor
) -> dict[str, Tensor]:
    """A mask for each of `layers`, False where its weight becomes zero. network: stays as it is. example: an input.

    Raises UsageError where a layer would lose all of its weights."""
    if settings.sparsity is None:
        return {name: largest_two(layer.weight) for name, layer in layers.items()}
    return magnitude_masks(network, layers, settings.sparsity, settings.scope, example)
