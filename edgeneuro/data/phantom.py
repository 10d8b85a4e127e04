"""A seeded muscle-ultrasound phantom: four classes of simulated subjects, several frames each, no download.

What is modelled, after which literature, and what is our choice: docs/phantom.md. It is a test object for the
tool chain; a network trained on it says nothing about people.
"""

from __future__ import annotations

import re

import numpy as np

from edgeneuro.data.phantom_anatomy import draw_anatomy
from edgeneuro.data.phantom_subject import CLASSES, Subject, draw_subject
from edgeneuro.data.phantom_ultrasound import scan
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import LICENCE
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame

SIDE_PX = 256
MARGIN_PX = 12
FOLDS = 5

_SOURCE = re.compile(r"phantom-(\d+)/subject-(\d+)")


def phantom_dataset(seed: int = 0, *, subjects_per_class: int = 24, frames_per_subject: int = 6) -> DataSet:
    """Simulated muscle ultrasound of 4 * subjects_per_class subjects, grouped by subject, in five folds.

    seed: other seeds give other subjects. Subject n is of class n % 4 whatever the size of the set, and frames
    are rendered on demand: (256, 256) uint8 grey. Raises DataError for a negative seed or an empty set.
    """
    if seed < 0 or subjects_per_class < 1 or frames_per_subject < 1:
        raise DataError(
            f"phantom: got seed {seed}, {subjects_per_class} subjects a class and {frames_per_subject} frames a "
            "subject, expected a seed from 0 and at least one of each; write phantom or phantom:SEED"
        )
    samples = tuple(
        _sample(seed, number, frame, draw_subject(seed, number))
        for number in range(len(CLASSES) * subjects_per_class)
        for frame in range(frames_per_subject)
    )
    return DataSet(
        name="phantom" if seed == 0 else f"phantom:{seed}",
        classes=CLASSES,
        samples=samples,
        reader=read_phantom,
        subgroups={"probe": ()},
        simulated=True,
        licence=LICENCE,
    )


def read_phantom(sample: Sample) -> Frame:
    """Render the frame of one phantom sample; needs nothing but its source and index. Raises DataError."""
    match = _SOURCE.fullmatch(sample.source)
    if match is None:
        raise DataError(f"{sample.source}: not a phantom frame, expected phantom-SEED/subject-NUMBER")
    return render(int(match[1]), int(match[2]), sample.index)


def render(seed: int, number: int, frame: int) -> Frame:
    """Frame `frame` of subject `number`: (256, 256) uint8 grey, the same for the same three numbers."""
    subject = draw_subject(seed, number)
    rng = np.random.default_rng([seed, number, 1 + frame])  # [seed, number, 0] draws the subject
    pixel_mm = subject.side_mm * float(rng.uniform(0.9, 1.1)) / SIDE_PX
    anatomy = draw_anatomy(subject, rng, rows=SIDE_PX, columns=SIDE_PX + 2 * MARGIN_PX, pixel_mm=pixel_mm)
    return scan(anatomy, subject, rng, pixel_mm=pixel_mm, margin=MARGIN_PX)


def _sample(seed: int, number: int, frame: int, subject: Subject) -> Sample:
    source = f"phantom-{seed}/subject-{number:03d}"
    return Sample(
        source=source,
        index=frame,
        target=CLASSES.index(subject.diagnosis),
        group=source,
        fold=number // len(CLASSES) % FOLDS,
        tags={"subject_id": f"{number:03d}", "probe": subject.probe.name},
    )
