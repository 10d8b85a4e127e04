"""A seeded phantom of dermatoscopic skin lesions: seven classes, several images a lesion, no download.

What is modelled, after which literature, and what is our choice: docs/phantom.md. It is a test object for the
tool chain; a network trained on it says nothing about people.
"""

from __future__ import annotations

import re

import numpy as np

from edgeneuro.data.phantom_lesions_camera import photograph
from edgeneuro.data.phantom_lesions_subject import CLASSES, Lesion, draw_lesion
from edgeneuro.data.phantom_lesions_tissue import draw_tissue
from edgeneuro.data.phantom_lesions_view import draw_view
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import LICENCE
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame

SIDE_PX = 224
FOLDS = 5

_SOURCE = re.compile(r"phantom-lesions-(\d+)/lesion-(\d+)")


def lesions_dataset(seed: int = 0, *, lesions_per_class: int = 60, images_per_lesion: int = 2) -> DataSet:
    """Simulated dermatoscopy of 7 * lesions_per_class lesions, grouped by lesion, in five folds.

    seed: other seeds give other lesions. Lesion n is of class n % 7 whatever the size of the set, and images are
    rendered on demand: (224, 224, 3) uint8 RGB. Raises DataError for a negative seed or an empty set.
    """
    if seed < 0 or lesions_per_class < 1 or images_per_lesion < 1:
        raise DataError(
            f"phantom-lesions: got seed {seed}, {lesions_per_class} lesions a class and {images_per_lesion} images a "
            "lesion, expected a seed from 0 and at least one of each; write phantom-lesions or phantom-lesions:SEED"
        )
    samples = tuple(
        _sample(seed, number, image, lesion)
        for number, lesion in (
            (number, draw_lesion(seed, number)) for number in range(len(CLASSES) * lesions_per_class)
        )
        for image in range(images_per_lesion)
    )
    return DataSet(
        name="phantom-lesions" if seed == 0 else f"phantom-lesions:{seed}",
        classes=CLASSES,
        samples=samples,
        reader=read_lesion,
        subgroups={"skin_type": (), "camera": ()},
        simulated=True,
        licence=LICENCE,
    )


def read_lesion(sample: Sample) -> Frame:
    """Render the image of one sample; needs nothing but its source and index. Raises DataError."""
    match = _SOURCE.fullmatch(sample.source)
    if match is None:
        raise DataError(f"{sample.source}: not an image of this phantom, expected phantom-lesions-SEED/lesion-NUMBER")
    return render(int(match[1]), int(match[2]), sample.index)


def render(seed: int, number: int, image: int) -> Frame:
    """Image `image` of lesion `number`: (224, 224, 3) uint8 RGB, the same for the same three numbers."""
    lesion = draw_lesion(seed, number)  # from [seed, number, 0]
    structures = np.random.default_rng([seed, number, 1])
    rng = np.random.default_rng([seed, number, 2 + image])
    view = draw_view(rng, side_px=SIDE_PX, side_mm=lesion.side_mm * float(rng.uniform(0.88, 1.14)))
    return photograph(draw_tissue(lesion, view, structures), lesion, rng)


def _sample(seed: int, number: int, image: int, lesion: Lesion) -> Sample:
    source = f"phantom-lesions-{seed}/lesion-{number:03d}"
    return Sample(
        source=source,
        index=image,
        target=CLASSES.index(lesion.diagnosis),
        group=source,
        fold=number // len(CLASSES) % FOLDS,
        tags={"lesion_id": f"{number:03d}", "skin_type": lesion.skin_type, "camera": lesion.camera.name},
    )
