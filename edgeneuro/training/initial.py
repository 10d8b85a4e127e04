"""Weights that a run with a split of its own starts from: ImageNet's, or those of another checkpoint of the model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from edgeneuro.data import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import CheckpointError, DataError, UsageError
from edgeneuro.files import sha256
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.checkpoint import IMAGENET, MODEL, Initial, load_model, read_config, read_split


def load_initial(network: nn.Module, entry: ModelEntry, initial: str, dataset: DataSet, split: Split) -> Initial:
    """Put weights into `network`, freshly built from `entry`; those of its last layer only where they fit.

    initial: "imagenet" or a checkpoint folder of the same model. dataset, split: of the run; a checkpoint must not have
    seen the groups of its test part. Raises UsageError, CheckpointError, DataError.
    """
    if initial == IMAGENET:
        name, weights = IMAGENET, _imagenet(entry)
        digest = sha256(save({key: value.contiguous() for key, value in weights.items()}))
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
    last = [key for key, layer in network.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))][-1]
    strange = [key for key in (*fresh, *sorted(set(weights) - set(there))) if key.rpartition(".")[0] != last]
    if strange:
        raise CheckpointError(
            f"{initial}: its weights do not fit at {strange[0]}; expected the same model with the same options, "
            "only the number of classes may differ"
        )
    network.load_state_dict(fitting, strict=False)
    return Initial(name=name, sha256=digest, fresh=fresh)


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
