"""From findings to a picture of skin: maps of pigments, then colour by their optical densities.

Colour follows Tsumura et al. 1999 (J Opt Soc Am A 16(9):2169-2176): in optical density, skin is a linear mixture of
melanin and haemoglobin. Added here: melanin in the dermis, which looks blue-grey, and opaque white and yellow layers.
Maps are (row, column) float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeneuro.data.phantom_lesions_subject import Findings, Lesion
from edgeneuro.data.phantom_lesions_view import View, curves, ellipses, honeycomb, noise, step
from edgeneuro.spec import Float32

MELANIN, BLUE, BLOOD = (0.48, 0.92, 1.3), (1.0, 0.82, 0.6), (0.13, 0.85, 0.64)
"""Optical density of red, green, blue for one unit of each pigment."""
SKIN_WHITE = (0.97, 0.93, 0.89)
"""Reflectance of skin without pigment."""
SCAR, KERATIN = (0.93, 0.86, 0.83), (0.93, 0.86, 0.68)
"""Colours of what lies over the pigment."""


@dataclass
class Tissue:
    """Maps that structures are added to. depth: 1 in the middle of the lesion, 0 at its border, negative outside.
    inside: 1 to 0. grain: fine noise of about unit variance, which roughens everything. scar, keratin: how much of the
    pigment they cover, 0 to 1."""

    depth: Float32
    inside: Float32
    grain: Float32
    melanin: Float32
    blue: Float32
    blood: Float32
    scar: Float32
    keratin: Float32


def draw_tissue(lesion: Lesion, view: View, rng: np.random.Generator) -> Float32:
    """(row, column, 3) reflectance 0 to 1 of red, green, blue. rng: seeded by the lesion alone, so that all its images show
    the same structures."""
    findings = lesion.findings
    tissue = _outline(findings, view, rng)
    _skin(lesion, view, tissue, rng)
    _body(findings, view, tissue, rng)
    _network(findings, view, tissue, rng)
    _follicles(findings, view, tissue, rng)
    _spots(findings, view, tissue, rng)
    _vessels(findings, view, tissue, rng)
    _keratin(findings, view, tissue, rng)
    _patches(findings, view, tissue, rng)
    return _colour(tissue)


def _outline(findings: Findings, view: View, rng: np.random.Generator) -> Tissue:
    """The lesion's border: an ellipse, bent by large and small noise, with finger-like streaks where there are some."""
    radius = findings.diameter_mm / 2.0
    long = np.float32(np.sqrt(findings.elongation))
    distance = np.sqrt(np.square(view.u / (radius * long)) + np.square(view.v * long / radius))
    distance += np.float32(findings.irregularity) * noise(view, rng, 1.1 * radius)
    distance += np.float32(findings.notches) * noise(view, rng, 0.3 * radius)
    grain = np.float32(0.85) * noise(view, rng, 0.45) + np.float32(0.5) * noise(view, rng, 0.18)
    distance += np.float32(0.02 + 0.4 * findings.notches) * grain
    depth = np.asarray(np.float32(1.0) - distance, np.float32)
    fingers = _fingers(findings, view, depth, rng) if findings.streaks > 0.0 else None
    if fingers is not None:
        depth += np.float32(0.2) * fingers
    sharpness = np.exp(np.float32(0.5) * noise(view, rng, 0.8 * radius)) / np.float32(0.5 * findings.edge_mm)
    inside = step(depth * np.float32(radius) * sharpness, 1.0)
    empty = np.zeros(view.shape, np.float32)
    melanin = empty.copy() if fingers is None else np.float32(0.8) * fingers * inside
    return Tissue(
        depth=depth,
        inside=inside,
        grain=grain,
        melanin=melanin,
        blue=empty.copy(),
        blood=empty.copy(),
        scar=empty.copy(),
        keratin=empty.copy(),
    )


def _fingers(findings: Findings, view: View, depth: Float32, rng: np.random.Generator) -> Float32:
    """Radial lines near the border, on one side of the lesion."""
    angle = np.arctan2(view.v, view.u)
    many = int(rng.integers(22, 36))
    spikes = np.square(np.cos(many / 2.0 * angle + np.float32(0.8) * noise(view, rng, 1.5)))
    side = step(np.cos(angle - np.float32(rng.uniform(0.0, 2.0 * np.pi))) + np.float32(0.1), 0.6)
    near = np.exp(-np.square((depth - np.float32(0.02)) / np.float32(0.13)))
    return np.asarray(np.float32(findings.streaks) * np.square(spikes) * side * near, np.float32)


def _skin(lesion: Lesion, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Skin around and under the lesion: melanin and blood vary slowly, furrows are paler lines."""
    uneven = noise(view, rng, 2.5)
    furrows = np.exp(-np.square(noise(view, rng, 0.55, 1.6) / np.float32(0.3)))
    spotted = np.float32(0.14) * uneven + np.float32(0.07) * tissue.grain - np.float32(0.12) * furrows
    tissue.melanin += np.float32(lesion.skin_melanin) * (1.0 + spotted)
    tissue.melanin += np.float32(lesion.sun_damage) * step(
        uneven + np.float32(0.5) * tissue.grain - np.float32(0.9), 1.0
    )
    tissue.blood += np.float32(lesion.skin_blood) * (
        1.0 + np.float32(0.2) * noise(view, rng, 1.1) + np.float32(0.08) * tissue.grain
    )


def _body(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """The lesion's own colour, mottled, and darker towards one side."""
    towards = rng.uniform(0.0, 2.0 * np.pi)
    across = (np.cos(towards) * view.u + np.sin(towards) * view.v).astype(np.float32) / np.float32(
        findings.diameter_mm / 2
    )
    coarse = noise(view, rng, 0.2 * findings.diameter_mm)
    mottled = 1.0 + np.float32(findings.mottle) * (np.float32(0.8) * coarse + np.float32(0.6) * tissue.grain)
    shade = tissue.inside * np.clip(mottled + np.float32(findings.lopsided) * across, 0.15, 2.2)
    tissue.melanin += np.float32(findings.melanin) * shade
    tissue.blue += np.float32(findings.blue) * tissue.inside * np.clip(1.0 + coarse, 0.0, 2.0)
    tissue.blood += (
        np.float32(findings.blood) * tissue.inside * (1.0 + np.float32(0.5 * findings.mottle) * tissue.grain)
    )


def _network(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Pigment network: brown lines of a honeycomb, fainter here than there, paler holes between them."""
    if findings.network == 0.0:
        return
    comb = honeycomb(view, rng, findings.network_mm, findings.network_disorder) + np.float32(0.5) * tissue.grain
    lines = step(np.float32(4.0 * findings.network_line - 1.1) - comb, 1.3)
    where = tissue.inside * np.clip(0.7 + np.float32(0.6) * noise(view, rng, 1.5), 0.0, 1.2)
    if findings.network_ring:
        where *= step(np.float32(0.5) - tissue.depth, 0.3)
    tissue.melanin += np.float32(findings.network) * where * (lines - np.float32(0.35))


def _follicles(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Strawberry pattern: a red pseudonetwork between follicles with yellow plugs and pale halos."""
    if findings.follicles == 0.0:
        return
    comb = honeycomb(view, rng, rng.uniform(0.7, 1.1), 0.4) + np.float32(0.4) * tissue.grain
    where = tissue.inside * np.clip(0.6 + np.float32(0.6) * noise(view, rng, 1.5), 0.0, 1.2)
    plugs, halos = step(comb - np.float32(2.3), 0.7), step(comb - np.float32(1.0), 1.2)
    tissue.blood += np.float32(0.35 * findings.follicles) * where * (1.0 - halos)
    tissue.scar += np.float32(0.25 * findings.follicles) * where * halos
    tissue.keratin += np.float32(0.45 * findings.follicles) * where * plugs


def _spots(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Globules and nests, lacunae with pale septa between them."""
    if findings.globules:
        centres = _scatter(findings, rng, findings.globules, findings.globule_spread)
        radii = _sizes(rng, findings.globules, findings.globule_mm)
        dots = ellipses(view, centres, radii, rng, 0.35 * findings.globule_mm)
        tissue.melanin += np.float32(0.9 * (1.0 - findings.globule_blue)) * dots
        tissue.blue += np.float32(0.95 * findings.globule_blue) * dots
    if findings.lacunae:
        centres = _scatter(findings, rng, findings.lacunae, 0.85)
        radii = _sizes(rng, findings.lacunae, findings.lacuna_mm)
        lakes = ellipses(view, centres, radii, rng, 0.12)
        dark = rng.random(findings.lacunae) < findings.lacuna_dark
        black = ellipses(view, centres[dark], radii[dark], rng, 0.15)
        tissue.blood += np.float32(0.9) * lakes
        tissue.blue += np.float32(0.8) * black
        tissue.scar += np.float32(0.15) * tissue.inside * (1.0 - lakes)


def _scatter(findings: Findings, rng: np.random.Generator, count: int, spread: float) -> Float32:
    """(point, 2) mm, evenly over the lesion's ellipse out to `spread` radii."""
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    radius = 0.5 * findings.diameter_mm * spread * np.sqrt(rng.random(count))
    long = np.sqrt(findings.elongation)
    return np.stack([radius * np.cos(angle) * long, radius * np.sin(angle) / long], axis=1).astype(np.float32)


def _sizes(rng: np.random.Generator, count: int, radius_mm: float) -> Float32:
    """(point,) mm, about radius_mm each."""
    return (radius_mm * rng.lognormal(0.0, 0.22, count)).astype(np.float32)


def _vessels(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Branching vessels that come in from the border, and dotted ones in two clusters."""
    if findings.trees:
        lines = [line for _ in range(findings.trees) for line in _tree(findings, rng)]
        tissue.blood += np.float32(0.9) * curves(view, lines, 0.04) * step(tissue.depth + np.float32(0.3), 0.35)
    if findings.dotted:
        middles = _scatter(findings, rng, 2, 0.5)
        spread = rng.normal(0.0, 0.2 * findings.diameter_mm, (findings.dotted, 2))
        centres = (middles[rng.integers(2, size=findings.dotted)] + spread).astype(np.float32)
        dots = ellipses(view, centres, np.full(findings.dotted, 0.08, np.float32), rng, 0.05)
        tissue.blood += np.float32(1.0) * dots * tissue.inside


def _tree(findings: Findings, rng: np.random.Generator) -> list[tuple[Float32, float]]:
    """A trunk from the border inwards, and twigs off it: (point, 2) mm and width in mm."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    start = (0.58 * findings.diameter_mm * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)
    trunk = _wander(rng, start, angle + np.pi + rng.normal(0.0, 0.4), 0.75 * findings.diameter_mm)
    width = rng.uniform(0.06, 0.13)
    lines = [(trunk, width)]
    for _ in range(int(rng.integers(3, 7))):
        at = int(rng.integers(2, len(trunk) - 1))
        ahead = trunk[at + 1] - trunk[at]
        heading = float(np.arctan2(ahead[1], ahead[0])) + float(rng.choice((-1.0, 1.0)) * rng.uniform(0.4, 1.0))
        twig = _wander(rng, trunk[at], heading, rng.uniform(0.15, 0.4) * findings.diameter_mm)
        lines.append((twig, 0.6 * width))
    return lines


def _wander(rng: np.random.Generator, start: Float32, heading: float, length_mm: float) -> Float32:
    """A curved line of 14 points."""
    headings = heading + np.cumsum(rng.normal(0.0, 0.35, 13))
    steps = length_mm / 13.0 * np.stack([np.cos(headings), np.sin(headings)], axis=1)
    return np.concatenate([start[None], start + np.cumsum(steps, axis=0)]).astype(np.float32)


def _keratin(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """Milia-like cysts, comedo-like openings, fissures, scale."""
    if findings.cysts:
        radii = rng.uniform(0.08, 0.2, findings.cysts).astype(np.float32)
        cysts = ellipses(view, _scatter(findings, rng, findings.cysts, 0.85), radii, rng, 0.07)
        tissue.keratin += np.float32(0.75) * cysts
    if findings.openings:
        radii = rng.uniform(0.12, 0.3, findings.openings).astype(np.float32)
        plugs = ellipses(view, _scatter(findings, rng, findings.openings, 0.85), radii, rng, 0.05)
        tissue.melanin += np.float32(1.1) * plugs
    if findings.fissures > 0.0:
        furrows = np.exp(-np.square(noise(view, rng, 0.75, 1.8) / np.float32(0.22)))
        tissue.melanin += np.float32(0.6 * findings.fissures) * furrows * tissue.inside
    if findings.scale > 0.0:
        flakes = step(noise(view, rng, 0.9) + np.float32(0.7) * tissue.grain - np.float32(0.5), 1.4)
        tissue.keratin += np.float32(0.75 * findings.scale) * flakes * tissue.inside


def _patches(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator) -> None:
    """White scar, blue-white veil, ulcer: areas of their own inside the lesion."""
    if findings.scar > 0.0:
        patch = _patch(findings, view, tissue, rng, off=findings.scar_off)
        tissue.scar += np.float32(findings.scar) * patch
    if findings.veil > 0.0:
        patch = np.float32(findings.veil) * _patch(findings, view, tissue, rng, off=True)
        tissue.blue += np.float32(0.7) * patch
        tissue.scar += np.float32(0.25) * patch
    if findings.ulcer > 0.0:
        patch = np.float32(findings.ulcer) * _patch(findings, view, tissue, rng, off=True)
        tissue.blood += np.float32(0.9) * patch
        tissue.melanin += np.float32(0.35) * patch * np.clip(1.0 + tissue.grain, 0.0, 2.0)


def _patch(findings: Findings, view: View, tissue: Tissue, rng: np.random.Generator, *, off: bool) -> Float32:
    """0 to 1: a rounded area in the middle of the lesion, or `off` it."""
    radius = findings.diameter_mm / 2.0
    angle, away = rng.uniform(0.0, 2.0 * np.pi), radius * (rng.uniform(0.3, 0.55) if off else rng.uniform(0.0, 0.08))
    distance = np.hypot(view.u - np.float32(away * np.cos(angle)), view.v - np.float32(away * np.sin(angle)))
    size = radius * rng.uniform(0.35, 0.55)
    ragged = np.float32(1.0) - distance / np.float32(size) + np.float32(0.3) * noise(view, rng, 0.6 * size)
    ragged += np.float32(0.12) * tissue.grain
    return np.asarray(step(ragged, 0.7) * tissue.inside, np.float32)


def _colour(tissue: Tissue) -> Float32:
    """(row, column, 3): light left over by the pigments, covered by scar and keratin."""
    pigments = cv2.merge([tissue.melanin, tissue.blue, tissue.blood])
    density = cv2.transform(pigments, -np.array([MELANIN, BLUE, BLOOD], np.float32).T)
    colour = cv2.exp(density) * np.array(SKIN_WHITE, np.float32)
    for cover, own in ((tissue.scar, SCAR), (tissue.keratin, KERATIN)):
        if cover.any():
            share = np.clip(cover, 0.0, 0.9)[:, :, None]
            colour += share * (np.array(own, np.float32) - colour)
    return np.asarray(colour, np.float32)
