"""Inputs from the domains third-party networks were trained for, seeded: photographs, drawn text, tones, source code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from edgeneuro.data.decode import read_frame
from edgeneuro.spec import Array, Frame, Item

Make: TypeAlias = Callable[[np.random.Generator], Item]

WORDS = (
    "left",
    "right",
    "muscle",
    "depth",
    "gain",
    "12.5 cm",
    "frame",
    "probe",
    "vastus",
    "scan",
    "2024",
    "normal",
    "page",
)
AUDIO_HZ, SPEECH_HZ = 22050, 16000


def photograph(rng: np.random.Generator) -> Frame:
    """(288, 288, 3) RGB: a random crop of one of the photographs that scikit-image and scikit-learn carry."""
    picture = _photographs()[rng.integers(len(_photographs()))]
    side = int(rng.uniform(0.5, 1.0) * min(picture.shape[:2]))
    top, left = (int(rng.integers(size - side + 1)) for size in picture.shape[:2])
    resized: Frame = cv2.resize(picture[top : top + side, left : left + side], (288, 288), interpolation=cv2.INTER_AREA)
    return resized


_loaded: list[Frame] = []


def _photographs() -> list[Frame]:
    if not _loaded:
        from skimage import data
        from sklearn.datasets import load_sample_images

        names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
        _loaded.extend(read_frame(Path(data.__file__).parent / name) for name in names)
        _loaded.extend(load_sample_images().images)
    return _loaded


def page(rng: np.random.Generator) -> Frame:
    """(480, 480, 3) RGB: lines of drawn words, dark on light, turned by a multiple of 90 degrees."""
    paper = np.full((480, 480, 3), int(rng.integers(215, 256)), np.uint8)
    y = 30
    while y < 470:
        scale = float(rng.uniform(0.5, 1.1))
        _write(paper, " ".join(rng.choice(WORDS, 5)), (12, y), scale, int(rng.integers(0, 90)))
        y += int(40 * scale) + int(rng.integers(4, 14))
    return np.ascontiguousarray(np.rot90(_noisy(paper, rng), int(rng.integers(4))))


def upright_page(rng: np.random.Generator) -> Frame:
    """`page`, not turned."""
    return np.ascontiguousarray(np.rot90(page(rng), 0))


def line(rng: np.random.Generator) -> Frame:
    """(48, 320, 3) RGB: one line of words, half of them upside down."""
    paper = np.full((48, 320, 3), int(rng.integers(200, 256)), np.uint8)
    _write(paper, " ".join(rng.choice(WORDS, 3)), (6, 34), float(rng.uniform(0.7, 1.0)), int(rng.integers(0, 90)))
    paper = _noisy(paper, rng)
    return np.ascontiguousarray(paper[::-1, ::-1]) if rng.random() < 0.5 else paper


def captcha(rng: np.random.Generator) -> Frame:
    """(64, 160) grey: four slanted characters behind a few lines."""
    paper = np.full((64, 160), int(rng.integers(190, 256)), np.uint8)
    for place, letter in enumerate(rng.choice(list("abcdefghkmnpqrstuvwxyz23456789"), 4)):
        corner = (10 + 36 * place, int(rng.integers(40, 54)))
        cv2.putText(paper, str(letter), corner, int(rng.integers(0, 4)), 1.3, int(rng.integers(0, 120)), 2, cv2.LINE_AA)
    for _ in range(3):
        ends = [tuple(int(rng.integers(size)) for size in (160, 64)) for _ in range(2)]
        cv2.line(paper, ends[0], ends[1], int(rng.integers(60, 200)), 1, cv2.LINE_AA)
    return _noisy(paper, rng)


def tones(rng: np.random.Generator) -> Mapping[str, Array]:
    """Two seconds (43,844 samples) of plucked notes with four harmonics, as one array of (1, sample, 1) float32."""
    time = np.arange(43844) / AUDIO_HZ
    sound = 0.005 * rng.standard_normal(len(time))
    for _ in range(6):
        start, pitch = rng.uniform(0, 1.6), 440 * 2 ** ((rng.integers(45, 80) - 69) / 12)
        since = np.maximum(time - start, 0)
        for harmonic in range(1, 5):
            sound += (
                (time >= start) * 0.15 / harmonic * np.exp(-3 * since) * np.sin(2 * np.pi * pitch * harmonic * since)
            )
    return {"serving_default_input_2:0": sound.astype(np.float32)[None, :, None]}


def voice(samples: int) -> Callable[[np.random.Generator], Array]:
    """Harmonics of a gliding pitch under a syllable-like envelope, or noise alone: (1, samples) float32."""

    def make(rng: np.random.Generator) -> Array:
        time = np.arange(samples) / SPEECH_HZ
        phase = 2 * np.pi * (rng.uniform(90, 250) * time + rng.uniform(-300, 300) * time**2)
        voiced = sum(np.sin(harmonic * phase + rng.uniform(0, 6)) / harmonic for harmonic in range(1, 12))
        level = rng.choice([0.0, 0.05, 0.2])
        return np.asarray(level * voiced + 0.01 * rng.standard_normal(samples), np.float32)[None]

    return make


def voice_with_state(rng: np.random.Generator) -> Mapping[str, Array]:
    """Half a frame's context, a frame, and a state as it is after silence (0) or in the midst of it."""
    state = 0.3 * rng.standard_normal((2, 1, 128)) * (rng.random() < 0.7)
    return {"input": voice(576)(rng), "state": state.astype(np.float32)}


def voice_with_two_states(rng: np.random.Generator) -> Mapping[str, Array]:
    """The same for a network that takes its two states apart."""
    made = voice_with_state(rng)
    return {"input": made["input"], "h": made["state"][:1], "c": made["state"][1:]}


def voice_state_and_rate(rng: np.random.Generator) -> Mapping[str, Array]:
    """The same with the sampling rate, a whole number without axes."""
    return {**voice_with_state(rng), "sr": np.array(SPEECH_HZ, np.int64)}


def head_and_tail_of_code(rng: np.random.Generator) -> Mapping[str, Array]:
    """First and last 1,024 bytes of a Python file of numpy, padded with 256: (1, 2048) int32."""
    files = sorted(Path(np.__file__).parent.rglob("*.py"))
    content = files[int(rng.integers(len(files)))].read_bytes().strip()
    head, tail = np.full(1024, 256), np.full(1024, 256)
    head[: len(content[:1024])] = list(content[:1024])
    tail[1024 - len(content[-1024:]) :] = list(content[-1024:])
    return {"bytes": np.concatenate([head, tail]).astype(np.int32)[None]}


def _write(paper: Frame, text: str, corner: tuple[int, int], scale: float, ink: int) -> None:
    cv2.putText(paper, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, (ink, ink, ink), 1 + (scale > 0.9), cv2.LINE_AA)


def _noisy(paper: Frame, rng: np.random.Generator) -> Frame:
    noisy: Frame = np.clip(paper + rng.normal(0, 6, paper.shape), 0, 255).astype(np.uint8)
    return noisy
