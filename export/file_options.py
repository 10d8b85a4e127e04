"""What an .onnx file does not say of itself: its task, the sizes it leaves free, how frames become its input."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeneuro.errors import InputError
from edgeneuro.manifest import Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Settings for a file; also the keys of a TOML file for --preprocess.

    task: None infers it from the first output. height, width in px: of the network's input where the file leaves them
    free. shapes: input name -> all its sizes, for networks that take arrays. channels: 1 grey, 3 RGB, where the file
    leaves them free. bit_depth, max_value, mean, std: as of Preprocess; max_value None is the largest of the bit depth.
    """

    task: Task | None = None
    height: int | None = None
    width: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    channels: Literal[1, 3] | None = None
    bit_depth: Literal[8, 16] = 8
    max_value: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def says_preprocessing(self) -> bool:
        """Whether anything is given that only a network for frames can use."""
        plain = FileOptions(task=self.task, shapes=self.shapes)
        return self != plain

    def preprocess(self, height: int, width: int, channels: Literal[1, 3]) -> Preprocess:
        """For an input of this size. Raises InputError for values that cannot be applied."""
        full = 255.0 if self.bit_depth == 8 else 65535.0
        return Preprocess(
            height=height,
            width=width,
            channels=channels,
            bit_depth=self.bit_depth,
            max_value=full if self.max_value is None else self.max_value,
            mean=self.mean,
            std=self.std,
        )


NOTHING_SAID = FileOptions()
"""Of a file that takes frames of fixed size, scaled to 0..1."""


def read_options(path: Path) -> FileOptions:
    """The TOML file `path`. Raises InputError: unreadable, an unknown key, a value of the wrong type."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise InputError(f"{path}: is not a readable TOML file ({error}); see docs/own-models.md") from error
    return from_json(FileOptions, value, str(path))
