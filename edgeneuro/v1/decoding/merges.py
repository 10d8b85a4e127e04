"""Fewer classes: by a table (merges.json or one's own), or guided by features of the images.

The study merged the classes of natimg2800 twice, with mice apart and with mice and hamsters together; which other classes it put
together was in pictures that are lost, so the membership in merges.json is ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score

from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.errors import DataError
from edgeneuro.records import from_json
from edgeneuro.spec import Array

Merge = Mapping[str, str]
"""Class name -> name of the class it becomes part of."""
OURS = Path(__file__).with_name("merges.json")
COUNTS = range(2, 11)


def read_merges(path: Path = OURS) -> Mapping[str, Merge]:
    """Merges by name. Raises DataError for a file that is missing or no JSON, InputError for other things in it than names."""
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name}: is no readable JSON file ({error}); expected names of merges, each with its classes"
        ) from error
    return from_json(Mapping[str, Mapping[str, str]], stored, path.name)  # type: ignore[type-abstract]


def merge_classes(recording: Recording, merge: Merge) -> Recording:
    """The same trials with merged classes, in order of name. Raises DataError where the merge leaves a class out."""
    missing = [name for name in recording.classes if name not in merge]
    if missing:
        raise DataError(
            f"{recording.name}: the merge does not say what becomes of {', '.join(missing)}; it knows {', '.join(merge)}"
        )
    merged = tuple(sorted({merge[name] for name in recording.classes}))
    becomes = np.array([merged.index(merge[name]) for name in recording.classes] or [UNKNOWN])
    labels = np.where(recording.labels == UNKNOWN, UNKNOWN, becomes[recording.labels]).astype(np.int64)
    return replace(recording, classes=merged, labels=labels)


@dataclass(frozen=True, kw_only=True)
class GuidedMerge:
    """clusters: of the images, as many as have the smallest Davies-Bouldin index. indices: number of clusters -> index. merge: each class to
    the cluster that holds most of its images; clusters to which no class goes are not in it."""

    clusters: int
    indices: Mapping[int, float]
    merge: Merge


def guided_merge(
    recording: Recording, features: Array, *, counts: Sequence[int] = COUNTS, seed: int = 0
) -> GuidedMerge:
    """K-means on features of the images; what they are of is the caller's: the last layer of a network, for example.

    features: (image, feature). Raises DataError: no classes, fewer images than stimuli, or too few for the clusters.
    """
    shown, first = np.unique(recording.stimuli, return_index=True)
    labels = recording.labels[first]
    known = (labels != UNKNOWN) & (shown >= 0)
    if not known.any():
        raise DataError(f"{recording.name}: has no classes, which a merge needs; give a class file")
    if len(features) <= shown.max() or len(features) <= max(counts):
        raise DataError(
            f"{recording.name}: got features of {len(features)} images, expected {shown.max() + 1} and more than {max(counts)}; "
            "are they of the same images?"
        )
    found = {count: KMeans(count, n_init=3, random_state=seed).fit_predict(features) for count in counts}
    indices = {count: float(davies_bouldin_score(features, clusters)) for count, clusters in found.items()}
    best = min(indices, key=lambda count: indices[count])
    cluster = found[best][shown[known]]
    merge = {}
    for number in np.unique(labels[known]):
        held = np.bincount(cluster[labels[known] == number])
        merge[recording.classes[number]] = f"cluster {int(held.argmax()) + 1}"
    return GuidedMerge(clusters=best, indices=indices, merge=merge)
