"""The dual-branch network whose computation the light one is measured against, and the share that was claimed."""

from __future__ import annotations

from collections.abc import Iterable

from edgeneuro.manifest import Manifest

LIGHT_MODEL = "myositis"
DUAL_MODEL = "myositis-dual"
DUAL_MACS = 34_856_764_416
"""Multiply-accumulates of DualVGG on 224 x 224 x 3: VGG16 and VGG19 convolutions, 15,346,630,656 + 19,508,428,800, and
the head 1024-1024-512-256-4, 1,704,960 (Ucar 2022, doi 10.1016/j.bspc.2021.103277, counted from its layers)."""
DUAL_INPUT = "224 x 224"
CLAIMED_SHARE = 0.0025
"""Of the dual-branch network's computation, as Tan 2024 (doi 10.7507/1001-5515.202301023) states for its light one."""


def dual_macs(manifests: Iterable[Manifest]) -> tuple[int, str]:
    """Multiply-accumulates and where they are from: an engine of that network where one is measured too, else the stored
    count."""
    for manifest in manifests:
        if manifest.model == DUAL_MODEL:
            return manifest.compute.macs, f"manifest of the {DUAL_MODEL} engine measured beside it"
    return DUAL_MACS, "counted from the layers of DualVGG (Ucar 2022) at 224 x 224 x 3, not measured here"
