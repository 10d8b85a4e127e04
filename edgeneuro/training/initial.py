"""Weights that a run with a split of its own starts from: ImageNet's, or those of another checkpoint of the model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from edgeneuro.data import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.files import sha256
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.checkpoint import IMAGENET, MODEL, Initial, load_model, read_config, read_split

LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)
COUNTER = "num_batches_tracked"
"""Of a batch normalisation, the one tensor of a state that no result depends on."""


def load_initial(network: nn.Module, entry: ModelEntry, initial: str, dataset: DataSet, split: Split) -> Initial:
    """Put weights into `network`, freshly built from `entry`; those of its last layer, or of its `heads`, only where they fit.

    initial: "imagenet"; a checkpoint folder of the same model; or a .safetensors file of ImageNet weights under torchvision's
    names, which may lack whole parts of the network. dataset, split: of the run; a checkpoint must not have seen the groups of
    its test part. Raises UsageError, CheckpointError, DataError.
    """
    from_file = is_weights_file(initial)
    if initial == IMAGENET:
        name, weights = IMAGENET, _imagenet(entry)
        digest = sha256(save({key: value.contiguous() for key, value in weights.items()}))
    elif from_file:
        name, (weights, digest) = IMAGENET, _from_file(Path(initial), entry)
    else:
        folder = Path(initial)
        config = read_config(folder)
        if config.model != entry.name:
            raise CheckpointError(f"{folder}: is a checkpoint of {config.model!r}, expected {entry.name!r}")
        _refuse_seen(folder, dataset, split)
        name, weights, digest = config.trained_on.name, load_model(folder).state_dict(), config.files[MODEL]
    there = network.state_dict()
    fitting = {key: value for key, value in weights.items() if key in there and there[key].shape == value.shape}
    fresh = tuple(sorted(set(there) - set(fitting)))
    free = tuple(f"{part}." for part in (*_heads(network), *(_absent(network, weights) if from_file else ())))
    misfits = [key for key in (*fresh, *sorted(set(weights) - set(there))) if not key.startswith(free)]
    strange = [key for key in misfits if not (from_file and key.endswith(COUNTER))]
    if strange or not fitting:
        raise CheckpointError(
            f"{initial}: its weights do not fit at {(*strange, 'any place')[0]}; expected the same model with the same "
            "options, only the number of classes may differ"
        )
    network.load_state_dict(fitting, strict=False)
    return Initial(name=name, sha256=digest, fresh=fresh)


def is_weights_file(initial: str) -> bool:
    """Whether `initial` names a file, not a checkpoint folder."""
    return initial.endswith(".safetensors")


def weights_digest(initial: str) -> str:
    """SHA-256 of the weights in a checkpoint folder or a file. Raises CheckpointError."""
    return sha256(_bytes(Path(initial))) if is_weights_file(initial) else read_config(Path(initial)).files[MODEL]


def _heads(network: nn.Module) -> tuple[str, ...]:
    """Modules whose weights depend on the classes, or are for training alone."""
    heads: tuple[str, ...] | None = getattr(network, "heads", None)
    if heads is not None:
        return heads
    return ([name for name, layer in network.named_modules() if isinstance(layer, LAYERS)][-1],)


def _absent(network: nn.Module, weights: Mapping[str, Tensor]) -> set[str]:
    """Parts of the network that a file has nothing of."""
    return {part for part, _ in network.named_children()} - {key.partition(".")[0] for key in weights}


def _from_file(path: Path, entry: ModelEntry) -> tuple[Mapping[str, Tensor], str]:
    """Weights under the model's names, and the SHA-256 of the file."""
    if entry.torchvision is None:
        known = ", ".join(name for name, row in MODELS.items() if row.torchvision)
        raise UsageError(f"--initial {path}: weights from a file are for {known}, not for {entry.name!r}; leave it out")
    data = _bytes(path)
    try:
        weights = load(data)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: is no safetensors file ({error}); convert the weights to safetensors"
        ) from error
    module, function = entry.torchvision.split(":")
    return getattr(import_module(module), function)(weights), sha256(data)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}); check its name") from error


def _imagenet(entry: ModelEntry) -> Mapping[str, Tensor]:
    if entry.imagenet is None:
        known = ", ".join(name for name, row in MODELS.items() if row.imagenet)
        raise UsageError(f"--initial imagenet: {entry.name!r} has no such weights, only {known}; leave it out")
    module, function = entry.imagenet.split(":")
    weights: Mapping[str, Tensor] = getattr(import_module(module), function)()
    return weights


def _refuse_seen(folder: Path, dataset: DataSet, split: Split) -> None:
    """Raise DataError where the checkpoint learnt from groups that are to test it now, or may have."""
    config = read_config(folder)
    if config.trained_on.name != dataset.name:
        unlabelled = {data["name"] for data in config.taught.get("unlabelled", ())}
        if dataset.name in unlabelled | {config.initial.name if config.initial else ""}:
            raise DataError(
                f"{folder}: goes back to frames of {dataset.name}, and does not say to which; "
                "expected a checkpoint that never saw this data, or was trained on it last"
            )
        return
    before = read_split(folder)
    test = split.part(dataset.samples, "test")
    seen = len(test) - len(before.unseen(test))
    if seen:
        raise DataError(
            f"{folder}: was trained on {seen} of the {len(test)} frames of this test part; "
            "give the same --fold and --seed as it was trained with"
        )
