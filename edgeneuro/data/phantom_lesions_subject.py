"""What is photographed, and with what: the seven classes of the skin-lesion phantom as distributions.

Lengths in mm on the skin. Pigments in optical density (natural logarithm) at full strength. Which structure stands for
which class follows the literature named in docs/phantom.md; every number here that is not marked there is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
"""As in HAM10000."""

SKIN_TYPES = ("I-II", "III-IV", "V-VI")


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A dermatoscope. gains: of red, green, blue. vignette: how much darker the corners are. noise: grey levels, standard
    deviation. blur_px: of the lens, Gaussian."""

    name: str
    gains: tuple[float, float, float]
    vignette: float
    noise: float
    blur_px: float


CAMERAS = (
    Camera(name="contact", gains=(1.0, 1.0, 1.0), vignette=0.12, noise=2.0, blur_px=0.4),
    Camera(name="polarised", gains=(1.03, 1.0, 0.95), vignette=0.2, noise=3.0, blur_px=0.5),
    Camera(name="phone", gains=(0.97, 1.0, 1.06), vignette=0.4, noise=4.5, blur_px=0.8),
)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the lesion is made of. Amounts are 0 for none to about 1 for plenty, numbers are how many there are.

    Outline: diameter_mm; elongation (long by short axis); irregularity and notches (large and small waves of the border,
    as a part of the radius); edge_mm over which it fades. Colour: melanin in the epidermis (brown), blue (melanin in the
    dermis), blood; mottle (uneven melanin); lopsided (more of it on one side).
    Structures: network of lines network_mm apart, disordered by network_disorder, thick by network_line, in the outer part
    only where network_ring; globules of globule_mm radius, brown to blue (globule_blue), spread out to globule_spread
    radii; streaks at the border; veil (blue-white); scar (white), in the middle or off it (scar_off); trees of branching
    vessels; dotted vessels; lacunae of lacuna_mm radius, dark ones among them (lacuna_dark); cysts (white), openings
    (dark), fissures (dark furrows); scale (white-yellow); follicles (red pseudonetwork around plugs); ulcer.
    """

    diameter_mm: float
    elongation: float
    irregularity: float
    notches: float
    edge_mm: float
    melanin: float = 0.0
    blue: float = 0.0
    blood: float = 0.0
    mottle: float = 0.15
    lopsided: float = 0.0
    network: float = 0.0
    network_mm: float = 0.5
    network_disorder: float = 0.15
    network_line: float = 0.3
    network_ring: bool = False
    globules: int = 0
    globule_mm: float = 0.12
    globule_blue: float = 0.0
    globule_spread: float = 0.9
    streaks: float = 0.0
    veil: float = 0.0
    scar: float = 0.0
    scar_off: bool = False
    trees: int = 0
    dotted: int = 0
    lacunae: int = 0
    lacuna_mm: float = 0.35
    lacuna_dark: float = 0.0
    cysts: int = 0
    openings: int = 0
    fissures: float = 0.0
    scale: float = 0.0
    follicles: float = 0.0
    ulcer: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """What all images of one simulated lesion share.

    skin_melanin, skin_blood: of the skin around it; sun_damage: melanin of its spots. hairs: how many an image has on average; hair_tone: 0 black to 1
    blond. side_mm: edge of the square field of view.
    """

    diagnosis: str
    findings: Findings
    skin_type: str
    skin_melanin: float
    skin_blood: float
    sun_damage: float
    hairs: float
    hair_tone: float
    camera: Camera
    side_mm: float


def draw_lesion(seed: int, number: int) -> Lesion:
    """Lesion `number` of the phantom with this seed; class `CLASSES[number % 7]`, skin and camera independent of it."""
    rng = np.random.default_rng([seed, number, 0])
    diagnosis = CLASSES[number % len(CLASSES)]
    skin = int(rng.choice(len(SKIN_TYPES), p=(0.55, 0.3, 0.15)))
    low, high = ((0.04, 0.2), (0.22, 0.42), (0.5, 0.85))[skin]
    return Lesion(
        diagnosis=diagnosis,
        skin_type=SKIN_TYPES[skin],
        skin_melanin=float(rng.uniform(low, high)),
        skin_blood=float(rng.uniform(0.15, 0.38)),
        sun_damage=float(rng.uniform(0.05, 0.25)) if rng.random() < 0.4 else 0.0,
        hairs=float(rng.choice((0.0, 2.0, 9.0), p=(0.45, 0.35, 0.2))),
        hair_tone=float(rng.uniform(0.0, 0.6)),
        camera=CAMERAS[int(rng.integers(len(CAMERAS)))],
        side_mm=float(rng.uniform(11.0, 15.0)),
        findings=_FINDINGS[diagnosis](rng),
    )


def _akiec(rng: np.random.Generator) -> Findings:
    """Actinic keratosis of the face or Bowen's disease; frequencies after Zalaudek 2006 and 2004."""
    facial = rng.random() < 0.6
    return Findings(
        diameter_mm=rng.uniform(5.0, 10.0),
        elongation=rng.uniform(1.0, 1.4),
        irregularity=rng.uniform(0.1, 0.25),
        notches=rng.uniform(0.03, 0.1),
        edge_mm=rng.uniform(0.7, 1.6),
        melanin=rng.uniform(0.0, 0.2) if rng.random() < 0.7 else rng.uniform(0.3, 0.7),
        blood=rng.uniform(0.15, 0.45),
        mottle=rng.uniform(0.1, 0.4),
        follicles=rng.uniform(0.4, 1.0) if facial and rng.random() < 0.95 else 0.0,
        dotted=int(rng.integers(30, 90)) if not facial and rng.random() < 0.9 else 0,
        scale=rng.uniform(0.2, 0.8) if rng.random() < (0.85 if facial else 0.9) else 0.0,
        openings=int(rng.integers(0, 3)),
    )


def _bcc(rng: np.random.Generator) -> Findings:
    """Branching vessels on translucent pink, blue-grey nests where pigmented, ulcers; no network. Vessels of pigmented
    ones as often as Menzies 2000."""
    pigmented = rng.random() < 0.6
    return Findings(
        diameter_mm=rng.uniform(4.0, 9.0),
        elongation=rng.uniform(1.0, 1.4),
        irregularity=rng.uniform(0.05, 0.2),
        notches=rng.uniform(0.02, 0.08),
        edge_mm=rng.uniform(0.4, 1.2),
        melanin=rng.uniform(0.0, 0.15),
        blue=rng.uniform(0.05, 0.2) if pigmented else 0.0,
        blood=rng.uniform(0.1, 0.35),
        mottle=rng.uniform(0.1, 0.4),
        trees=int(rng.integers(2, 7)) if rng.random() < (0.52 if pigmented else 0.9) else 0,
        globules=int(rng.integers(4, 16)) if pigmented else 0,
        globule_mm=rng.uniform(0.2, 0.45),
        globule_blue=rng.uniform(0.6, 1.0),
        ulcer=rng.uniform(0.4, 1.0) if rng.random() < 0.35 else 0.0,
        scar=rng.uniform(0.15, 0.4) if rng.random() < 0.3 else 0.0,
        scar_off=True,
    )


def _bkl(rng: np.random.Generator) -> Findings:
    """Seborrhoeic keratosis, frequencies after Braun 2002, or solar lentigo: flat, pale, sharply cut."""
    flat = rng.random() < 0.35
    return Findings(
        diameter_mm=rng.uniform(4.5, 10.0),
        elongation=rng.uniform(1.0, 1.6),
        irregularity=rng.uniform(0.05, 0.18),
        notches=rng.uniform(0.06, 0.16) if flat else rng.uniform(0.03, 0.1),
        edge_mm=rng.uniform(0.15, 0.6),
        melanin=rng.uniform(0.2, 0.5) if flat else rng.uniform(0.35, 1.2),
        blue=0.0 if flat else rng.uniform(0.0, 0.3),
        blood=rng.uniform(0.0, 0.2),
        mottle=rng.uniform(0.1, 0.35),
        network=rng.uniform(0.2, 0.5) if rng.random() < 0.46 else 0.0,
        network_mm=rng.uniform(0.4, 0.6),
        fissures=rng.uniform(0.1, 0.3) if flat else rng.uniform(0.2, 0.9),
        cysts=int(rng.integers(3, 22)) if not flat and rng.random() < 0.67 else 0,
        openings=int(rng.integers(3, 18)) if not flat and rng.random() < 0.71 else 0,
        scale=rng.uniform(0.1, 0.35) if not flat and rng.random() < 0.3 else 0.0,
        lopsided=rng.uniform(0.0, 0.4),
    )


def _df(rng: np.random.Generator) -> Findings:
    """White patch in the middle, delicate network around it; frequencies after Zaballos 2008."""
    return Findings(
        diameter_mm=rng.uniform(4.0, 8.0),
        elongation=rng.uniform(1.0, 1.25),
        irregularity=rng.uniform(0.03, 0.12),
        notches=rng.uniform(0.01, 0.04),
        edge_mm=rng.uniform(0.7, 1.6),
        melanin=rng.uniform(0.1, 0.55),
        blood=rng.uniform(0.05, 0.35),
        mottle=rng.uniform(0.05, 0.2),
        network=rng.uniform(0.25, 0.6) if rng.random() < 0.72 else 0.0,
        network_mm=rng.uniform(0.35, 0.55),
        network_disorder=rng.uniform(0.1, 0.2),
        network_line=rng.uniform(0.1, 0.3),
        network_ring=True,
        scar=rng.uniform(0.35, 0.8) if rng.random() < 0.57 else 0.0,
        dotted=int(rng.integers(8, 30)) if rng.random() < 0.31 else 0,
    )


def _mel(rng: np.random.Generator) -> Findings:
    """Several colours, lopsided, irregular border, disordered network, streaks, veil, white regression."""
    return Findings(
        diameter_mm=rng.uniform(5.0, 10.5),
        elongation=rng.uniform(1.1, 1.7),
        irregularity=rng.uniform(0.12, 0.32),
        notches=rng.uniform(0.04, 0.12),
        edge_mm=rng.uniform(0.2, 0.8),
        melanin=rng.uniform(0.45, 1.5),
        blue=rng.uniform(0.0, 0.35),
        blood=rng.uniform(0.05, 0.4),
        mottle=rng.uniform(0.25, 0.6),
        lopsided=rng.uniform(0.2, 0.8),
        network=rng.uniform(0.3, 0.8) if rng.random() < 0.6 else 0.0,
        network_mm=rng.uniform(0.45, 0.8),
        network_disorder=rng.uniform(0.25, 0.5),
        network_line=rng.uniform(0.2, 0.7),
        globules=int(rng.integers(5, 40)) if rng.random() < 0.6 else 0,
        globule_mm=rng.uniform(0.08, 0.22),
        globule_blue=rng.uniform(0.0, 0.5),
        globule_spread=rng.uniform(0.8, 1.1),
        streaks=rng.uniform(0.4, 1.0) if rng.random() < 0.45 else 0.0,
        veil=rng.uniform(0.4, 1.0) if rng.random() < 0.5 else 0.0,
        scar=rng.uniform(0.3, 0.6) if rng.random() < 0.4 else 0.0,
        scar_off=True,
        dotted=int(rng.integers(5, 25)) if rng.random() < 0.25 else 0,
    )


def _nv(rng: np.random.Generator) -> Findings:
    """Round, one or two browns; a regular network, globules of one size, or neither."""
    pattern = str(rng.choice(("network", "globules", "plain"), p=(0.5, 0.25, 0.25)))
    return Findings(
        diameter_mm=rng.uniform(3.5, 8.0),
        elongation=rng.uniform(1.0, 1.4),
        irregularity=rng.uniform(0.03, 0.14),
        notches=rng.uniform(0.01, 0.05),
        edge_mm=rng.uniform(0.4, 1.3),
        melanin=rng.uniform(0.35, 1.1),
        blue=rng.uniform(0.0, 0.3) if pattern == "plain" else 0.0,
        blood=rng.uniform(0.0, 0.2) if rng.random() < 0.8 else rng.uniform(0.2, 0.5),
        mottle=rng.uniform(0.1, 0.4),
        lopsided=rng.uniform(0.0, 0.3),
        network=rng.uniform(0.35, 0.8) if pattern == "network" else 0.0,
        network_mm=rng.uniform(0.4, 0.65),
        network_disorder=rng.uniform(0.1, 0.25),
        network_line=rng.uniform(0.15, 0.45),
        globules=int(rng.integers(25, 90)) if pattern == "globules" else 0,
        globule_mm=rng.uniform(0.1, 0.18),
        cysts=int(rng.integers(0, 3)) if pattern == "plain" else 0,
    )


def _vasc(rng: np.random.Generator) -> Findings:
    """Angioma and angiokeratoma (lacunae between pale septa), or plain red-purple to black: haemorrhage, granuloma."""
    lacunar = rng.random() < 0.7
    dark = rng.random() < 0.4
    return Findings(
        diameter_mm=rng.uniform(2.5, 7.0),
        elongation=rng.uniform(1.0, 1.4),
        irregularity=rng.uniform(0.04, 0.16),
        notches=rng.uniform(0.02, 0.07),
        edge_mm=rng.uniform(0.2, 0.7),
        blood=rng.uniform(0.35, 0.7) if lacunar else rng.uniform(0.9, 2.0),
        blue=rng.uniform(0.2, 0.6) if dark else rng.uniform(0.0, 0.1),
        mottle=rng.uniform(0.1, 0.3),
        lacunae=int(rng.integers(8, 40)) if lacunar else 0,
        lacuna_mm=rng.uniform(0.25, 0.55),
        lacuna_dark=rng.uniform(0.4, 1.0) if dark else rng.uniform(0.0, 0.2),
        veil=rng.uniform(0.2, 0.6) if dark and rng.random() < 0.5 else 0.0,
        scale=rng.uniform(0.2, 0.5) if rng.random() < 0.25 else 0.0,
        scar=rng.uniform(0.1, 0.3) if rng.random() < 0.3 else 0.0,
    )


_FINDINGS: Mapping[str, Callable[[np.random.Generator], Findings]] = {
    "akiec": _akiec,
    "bcc": _bcc,
    "bkl": _bkl,
    "df": _df,
    "mel": _mel,
    "nv": _nv,
    "vasc": _vasc,
}
