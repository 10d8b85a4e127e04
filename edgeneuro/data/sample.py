"""What a data set yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgeneuro.errors import DataError
from edgeneuro.spec import Frame


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One frame with its label, without its pixels.

    source: path relative to the data set's folder (or a made-up name for simulated frames).
    index: frame within the source, 0 for a still image. target: class number, None where unlabelled.
    group: the unit that must stay on one side of a split (patient, video, lesion).
    fold: the table's own fold number, None where it has none. tags: the table's other columns, by name.
    """

    source: str
    index: int
    target: int | None
    group: str
    fold: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def unit(self, by: str) -> str:
        """The value of column `by`, or the group for by="group". Raises DataError for an unknown column."""
        if by == "group":
            return self.group
        if by not in self.tags:
            raise DataError(
                f"{self.source}: has no column {by!r}; expected group or one of {', '.join(sorted(self.tags))}"
            )
        return self.tags[by]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Samples with a way to read their pixels.

    name: for messages and manifests, never a path of this machine. classes: in order of class number,
    empty where unlabelled. dropped: reason -> number of rows left out. simulated: made by this package.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    reader: Callable[[Sample], Frame]
    dropped: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
    licence: str = "unknown"

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, sample: Sample) -> Frame:
        """Pixels of one sample: (height, width) grey or (height, width, 3) RGB. Raises FrameError."""
        return self.reader(sample)

    def subset(self, samples: Sequence[Sample]) -> DataSet:
        """The same data set with only `samples`."""
        return replace(self, samples=tuple(samples))
