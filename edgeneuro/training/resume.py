"""The state of an unfinished training run, in one file that holds no code.

Lightning's own checkpoints are pickles, which can run anything when loaded. Here the same nested state is split into
tensors (safetensors) and its skeleton (JSON in the header of that file), and written under a temporary name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgeneuro.errors import CheckpointError
from edgeneuro.files import atomic_path

SKELETON = "skeleton"
"""Key of the header under which the JSON lies."""


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts, lists, tuples, tensors and plain values, atomically.

    Raises TypeError for anything else, OutputError when it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = json.dumps(_flatten(state, tensors))
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={SKELETON: skeleton}))


def read_state(path: Path) -> dict[str, Any]:
    """What `write_state` wrote, tensors on the CPU. Raises CheckpointError."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            skeleton = json.loads((file.metadata() or {})[SKELETON])
        state: dict[str, Any] = _nest(skeleton, tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: is not a training state ({error}); train again with --force instead of --resume"
        ) from error
    return state


def _flatten(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` as JSON, each container tagged with its type; tensors are moved out and referred to by name."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_flatten(key, tensors), _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_flatten(item, tensors) for item in value]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"training state: got a {type(value).__name__}, expected tensors and plain values")


def _nest(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "dict":
            return {_nest(key, tensors): _nest(item, tensors) for key, item in content}
        case "list":
            return [_nest(item, tensors) for item in content]
        case "tuple":
            return tuple(_nest(item, tensors) for item in content)
    raise ValueError(f"unknown container {kind!r}")


class StateFiles(CheckpointIO):
    """Makes Lightning read and write its checkpoints in the form above."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Called by the trainer on the first process only."""
        write_state(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Called by the trainer on every process; nothing but tensors and plain values can come out."""
        return read_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Called by the trainer."""
        Path(path).unlink(missing_ok=True)
