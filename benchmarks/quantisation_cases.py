"""The four networks of the quantisation study as float graphs, with the frames that calibrate and test them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.neurons import NAME as NEURONS
from edgeneuro.benchmarks.neurons import read_neurons
from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.data.folder import find_folder
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import CheckpointError, InputError
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Feed

if TYPE_CHECKING:
    import onnx

    from edgeneuro.benchmarks.trained_nets import NetRecord
    from edgeneuro.export.source import FloatModel

CALIBRATION_FRAMES = 300
SKIN, LUNG = "skin_ham10000", "us_lung_pocus"


class Feeds(Sequence[Feed]):
    """Frames as network inputs, preprocessed when asked for.

    pixels: (frame, height, width[, 3]) uint8, already at the network's size.
    """

    def __init__(self, name: str, pixels: NDArray[np.uint8], preprocess: Preprocess) -> None:
        self.name = name
        self.pixels = pixels
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.pixels)

    @overload
    def __getitem__(self, row: int) -> Feed: ...
    @overload
    def __getitem__(self, row: slice) -> Feeds: ...
    def __getitem__(self, row: int | slice) -> Feed | Feeds:
        if isinstance(row, slice):
            return Feeds(self.name, self.pixels[row], self.preprocess)
        return {self.name: self.preprocess.normalise(self.pixels[row])[None]}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One trained network, as `build-engine` would read it.

    calibration: frames of the training part. test: of groups that neither training nor calibration saw. truth: (frame,)
    class numbers, or (frame, height, width) masks. groups: one a test frame. metric: "balanced_accuracy" or "dice".
    classes: with the background, for masks. facts: for the context of the results.
    """

    name: str
    model: FloatModel
    calibration: Feeds
    test: Feeds
    truth: Array
    groups: tuple[str, ...]
    metric: str
    classes: int
    facts: Mapping[str, Any]

    @property
    def graph(self) -> onnx.ModelProto:
        """The float graph."""
        return self.model.graph


def open_cases(name: str, *, nets: Path, stanet: Path) -> tuple[Case, ...]:
    """The network's case; for stanet one a fold, since a single one has too few patients to tell a small drop.

    nets: folder with what `train_nets` wrote. stanet: folder with fold0, fold1, ... as `real_data` wrote them on
    us_lung_pocus. Data sets are looked for in $EDGENEURO_DATA. Raises InputError with the known names, CheckpointError,
    DataError.
    """
    if name not in CASES:
        raise InputError(f"network {name!r}: is not known, expected one of {', '.join(CASES)}")
    return CASES[name](stanet if name == "stanet" else nets / name)


def _stanet(folder: Path) -> tuple[Case, ...]:
    from edgeneuro.export.source import load_source

    dataset, cases = open_data(LUNG), []
    for path in sorted(folder.glob("fold?")):
        model = load_source(str(path))
        assert model.split is not None and model.preprocess is not None  # as every checkpoint has them
        cases.append(_classifier("stanet", model, dataset, model.split, model.preprocess))
    if not cases:
        raise CheckpointError(
            f"{folder}: holds no fold, expected fold0 and so on; run: python -m edgeneuro.benchmarks.real_data {LUNG}"
        )
    return tuple(cases)


def _trained(folder: Path) -> tuple[NetRecord, FloatModel]:
    """What `train_nets` left in `folder`."""
    from edgeneuro.benchmarks.trained_nets import read_net
    from edgeneuro.export.onnx_export import export_onnx
    from edgeneuro.export.source import FloatModel

    network, record = read_net(folder)
    size = record.preprocess
    graph, compute = export_onnx(network, channels=size.channels, height=size.height, width=size.width)
    masks = record.metric == "dice"
    return record, FloatModel(
        name=record.name,
        graph=graph,
        compute=compute,
        task="segmentation" if masks else "classification",
        classes=("background", *record.classes) if masks else record.classes,
        primary_metric=record.metric,
        preprocess=size,
        provenance={"weights": record.weights},
        trained_on=record.trained_on,
    )


def _skin(folder: Path) -> tuple[Case, ...]:
    record, model = _trained(folder)
    dataset = open_data(SKIN)
    split = make_split(dataset, fold=record.fold, seed=record.seed)
    return (_classifier(record.name, model, dataset, split, record.preprocess),)


def _classifier(name: str, model: FloatModel, dataset: DataSet, split: Split, preprocess: Preprocess) -> Case:
    from edgeneuro.export.parts import calibration_frames

    rng = np.random.default_rng(0)
    chosen, _ = calibration_frames(dataset, split, CALIBRATION_FRAMES, rng)
    test = split.part(dataset.samples, "test")

    def feeds(part: DataSet) -> Feeds:
        pixels = np.stack([preprocess.resize(part.read(sample)) for sample in part.samples])
        return Feeds(model.input_name, pixels, preprocess)

    return Case(
        name=name,
        model=model,
        calibration=feeds(chosen),
        test=feeds(dataset.subset(test)),
        truth=np.array([sample.target for sample in test], np.int64),
        groups=tuple(sample.group for sample in test),
        metric="balanced_accuracy",
        classes=len(dataset.classes),
        facts=_facts(DataIdentity.of(dataset.subset(test)), split.fold, len(chosen), preprocess),
    )


def _unet(folder: Path) -> tuple[Case, ...]:
    record, model = _trained(folder)
    size, source = record.preprocess, model.input_name
    parts = read_neurons(find_folder(NEURONS), fold=record.fold, seed=record.seed)
    training, test = parts["training"], parts["test"]
    identity = DataIdentity(
        name=NEURONS, licence=record.trained_on.licence, simulated=False, frames=len(test), groups=len(set(test.groups))
    )
    case = Case(
        name=record.name,
        model=model,
        calibration=Feeds(source, training.pixels[:CALIBRATION_FRAMES], size),
        test=Feeds(source, test.pixels, size),
        truth=test.masks,
        groups=test.groups,
        metric="dice",
        classes=2,
        facts=_facts(identity, record.fold, min(len(training), CALIBRATION_FRAMES), size),
    )
    return (case,)


def _facts(test: DataIdentity, fold: int, calibration: int, size: Preprocess) -> dict[str, Any]:
    return {
        "input": f"{size.channels} x {size.height} x {size.width}",
        "data": test.name,
        "test_frames": test.frames,
        "test_groups": test.groups,
        "fold": fold,
        "calibration_frames": calibration,
    }


CASES: Mapping[str, Callable[[Path], tuple[Case, ...]]] = {
    "stanet": _stanet,
    "resnet18": _skin,
    "lite0": _skin,
    "mobilenet-v2": _skin,
    "unet": _unet,
}
"""Name -> how it is opened from its folder."""
