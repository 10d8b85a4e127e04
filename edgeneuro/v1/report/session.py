"""The session as the steps see it: read once, and what several of them need reckoned once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.spec import Array
from edgeneuro.v1.fields import FittedFields, fit_fields
from edgeneuro.v1.preprocessing import Method, lacking, preprocess
from edgeneuro.v1.report.records import SessionFacts, Settings


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a step makes. record: goes into the document. arrays: what is drawn and too long for JSON."""

    record: Any
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Session:
    """recording: as it was read. features: (image, feature) of its images, for the guided merge. Memory: one more copy of the
    responses from the first step on that needs them preprocessed, and the factors of the fields."""

    def __init__(self, recording: Recording, settings: Settings, features: Array | None = None) -> None:
        self.recording = recording
        self.settings = settings
        self.features = features

    @property
    def method(self) -> Method:
        """Without spontaneous directions, as the data's authors do, or z-scored where no spontaneous activity was recorded."""
        return "zscore" if lacking(self.recording, "spont32") else "spont32"

    @cached_property
    def processed(self) -> Recording:
        """The recording with preprocessed responses."""
        return self.recording.with_responses(preprocess(self.recording, self.method, seed=self.settings.seed))

    @cached_property
    def fitted(self) -> FittedFields:
        """Raises DataError as `fit_fields` does."""
        return fit_fields(self.processed, seed=self.settings.seed)

    @cached_property
    def facts(self) -> SessionFacts:
        """What the recording is."""
        one = self.recording
        optional = ("spontaneous", "positions_um", "images")
        return SessionFacts(
            name=one.name,
            sha256=_digest(one, self.features),
            simulated=one.simulated,
            licence=one.licence,
            trials=one.trials,
            grey=int(one.grey.sum()),
            columns=one.neurons,
            stimuli=len(np.unique(one.stimuli[~one.grey])),
            groups=len(np.unique(one.groups[~one.grey])),
            labelled=int(np.count_nonzero((one.labels != UNKNOWN) & ~one.grey)),
            classes=one.classes,
            dropped=dict(one.dropped),
            has=tuple(name for name in optional if getattr(one, name) is not None),
            method=self.method,
        )


def _digest(recording: Recording, features: Array | None) -> str:
    """SHA-256 over names, types, shapes and values of all that analyses read."""
    whole = hashlib.sha256(repr((recording.name, recording.classes)).encode())
    arrays = [(one.name, getattr(recording, one.name)) for one in dataclasses.fields(recording)]
    for name, values in [*arrays, ("features", features)]:
        if isinstance(values, np.ndarray):
            whole.update(f"{name} {values.dtype} {values.shape}".encode())
            whole.update(np.ascontiguousarray(values).data)
    return whole.hexdigest()
