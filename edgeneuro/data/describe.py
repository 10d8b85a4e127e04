"""What a data set holds, counted; and which sets are known and where they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.data.folder import DATA_VARIABLE
from edgeneuro.data.masks import refuse_other_size
from edgeneuro.data.registered import DESCRIPTION, NOT_IMAGES, REGISTERED, read_description
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import LICENCE, SIMULATED
from edgeneuro.errors import DataError, FrameError
from edgeneuro.spec import Item


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Frames and groups of one class; a group with frames of two classes counts in both."""

    name: str
    frames: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts of a data set. Schema: docs/schemas/data-describe.schema.json.

    folds: fold -> frames, empty where the table has none. sizes: "WIDTHxHEIGHT" in px, of volumes "WIDTHxHEIGHTxDEPTH" in voxels -> frames. pixels: element
    type and channels -> frames; of .npz files both say so of every array, of neurons both are of their pictures. columns: what `evaluate --by` accepts. unreadable: source -> what is wrong with it.
    """

    name: str
    licence: str
    simulated: bool
    frames: int
    groups: int
    classes: tuple[ClassCount, ...]
    dropped: Mapping[str, int]
    folds: Mapping[str, int]
    sizes: Mapping[str, int]
    pixels: Mapping[str, int]
    columns: tuple[str, ...]
    unreadable: Mapping[str, str]


def summarise(dataset: DataSet, *, on_frame: Callable[[], None] = lambda: None) -> Summary:
    """Read every frame and count. on_frame: called after each, for progress."""
    sizes, pixels = Counter[str](), Counter[str]()
    unreadable = {}
    for sample in dataset.samples:
        try:
            arrays = dataset.item(sample) if _is_array(dataset, sample) else dataset.read(sample)
            if dataset.has_masks and not isinstance(arrays, Mapping):
                refuse_other_size(dataset.mask(sample), arrays, sample.source)
        except (FrameError, DataError) as error:
            unreadable[sample.source] = str(error)
        else:
            size, kind = _shape(arrays, volume=dataset.has_volumes)
            sizes[size] += 1
            pixels[f"neuron, drawn as {kind}" if dataset.has_neurons else kind] += 1
        on_frame()
    per_class = [[sample for sample in dataset.samples if sample.target == n] for n in range(len(dataset.classes))]
    folds = Counter(sample.fold for sample in dataset.samples if sample.fold is not None)
    return Summary(
        name=dataset.name,
        licence=dataset.licence,
        simulated=dataset.simulated,
        frames=len(dataset),
        groups=len({sample.group for sample in dataset.samples}),
        classes=tuple(
            ClassCount(name=name, frames=len(samples), groups=len({sample.group for sample in samples}))
            for name, samples in zip(dataset.classes, per_class, strict=True)
        ),
        dropped=dataset.dropped,
        folds={str(fold): folds[fold] for fold in sorted(folds)},
        sizes=dict(sizes.most_common()),
        pixels=dict(pixels.most_common()),
        columns=("group", *sorted({name for sample in dataset.samples for name in sample.tags})),
        unreadable=unreadable,
    )


def _is_array(dataset: DataSet, sample: Sample) -> bool:
    return dataset.recording is not None or sample.source.lower().endswith(".npz")


def _shape(item: Item, *, volume: bool) -> tuple[str, str]:
    """Of a frame "640x480" and "uint8 grey"; of a volume "128x128x64" and "uint16 volume"; of arrays their shapes and element types by name."""
    if isinstance(item, Mapping):
        shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape)) or 'scalar'}" for name, array in item.items())
        return shapes, ", ".join(f"{name} {array.dtype}" for name, array in item.items())
    if volume:
        return "x".join(map(str, item.shape[::-1])), f"{item.dtype} volume"
    return f"{item.shape[1]}x{item.shape[0]}", f"{item.dtype} {'grey' if item.ndim == 2 else 'RGB'}"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A data set that has a name. found: its folder, None where it was not found; "" for what the package makes."""

    name: str
    licence: str
    found: str | None


def known_sets() -> tuple[Known, ...]:
    """What the package makes, the registered sets, and described folders in $EDGENEURO_DATA. Schema: data-list.schema.json."""
    root = Path(os.environ.get(DATA_VARIABLE) or ".")
    known = [Known(name=name, licence=LICENCE, found="") for name in SIMULATED]
    for name, description in REGISTERED.items():
        found = next((path for path in (Path(name), root / name) if path.is_dir()), None)
        known.append(Known(name=name, licence=description.licence, found=None if found is None else str(found)))
    if os.environ.get(DATA_VARIABLE) and root.is_dir():
        known.extend(_own(folder) for folder in sorted(root.iterdir()) if _is_own(folder))
    return tuple(known)


def _is_own(folder: Path) -> bool:
    described = (folder / DESCRIPTION).is_file() or (folder / "labels.csv").is_file()
    return described and folder.name not in (*REGISTERED, *NOT_IMAGES)


def _own(folder: Path) -> Known:
    try:
        licence = read_description(folder).licence if (folder / DESCRIPTION).is_file() else "unknown"
    except DataError as error:
        licence = f"unknown ({error})"
    return Known(name=folder.name, licence=licence, found=str(folder))
