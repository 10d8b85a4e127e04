"""A recording: what many neurons of one animal did in each trial, and what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings.session import Session
from edgeneuro.errors import DataError
from edgeneuro.files import sha256
from edgeneuro.spec import Array, Float32

GREY = -1
"""In the place of a stimulus number: the grey screen."""
UNKNOWN = -1
"""In the place of a class number."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One session. Trials are in the order in which they were shown.

    name: for messages and manifests, never a path. responses: (trial, neuron), as recorded. stimuli: (trial,) number of what was
    shown, from 0, or GREY. groups: (trial,) what must stay on one side of an honest split: trials of one image, or of one block.
    classes: in order of class number. labels: (trial,) class number, or UNKNOWN. spontaneous: (time, neuron) without stimuli.
    positions_um: (neuron, 3) x, y and depth of the cells. images: (stimulus, height, width), pixel values as shown. traces: name ->
    (trial, ...), what else was recorded. What a session lacks is None. dropped: reason -> number of neurons left out.

    Raises DataError naming what does not fit, with the numbers of both.
    """

    name: str
    responses: Float32
    stimuli: Numbers
    groups: Numbers
    classes: tuple[str, ...]
    labels: Numbers
    spontaneous: Float32 | None = None
    positions_um: NDArray[np.float64] | None = None
    images: Array | None = None
    traces: Mapping[str, Array] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
    licence: str = "unknown"

    def __post_init__(self) -> None:
        if self.responses.ndim != 2 or 0 in self.responses.shape:
            raise DataError(
                f"{self.name}: responses are {self.responses.shape}, expected (trial, neuron), none of them 0"
            )
        trials, neurons = self.responses.shape
        for what, values in (
            ("stimuli", self.stimuli),
            ("groups", self.groups),
            ("labels", self.labels),
            *self.traces.items(),
        ):
            if len(values) != trials:
                raise DataError(
                    f"{self.name}: has {trials} trials of responses and {len(values)} of {what}, expected as many"
                )
        for what, table, axis in (("spontaneous", self.spontaneous, 1), ("positions_um", self.positions_um, 0)):
            if table is not None and table.shape[axis] != neurons:
                raise DataError(
                    f"{self.name}: has {neurons} neurons in responses and {table.shape[axis]} in {what}, expected as many"
                )
        if self.images is not None and int(self.stimuli.max()) >= len(self.images):
            raise DataError(
                f"{self.name}: shows stimulus {int(self.stimuli.max())}, but has {len(self.images)} images; is it another set's file?"
            )
        if int(self.labels.max()) >= len(self.classes):
            raise DataError(
                f"{self.name}: labels go up to {int(self.labels.max())}, expected below {len(self.classes)}, the number of classes"
            )
        self._refuse_not_finite()

    @property
    def trials(self) -> int:
        """Number of trials, grey ones included."""
        return len(self.responses)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.responses.shape[1])

    @property
    def session(self) -> Session:
        """Whose neurons these are."""
        places = self.positions_um
        known = f"{self.name}\0{self.neurons}".encode() if places is None else np.ascontiguousarray(places).tobytes()
        return Session(name=self.name, neurons=self.neurons, identity=sha256(known))

    @property
    def grey(self) -> NDArray[np.bool_]:
        """(trial,) whether the screen was grey."""
        grey: NDArray[np.bool_] = self.stimuli == GREY
        return grey

    def lacks(self, *fields: str) -> str | None:
        """Which of these fields the session does not have, in words; None where it has all."""
        missing = [name for name in fields if getattr(self, name) is None]
        return f"{self.name} has no {' and no '.join(missing)}" if missing else None

    def only(self, trials: Array) -> Recording:
        """These trials, by number or as a mask of all."""
        return replace(
            self,
            responses=self.responses[trials],
            stimuli=self.stimuli[trials],
            groups=self.groups[trials],
            labels=self.labels[trials],
            traces={name: values[trials] for name, values in self.traces.items()},
        )

    def with_responses(self, responses: Float32) -> Recording:
        """The same trials and neurons with other numbers, after preprocessing for example."""
        return replace(self, responses=responses)

    def repeats(self) -> tuple[Numbers, Float32]:
        """Stimuli that were shown at least twice, sorted, and the responses of their first two trials, (2, stimulus, neuron).

        Raises DataError where there is none.
        """
        shown = np.flatnonzero(~self.grey)
        order = shown[np.argsort(self.stimuli[shown], kind="stable")]
        numbers, first, counts = np.unique(self.stimuli[order], return_index=True, return_counts=True)
        twice = counts >= 2
        if not twice.any():
            raise DataError(
                f"{self.name}: shows none of its {len(numbers)} stimuli twice, expected repeats; choose another session"
            )
        start = first[twice]
        return numbers[twice].astype(np.int64), self.responses[np.stack([order[start], order[start + 1]])]

    def _refuse_not_finite(self) -> None:
        for what, values in (("responses", self.responses), ("spontaneous", self.spontaneous)):
            if values is not None and not np.isfinite(values).all():
                bad = int(np.count_nonzero(~np.isfinite(values).all(0)))
                raise DataError(
                    f"{self.name}: {what} of {bad} neurons are NaN or infinite in places; leave those neurons out"
                )


def usable_neurons(responses: Array, spontaneous: Array | None) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """(neuron,) which can be analysed, and how many of the others there are by reason: values that are not finite, or no change over
    all trials. responses: (trial, neuron). spontaneous: (time, neuron)."""
    finite = np.isfinite(responses).all(0)
    if spontaneous is not None:
        finite &= np.isfinite(spontaneous).all(0)
    changes: Any = responses.min(0) < responses.max(0)
    counts = {
        "neuron with NaN or infinity": int(np.count_nonzero(~finite)),
        "neuron whose response never changes": int(np.count_nonzero(finite & ~changes)),
    }
    return finite & changes, {reason: count for reason, count in counts.items() if count}
