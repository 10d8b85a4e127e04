"""What a data set yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgeneuro.data.recordings.recording import Recording
from edgeneuro.data.recordings.session import Session
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.neuron import Neuron
from edgeneuro.spec import Array, Frame, Item
from edgeneuro.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One frame with its label, without its pixels.

    source: path relative to the data set's folder (or a made-up name for simulated frames).
    index: frame within the source, 0 for a still image. target: class number, None where unlabelled.
    group: the unit that must stay on one side of a split (patient, video, lesion).
    fold: the table's own fold number, None where it has none. tags: the table's other columns, by name.
    mask: path of the image with the class number of every pixel, relative like source; None where there is none.
    """

    source: str
    index: int
    target: int | None
    group: str
    fold: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    mask: str | None = None

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

    name: for messages and manifests, never a path of this machine. classes: in order of class number, empty where
    unlabelled; of a set with masks, what each value of a mask means, 0 first, the background. array_reader: of sets that
    hold arrays. mask_reader: of sets with masks. neuron_reader: of sets of neurons, whose frames are drawn as `drawing` says;
    picture_reader: draws them where that need not be done anew each time. volume_reader: of sets of volumes. recording: of a session
    of neurons, whose trials the samples are. subgroups: columns by which accuracy is broken down -> where their numbers
    are cut into bands, () for values as they are. dropped: reason -> number of rows left out. simulated: made by this
    package. tile: sides of its frames where they were cut for a network (edgeneuro.data.seen), None of whole frames.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    reader: Callable[[Sample], Frame]
    array_reader: Callable[[Sample], Item] | None = None
    mask_reader: Callable[[Sample], Array] | None = None
    neuron_reader: Callable[[Sample], Neuron] | None = None
    picture_reader: Callable[[Sample, Drawing], Frame] | None = None
    volume_reader: Callable[[Sample], Volume] | None = None
    recording: Recording | None = None
    drawing: Drawing = field(default_factory=Drawing)
    subgroups: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
    licence: str = "unknown"
    tile: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, sample: Sample) -> Frame:
        """Pixels of one sample: (height, width) grey or (height, width, 3) RGB; of a neuron its picture; of a set of volumes (depth,
        height, width). Raises FrameError."""
        if self.neuron_reader is None:
            return self.reader(sample)
        if self.picture_reader is None:
            return self.drawing(self.neuron_reader(sample))
        return self.picture_reader(sample, self.drawing)

    @property
    def has_neurons(self) -> bool:
        """Whether every sample is a reconstructed neuron."""
        return self.neuron_reader is not None

    def neuron(self, sample: Sample) -> Neuron:
        """The tree that `read` draws. Raises DataError for a set of frames, FrameError."""
        if self.neuron_reader is None:
            raise DataError(f"{self.name}: holds frames, expected neurons; give a folder of .swc files")
        return self.neuron_reader(sample)

    @property
    def session(self) -> Session | None:
        """Whose neurons' responses the samples are; None of a set of anything else."""
        return None if self.recording is None else self.recording.session

    @property
    def has_volumes(self) -> bool:
        """Whether every frame is a volume, (depth, height, width), in no tiles yet."""
        return self.volume_reader is not None

    def volume(self, sample: Sample) -> Volume:
        """What `read` gives, with its spacing. Raises DataError for a set of images or of tiles, FrameError."""
        if self.volume_reader is None:
            raise DataError(f"{self.name}: holds images or tiles, expected volumes; give a folder of stacks")
        return self.volume_reader(sample)

    def drawn_as(self, drawing: Drawing | None) -> DataSet:
        """The same neurons in the pictures that a network was trained on, as its preprocessing says; frames as they are.

        Raises DataError for neurons where there is no drawing: the network was trained on something else.
        """
        if not self.has_neurons:
            return self
        if drawing is None:
            raise DataError(
                f"{self.name}: holds neurons, but the network does not say how they are drawn, expected one that was trained "
                "on neurons; give it frames"
            )
        return replace(self, drawing=drawing)

    def item(self, sample: Sample) -> Item:
        """What a network that takes arrays is fed with: the arrays of a .npz by name, the array of a .npy as it is, else
        the pixels. Raises FrameError."""
        return self.read(sample) if self.array_reader is None or self.has_neurons else self.array_reader(sample)

    @property
    def has_masks(self) -> bool:
        """Whether every frame comes with the class of each of its pixels."""
        return self.mask_reader is not None

    def mask(self, sample: Sample) -> Array:
        """In the shape of the frame, uint8, the class number of every pixel or voxel, IGNORE where nobody knows. Raises DataError,
        FrameError."""
        if self.mask_reader is None:
            raise DataError(f"{self.name}: has no masks; add a column mask to its labels.csv, or a folder masks/")
        return self.mask_reader(sample)

    def subset(self, samples: Sequence[Sample]) -> DataSet:
        """The same data set with only `samples`."""
        return replace(self, samples=tuple(samples))
