"""Steps that decode: classes honestly and leaky, other classes, images, and with fewer neurons.

Labels are permuted for the p-value FREE times where that costs nothing, with one grouped split, else as often as is set, for FAST alone. A
leaky number has no p-value.
"""

from __future__ import annotations

import numpy as np

from edgeneuro.data.make_split import Protocol
from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.errors import DataError
from edgeneuro.v1.decoding.decode import Decoding, decode
from edgeneuro.v1.decoding.identity import decode_identity
from edgeneuro.v1.decoding.image_statistics import label_by
from edgeneuro.v1.decoding.merges import guided_merge, merge_classes, read_merges
from edgeneuro.v1.decoding.neuron_counts import score_by_neurons
from edgeneuro.v1.report.records import ByNeurons, GuidedLabels, OtherLabels
from edgeneuro.v1.report.session import Found, Session
from edgeneuro.v1.splits import FEW_GROUPS

FAST = "lda"
"""The decoder where a step has one."""
MERGED = "forest-pca"
"""The decoder of other labels: a forest, as in the study, on principal components."""
FREE = 999
"""Permutations that fit no decoder again."""
COUNTS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def honest(session: Session, decoder: str) -> Found:
    """Grouped by image or block."""
    return Found(record=_decode(session, session.recording, decoder))


def leaky(session: Session, decoder: str) -> Found:
    """Trial by trial, as the study did."""
    return Found(record=_decode(session, session.recording, decoder, protocol="leaky"))


def by_neurons(session: Session) -> Found:
    """Accuracy of FAST, grouped."""
    recording, settings = session.recording, session.settings
    whole = _decode(session, recording, FAST, permutations=0)
    counts = [*(count for count in COUNTS if count < recording.neurons), recording.neurons]
    found = score_by_neurons(
        recording,
        lambda drawn: decode(drawn, (FAST,), seed=settings.seed)[0].accuracy.value,
        counts,
        draws=settings.draws,
        seed=settings.seed,
    )
    return Found(
        record=ByNeurons(
            decoder=whole.title, protocol=whole.protocol, split=whole.split, chance=whole.chance, counts=found
        )
    )


def identity(session: Session) -> Found:
    """Nearest neighbour among first trials; of gratings it is the direction's first trial, which says little."""
    return Found(record=decode_identity(session.recording, method=session.method, seed=session.settings.seed))


def merged(session: Session, name: str) -> Found:
    """Fewer classes, by a table of ours."""
    merge, classes = read_merges()[name], session.recording.classes
    if not set(classes) & set(merge):
        raise DataError(f"merge {name}: is of classes of natural images, {session.recording.name} has others")
    recording = merge_classes(session.recording, merge)
    return Found(record=OtherLabels(labels=name, found=_decode(session, recording, MERGED)))


def guided(session: Session) -> Found:
    """Fewer classes, by clusters of image features. Raises DataError where none were given."""
    recording = session.recording
    if session.features is None:
        raise DataError("guided merge: no features of the images were given; give them with --features FILE.npy")
    found = guided_merge(recording, session.features, seed=session.settings.seed)
    decoding = _decode(session, merge_classes(recording, found.merge), MERGED)
    return Found(record=GuidedLabels(clusters=found.clusters, becomes=dict(found.merge), found=decoding))


def statistic(session: Session, name: str) -> Found:
    """Quantiles of an image statistic as classes."""
    return Found(record=OtherLabels(labels=name, found=_decode(session, label_by(session.recording, name), FAST)))


def _decode(
    session: Session,
    recording: Recording,
    decoder: str,
    *,
    protocol: Protocol = "grouped",
    permutations: int | None = None,
) -> Decoding:
    """permutations: None for as many as this module says."""
    settings = session.settings
    if permutations is None:
        permutations = _permutations(recording, decoder, protocol, settings.labels)
    (found,) = decode(recording, (decoder,), protocol=protocol, seed=settings.seed, permutations=permutations)
    return found


def _permutations(recording: Recording, decoder: str, protocol: Protocol, many: int) -> int:
    if protocol == "leaky":
        return 0
    labelled = (recording.labels != UNKNOWN) & ~recording.grey
    if len(np.unique(recording.groups[labelled])) > FEW_GROUPS:
        return FREE
    return many if decoder == FAST else 0
