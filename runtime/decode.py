"""Decoding one response vector at a time, as a closed loop does: each answer is given before the next vector is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from edgeneuro.data.recordings.recording import UNKNOWN, Recording
from edgeneuro.data.recordings.session import Session, refuse_other_session
from edgeneuro.errors import DataError, EdgeNeuroError, UsageError
from edgeneuro.runtime.engine import Engine
from edgeneuro.spec import Float32

ROW = np.dtype("<f4")
"""Of a number on a stream, whatever the machine."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """One answer. trial: its number, from 0. Exactly one of label and error is None. probabilities: class -> 0..1, empty with an error.
    ms: wall time from the vector to the class; reading it is not part of it. shown: the class of the trial, None where it is unknown."""

    trial: int
    label: str | None
    probabilities: Mapping[str, float]
    ms: float | None
    shown: str | None
    error: EdgeNeuroError | None = None

    def to_json(self) -> dict[str, Any]:
        """As docs/schemas/decode.schema.json describes it."""
        return {
            "trial": self.trial,
            "class": self.label,
            "probabilities": dict(self.probabilities),
            "ms": None if self.ms is None else round(self.ms, 4),
            "shown": self.shown,
            "error": None if self.error is None else str(self.error),
        }


def check_session(engine: Engine, recording: Recording) -> None:
    """Raise DataError where the engine was trained on other neurons, UsageError where it decodes none."""
    refuse_other_session(_session(engine), recording.session, engine.manifest.model)


def decode_trials(engine: Engine, recording: Recording) -> Iterator[Decoded]:
    """Every trial of `recording` in order, those of no known class as well. Raises as `check_session` does."""
    check_session(engine, recording)
    names = [None if label == UNKNOWN else recording.classes[label] for label in recording.labels.tolist()]
    yield from _decode(engine, zip(recording.responses, names, strict=True))


def decode_stream(engine: Engine, stream: BinaryIO) -> Iterator[Decoded]:
    """Every vector of `stream` as soon as it is there, until the stream ends: float32, little-endian, one number a neuron, one vector after
    the other with nothing between. Raises DataError where it ends in the middle of one; UsageError as `check_session` does."""
    yield from _decode(engine, ((row, None) for row in _rows(stream, _session(engine).neurons)))


def _session(engine: Engine) -> Session:
    session = engine.manifest.session
    if session is None:
        raise UsageError(
            f"{engine.manifest.model}: was not trained on a session of neurons, expected an engine of v1-mlp, v1-cnn2d or v1-cnn3d"
        )
    return session


def _decode(engine: Engine, rows: Iterable[tuple[Float32, str | None]]) -> Iterator[Decoded]:
    for trial, (responses, shown) in enumerate(rows):
        try:
            _refuse_not_finite(responses, trial)
            made = engine.classify(responses)
        except EdgeNeuroError as error:
            yield Decoded(trial=trial, label=None, probabilities={}, ms=None, shown=shown, error=error)
        else:
            ms = sum(made.ms.values())
            yield Decoded(trial=trial, label=made.label, probabilities=made.probabilities, ms=ms, shown=shown)


def _rows(stream: BinaryIO, neurons: int) -> Iterator[Float32]:
    size = neurons * ROW.itemsize
    while data := stream.read(size):
        if len(data) < size:
            raise DataError(
                f"stream: ended after {len(data)} bytes of a vector, expected {size} ({neurons} float32); are they rows of this session?"
            )
        yield np.frombuffer(data, ROW).astype(np.float32)


def _refuse_not_finite(responses: Float32, trial: int) -> None:
    bad = int(np.count_nonzero(~np.isfinite(responses)))
    if bad:
        raise DataError(
            f"trial {trial}: {bad} of {len(responses)} responses are NaN or infinite; give 0 for a lost neuron"
        )
