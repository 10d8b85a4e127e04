"""Sessions as data sets: each labelled trial is a sample, its responses are what a network is fed with."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import numpy as np

from edgeneuro.data.make_split import FOLDS
from edgeneuro.data.recordings.opening import SIMULATED, open_recording
from edgeneuro.data.recordings.recording import UNKNOWN, Recording
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.spec import Item, TensorSpec

RESPONSES = "responses"
"""Name of the array of a trial, and of the input of networks that take one."""


def open_session(spec: str) -> DataSet:
    """The session that edgeneuro.data.recordings.opening.open_recording finds. Raises DataError, FrameError."""
    return as_data(open_recording(spec))


def simulated_dataset(seed: int) -> DataSet:
    """The session of simulate_session, known as v1-simulated:SEED."""
    return as_data(SIMULATED["v1-simulated"](seed).recording)


def large_simulated_dataset(seed: int) -> DataSet:
    """One of the size of the published sessions, known as v1-simulated-large:SEED."""
    return as_data(SIMULATED["v1-simulated-large"](seed).recording)


def as_data(recording: Recording) -> DataSet:
    """The trials that show something of a known class, in order; a sample's index is the number of its trial.

    Groups are images or blocks of trials. Blocks are dealt out to folds in the order of the session, so that each fold has some of all
    of it; images have no folds of their own. Raises DataError for a session without a labelled trial.
    """
    labelled = np.flatnonzero(~recording.grey & (recording.labels != UNKNOWN))
    if not len(labelled):
        raise DataError(f"{recording.name}: has no trial of a known class; put the class file beside it")
    images = np.array_equal(recording.groups, recording.stimuli)
    folds = np.unique(recording.groups, return_inverse=True)[1] % FOLDS
    samples = tuple(
        Sample(
            source=recording.name,
            index=trial,
            target=int(recording.labels[trial]),
            group=f"{recording.name} {'image' if images else 'block'} {recording.groups[trial]}",
            fold=None if images else int(folds[trial]),
        )
        for trial in labelled.tolist()
    )
    left_out = recording.trials - len(labelled)
    return DataSet(
        name=recording.name,
        classes=recording.classes,
        samples=samples,
        reader=_no_frames,
        array_reader=partial(_responses, recording),
        recording=recording,
        dropped={**recording.dropped, **({"trial without a class": left_out} if left_out else {})},
        simulated=recording.simulated,
        licence=recording.licence,
    )


def response_spec(neurons: int) -> TensorSpec:
    """What a network for sessions of so many neurons takes."""
    return TensorSpec(
        name=RESPONSES, shape=(-1, neurons), axes=("batch", "neuron"), dtype="float32", unit="as recorded"
    )


def _responses(recording: Recording, sample: Sample) -> Item:
    """{"responses": (neuron,) float32}."""
    return {RESPONSES: recording.responses[sample.index]}


def _no_frames(sample: Sample) -> NoReturn:
    raise DataError(
        f"{sample.source}: holds responses of neurons, no frames; give it to a decoder such as v1-mlp, or another network frames"
    )
