"""A result as a picture: what a network saw beside where it found it.

Of a classifier, the class activation map of its answer; of a segmentation, the outline of every class, of a volume on its projection;
beside the picture of a neuron, the whole of it in colour. docs/overlay.md says what such a picture shows, and what it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edgeneuro.drawing import COLOURS, Drawing
from edgeneuro.errors import UsageError
from edgeneuro.manifest import CLASS_MAPS, Manifest
from edgeneuro.neuron import APICAL, AXON, BASAL, SOMA, UNDEFINED, Neuron
from edgeneuro.runtime.caption import ALERT, Line, captioned, side_by_side
from edgeneuro.runtime.postprocess import Prediction, Result, Segmentation
from edgeneuro.spec import Array, Float32, Frame

SHORTER_SIDE_PX, LONGER_SIDE_PX = 320, 1600
"""Frames are enlarged until the shorter side has so many, as far as the longer one stays within its own."""
WINDOW = (0.5, 99.5)
"""Percentiles that become black and white, of frames of other than 8 bits and of projections of volumes."""
STRONGEST = 0.6
"""Share of the colour where a class activation map is largest; elsewhere in proportion."""
TINT = 0.3
"""Share of the colour inside a segmented region."""
RUNNERS_UP = 3
"""Classes after the first whose probability is told of a neuron."""
NEURITES = {SOMA: "soma", AXON: "axon", BASAL: "dendrite", APICAL: "apical dendrite", UNDEFINED: "undefined"}
NOTHING = "No place added to this score: its class activation map is nowhere above zero."
PALETTE = np.array(
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)],
    np.uint8,
)
"""Of the classes of a segmentation, told apart by people with any colour vision: Okabe and Ito 2008. Used again from the
start where there are more classes."""

_VIRIDIS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
"""(256, 3) RGB from dark violet to yellow: brighter is more for every kind of colour vision."""


def check_overlay(manifest: Manifest, folder: Path, out: Path | None) -> None:
    """Raise UsageError for an engine whose results cannot be drawn over the frame, and for a `folder` that is `out` as well,
    where masks go under the same names."""
    option = f"--overlay {folder}"
    if out is not None and out.resolve() == folder.resolve():
        raise UsageError(f"{option}: is the folder of --out, whose files have the same names; name another one")
    if manifest.preprocess is None:
        raise UsageError(f"{option}: this engine takes arrays, which are no pictures; leave it out")
    if manifest.task == "tensors":
        raise UsageError(f"{option}: this engine gives arrays, and nothing to draw over a frame; use --out")
    looks_at_neurons = manifest.preprocess.drawing is not None
    explains = looks_at_neurons or any(spec.name == CLASS_MAPS for spec in manifest.outputs)
    if manifest.task == "classification" and not explains:
        raise UsageError(
            f"{option}: {manifest.model} gives no class activation maps to draw; build the engine from a network that does "
            f"(model skin, or an .onnx file with an output {CLASS_MAPS}, docs/overlay.md), or leave it out"
        )


def overlay(frame: Frame, result: Result, classes: Sequence[str], neuron: Neuron | None = None) -> Array:
    """The frame beside itself with the result drawn over it, and what is to be read below.

    frame: as the engine took it; of a volume, (depth, height, width), the largest value along depth is shown. classes: the manifest's. neuron: that the frame is a picture of; it is shown whole where
    there are no class maps. Returns (height, width, 3) uint8 RGB. Raises UsageError for tensors, which have nothing to draw.
    """
    drawn: Array | None
    projected = isinstance(result, Segmentation) and result.mask.ndim == 3
    plain, window = in_8_bits(frame.max(axis=0), windowed=True) if projected else in_8_bits(frame)
    if isinstance(result, Prediction) and result.class_maps is not None:
        drawn, lines = _explained(plain, result, result.class_maps)
    elif isinstance(result, Segmentation):
        drawn, lines = _outlined(plain, result.mask, classes)
    elif isinstance(result, Prediction):
        drawn, lines = _told(_enlarged(plain), result, neuron)
    else:
        raise UsageError(f"overlay: got {type(result).__name__}, expected a prediction or a mask")
    lines += [*window, *_warnings(result.flags)]
    return captioned(_enlarged(plain), lines) if drawn is None else side_by_side(_enlarged(plain), drawn, lines)


def heat_map(class_map: Float32, height: int, width: int) -> Float32:
    """M = ReLU(sum_k w_k f_k), upsampled bilinearly, and scaled to a largest value of 1.

    class_map: (map height, map width) float32. Returns (height, width) float32 in 0..1; all zero where the map is nowhere
    above zero. Source: Zhou et al. 2016, arXiv:1512.04150, eq. 2.
    """
    upsampled = cv2.resize(np.maximum(class_map, 0.0), (width, height), interpolation=cv2.INTER_LINEAR)
    largest = max(float(np.max(upsampled)), float(np.finfo(np.float32).tiny))
    heat: Float32 = np.divide(upsampled, largest, dtype=np.float32)
    return heat


def _explained(plain: Array, made: Prediction, class_maps: Float32) -> tuple[Array, list[Line]]:
    """The frame in grey under the map of the predicted class."""
    class_map = class_maps[list(made.probabilities).index(made.label)]
    height, width = class_map.shape
    title = _title(made)
    heat = _enlarged(heat_map(class_map, *plain.shape[:2]), smooth=True)
    if not heat.any():
        return _enlarged(plain), [title, Line(text=NOTHING, colour=ALERT)]
    said = f"none to most: what each place of a {width} x {height} grid added to this score. Where, not why."
    grey = cv2.cvtColor(cv2.cvtColor(_enlarged(plain), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    key = _heated(np.full((1, 256, 3), 160, np.uint8), np.linspace(0, 1, 256, dtype=np.float32)[None])[0]
    return _heated(grey, heat), [title, Line(text=said, key=key)]


def _title(made: Prediction) -> Line:
    return Line(text=f"{made.label} {100 * made.probabilities[made.label]:.1f} %", large=True)


def _told(shown: Array, made: Prediction, neuron: Neuron | None) -> tuple[Array | None, list[Line]]:
    """The whole neuron in the colours of its neurites, as large as `shown`; what is likely, and what the colours mean."""
    others = sorted((made.probabilities[name], name) for name in made.probabilities if name != made.label)
    lines = [_title(made)]
    if others:
        said = ", ".join(f"{name} {100 * share:.1f} %" for share, name in others[: -RUNNERS_UP - 1 : -1])
        lines.append(Line(text=f"Then: {said}"))
    if made.quality is not None:
        lines.append(Line(text=f"Quality {made.quality:.2f}: how typical it is, from 0 to 1."))
    if neuron is None:
        return None, lines
    lines.append(Line(text="Left what the network sees, right the whole neuron:"))
    there = np.unique(neuron.types).tolist()
    lines += [
        Line(text=word, key=np.array([COLOURS[kind]], np.uint8)) for kind, word in NEURITES.items() if kind in there
    ]
    return Drawing(variant="raw", view="rgb", side_px=shown.shape[0])(neuron), lines


def _heated(grey: Array, heat: Float32) -> Array:
    """grey: (height, width, 3). heat: (height, width) in 0..1."""
    return mixed(grey, _VIRIDIS[np.rint(255 * heat).astype(np.uint8)], np.float32(STRONGEST) * heat[:, :, None])


def _outlined(plain: Array, mask: Array, classes: Sequence[str]) -> tuple[Array, list[Line]]:
    """The frame with every class but the background tinted and outlined; the classes that are there by name. mask: of a volume, the
    largest number along depth is drawn."""
    flat, whole, lines = (mask, "frame", []) if mask.ndim == 2 else (mask.max(axis=0), "volume", [_projection(mask)])
    large = _enlarged(flat)
    colours = PALETTE[(np.arange(len(classes)) - 1) % len(PALETTE)]
    inside = (large > 0).astype(np.float32)[:, :, None]
    drawn = mixed(_enlarged(plain), colours[large], np.float32(TINT) * inside)
    thickness = max(2, min(drawn.shape[:2]) // 256)
    there = [number for number in np.unique(mask).tolist() if number]
    for number in there:
        outlines, _ = cv2.findContours((large == number).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, colours[number].tolist(), thickness)
        share = 100 * np.count_nonzero(mask == number) / mask.size
        lines.append(Line(text=f"{classes[number]} {share:.2f} % of the {whole}", key=colours[number, None]))
    return drawn, lines if there else [*lines, Line(text=f"All of the {whole} is {classes[0]}.")]


def _projection(mask: Array) -> Line:
    return Line(text=f"Largest of {len(mask)} planes at every place, and the outline of what was found in any of them.")


def mixed(under: Array, over: Array, share: Array) -> Array:
    """share: of `over`, 0..1."""
    both: Array = np.rint(under * (1 - share) + over * share).astype(np.uint8)
    return both


def _enlarged(picture: Array, *, smooth: bool = False) -> Array:
    """By a whole number, so that pixels stay what they are; large ones as they are."""
    factor = min(-(-SHORTER_SIDE_PX // min(picture.shape[:2])), LONGER_SIDE_PX // max(picture.shape[:2]))
    if factor <= 1:
        return picture
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    larger: Array = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)
    return larger


def in_8_bits(frame: Frame, *, windowed: bool = False) -> tuple[Array, list[Line]]:
    """frame: (height, width[, 1 or 3]). Returns (height, width, 3) uint8 RGB, and how other grey values became 8 bits. windowed: 8 bits are
    spread, too."""
    pixels = frame if frame.ndim == 2 else frame[:, :, 0] if frame.shape[2] == 1 else frame[:, :, :3]
    lines = []
    shares = pixels.dtype.kind == "f" and float(pixels.min()) >= 0.0 and float(pixels.max()) <= 1.0
    if windowed or (pixels.dtype not in (np.uint8, np.bool_) and not shares):
        low, high = np.percentile(pixels, WINDOW)
        pixels = np.clip((pixels - low) / ((high - low) or 1.0), 0.0, 1.0)
        bits = f"{8 * frame.dtype.itemsize}-bit frame, shown" if frame.dtype.kind == "u" else "Shown"
        lines.append(Line(text=f"{bits} from {low:.4g} (black) to {high:.4g} (white)."))
    if pixels.dtype != np.uint8:  # bool, or float in 0..1
        pixels = np.rint(255.0 * pixels).astype(np.uint8)
    return (cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else np.ascontiguousarray(pixels)), lines


def _warnings(flags: Sequence[str]) -> Iterator[Line]:
    """What a reader must know before trusting the picture."""
    if "simulated_training" in flags:
        yield Line(text="Trained on simulated images: says nothing about people.", colour=ALERT)
    others = [flag for flag in flags if flag != "simulated_training"]
    if others:
        yield Line(text=f"Flags: {', '.join(others)}", colour=ALERT)
