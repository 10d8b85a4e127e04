"""A checkpoint folder: model.safetensors, config.json, metrics.json, split.json; with ranges.json where the weights were
trained with quantisation. Nothing in it can run code.

config.json is written last and holds the SHA-256 of the other files, so a folder that was edited, mixed from two
runs or cut off is refused with the name of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

import edgeneuro.models
from edgeneuro.data.recordings.session import Session
from edgeneuro.data.split import Split
from edgeneuro.errors import CheckpointError, InputError, UsageError
from edgeneuro.files import canonical_json, sha256, write_bytes
from edgeneuro.manifest import DataIdentity
from edgeneuro.models import MODELS, Imaging
from edgeneuro.models.build import build_decoder, build_model
from edgeneuro.models.surgery import Surgery, operate
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json
from edgeneuro.training.settings import MaskSettings, Precision, SelfCureSettings, SiameseSettings

SCHEMA = 1
"""Raised when a field changes meaning."""

CONFIG, MODEL, METRICS, SPLIT = "config.json", "model.safetensors", "metrics.json", "split.json"
RANGES = "ranges.json"
IMAGENET = "imagenet"
"""Name of initial weights that come with a model, not from a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """The checkpoint a run started from. checkpoint: SHA-256 of its model.safetensors. quantised_for: the target whose
    rounding was trained, None in float. pruned: how it was made smaller before it was trained on, in plain values; empty
    where it was not."""

    checkpoint: str
    quantised_for: str | None = None
    pruned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Initial:
    """name: "imagenet", or of the data set whose checkpoint it was. sha256: of the weights. fresh: tensors that were
    drawn anew because the number of classes differs."""

    name: str
    sha256: str
    fresh: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """A checkpoint that another one goes back to. checkpoint: SHA-256 of its model.safetensors. made_from, taught, initial: as
    its own config.json has them."""

    checkpoint: str
    made_from: MadeFrom | None = None
    taught: Mapping[str, Any] = field(default_factory=dict)
    initial: Initial | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What the weights are and what they were made from.

    model: key in edgeneuro.models.MODELS. options: the builder's. channels, preprocess: None of a network that takes responses of
    neurons; then session: whose neurons, and sizes: what its builder takes beside options, as edgeneuro.models.build.build_decoder takes it. trained_on: the training part alone.
    data, label_column, group_column: as edgeneuro.data.open_data takes them, to find the frames again on the machine
    that trained; they stay out of engines. epochs: planned, best_epoch: the one whose weights these are, from 0.
    made_from: None for weights trained from scratch. ancestors: every checkpoint behind this one, the oldest first, the
    one it was made from last. augmentation, siamese, self_cure, masks, label_noise, precision: as of edgeneuro.training.settings.TrainSettings. pseudo: what it learnt from beside
    the training part, as edgeneuro.training.masks.scenes.PseudoScenes.record has it; empty without. taught: by which teacher, as edgeneuro.training.teaching.Teaching.record has it; empty without one. surgery:
    None for the network as its builder makes it. initial: weights taken over into a run with a split of its own.
    tools: library versions. files: SHA-256 of every other file, filled
    in on writing.
    """

    schema: int = SCHEMA
    model: str
    options: Mapping[str, Any]
    classes: tuple[str, ...]
    channels: Literal[1, 3] | None
    preprocess: Preprocess | None
    session: Session | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    trained_on: DataIdentity
    protocol: Literal["grouped", "leaky"]
    fold: int
    seed: int
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    crop: float = 1.0
    training_share: float = 1.0
    keep: Literal["best", "last"] = "best"
    augmentation: Imaging = "ultrasound"
    siamese: SiameseSettings | None = None
    self_cure: SelfCureSettings | None = None
    masks: MaskSettings | None = None
    label_noise: float = 0.0
    precision: Precision = "float32"
    best_epoch: int
    data: str
    label_column: str | None = None
    group_column: str | None = None
    made_from: MadeFrom | None = None
    ancestors: tuple[Ancestor, ...] = ()
    taught: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    surgery: Surgery | None = None
    initial: Initial | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def frame_preprocess(self) -> Preprocess:
        """How a frame becomes the input. Raises UsageError where the network takes responses of neurons."""
        if self.preprocess is None:
            raise UsageError(
                f"{self.model}: takes responses of neurons, this is for networks that take frames; docs/v1.md says what can be done with it"
            )
        return self.preprocess

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input without its batch axis: (channel, [depth,] height, width), or (neuron,)."""
        if self.preprocess is None:
            return (self.sizes["neurons"],)
        return (self.preprocess.channels, *self.preprocess.tile)


def built_network(config: CheckpointConfig) -> nn.Module:
    """Fresh from the builder, in evaluation mode, as no surgery has changed it; its weights are drawn from torch's global generator."""
    classes = len(config.classes)
    if config.channels is None:
        return build_decoder(config.model, classes=classes, sizes=config.sizes, **config.options).eval()
    return build_model(config.model, classes=classes, channels=config.channels, **config.options).eval()


def lineage(config: CheckpointConfig) -> tuple[Ancestor, ...]:
    """The ancestors of what is made from the checkpoint of `config`: its own, then itself."""
    own = Ancestor(
        checkpoint=config.files[MODEL], made_from=config.made_from, taught=config.taught, initial=config.initial
    )
    return (*config.ancestors, own)


def packaged(name: str) -> Path:
    """The checkpoint folder that comes with the package. Raises CheckpointError where the model has none."""
    folder = Path(edgeneuro.models.__file__).parent / "weights" / name
    if name not in MODELS or not (folder / CONFIG).is_file():
        raise CheckpointError(
            f"model {name!r}: comes without weights; train it with: edgeneuro train {name} --data FOLDER --out DIR"
        )
    return folder


def write_checkpoint(
    folder: Path,
    *,
    network: nn.Module,
    config: CheckpointConfig,
    metrics: Mapping[str, Any],
    split: Split,
    ranges: bytes | None = None,
) -> CheckpointConfig:
    """Write the files, each atomically; returns `config` with their hashes. Raises OutputError.

    ranges: content of ranges.json; where None, one that an earlier checkpoint left in `folder` is removed.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    contents = {MODEL: save(tensors), METRICS: canonical_json(metrics), SPLIT: canonical_json(to_json(split))}
    if ranges is None:
        (folder / RANGES).unlink(missing_ok=True)
    else:
        contents[RANGES] = ranges
    config = replace(config, files={name: sha256(data) for name, data in contents.items()})
    for name, data in {**contents, CONFIG: canonical_json(to_json(config))}.items():
        write_bytes(folder / name, data)
    return config


def read_config(folder: Path) -> CheckpointConfig:
    """The configuration, without looking at the other files.

    Raises CheckpointError: no checkpoint, from a newer edgeneuro, an unknown model, a field missing or wrong.
    """
    where = folder / CONFIG
    value = _parse(_read(where), where)
    schema = value.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise CheckpointError(f"{where}: has schema {schema}, this edgeneuro reads up to {SCHEMA}; upgrade edgeneuro")
    try:
        config = from_json(CheckpointConfig, value, str(where))
    except InputError as error:
        raise CheckpointError(f"{error}; train again, or restore the file") from error
    if config.model not in MODELS:
        raise CheckpointError(
            f"{where}: is of model {config.model!r}, expected one of {', '.join(MODELS)}; use the version that made it"
        )
    return config


def read_split(folder: Path) -> Split:
    """Which groups were used for what. Raises CheckpointError."""
    value = _parse(_member(folder, SPLIT), folder / SPLIT)
    try:
        return from_json(Split, value, str(folder / SPLIT))
    except InputError as error:
        raise CheckpointError(f"{error}; train again, or restore the file") from error


def read_metrics(folder: Path) -> dict[str, Any]:
    """What training measured; `edgeneuro.training.fit` says what it holds. Raises CheckpointError."""
    return _parse(_member(folder, METRICS), folder / METRICS)


def read_ranges(folder: Path) -> bytes | None:
    """Content of ranges.json, None for weights that were not trained with quantisation. Raises CheckpointError."""
    if RANGES in read_config(folder).files:
        return _member(folder, RANGES)
    if (folder / RANGES).exists():
        raise CheckpointError(
            f"{folder / RANGES}: is not listed in {CONFIG}, so it belongs to other weights; delete it"
        )
    return None


def load_model(folder: Path) -> nn.Module:
    """The network with its weights, in evaluation mode, on the CPU. Every tensor must be there and fit.

    Raises CheckpointError: a file missing or edited, weights of another model.
    """
    config = read_config(folder)
    data = _member(folder, MODEL)
    try:
        network = built_network(config)
        if config.surgery is not None:
            operate(network, config.surgery)
        network.load_state_dict(load(data), strict=True)
    except (SafetensorError, RuntimeError, InputError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{folder / MODEL}: does not hold the weights of {config.model!r} for {len(config.classes)} classes "
            f"({reason}); is it of another model? train again, or restore the file"
        ) from error
    return network.eval()


def _member(folder: Path, name: str) -> bytes:
    """Bytes of a file beside config.json, compared with the hash there."""
    config = read_config(folder)
    data = _read(folder / name)
    expected = config.files.get(name)
    if sha256(data) != expected:
        raise CheckpointError(
            f"{folder / name}: has SHA-256 {sha256(data)[:12]}..., {CONFIG} expects {str(expected)[:12]}...; "
            "the file was edited or comes from another run; restore it, or train again"
        )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"{path.parent}: is not a checkpoint folder, it has no {path.name}; expected {CONFIG}, {MODEL}, {METRICS} "
            f"and {SPLIT}, as edgeneuro train writes them"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _parse(data: bytes, where: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise CheckpointError(f"{where}: is not JSON ({error}); train again, or restore the file") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: got {type(value).__name__}, expected an object; train again")
    return value
