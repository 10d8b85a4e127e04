"""Options of commands that take somebody's .onnx file: what the file does not say of itself."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgeneuro.export.file_options import FileOptions


class TaskName(str, Enum):
    """edgeneuro.manifest.Task for the command line, without importing what a manifest needs."""

    classification = "classification"
    segmentation = "segmentation"
    tensors = "tensors"


TaskOption = Annotated[
    TaskName | None,
    typer.Option("--task", help="What an .onnx file's outputs are.  [default: by the shape of its first output]"),
]
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="WIDTHxHEIGHT", help="Of an .onnx file's image, where it is free, in px."),
]
Channels = Annotated[
    int | None, typer.Option("--channels", metavar="1|3", help="Grey or RGB, where an .onnx file leaves it free.")
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="NAME=1x80x100", help="Sizes of an input of an .onnx file that takes arrays."),
]
Mean = Annotated[
    str | None, typer.Option("--mean", metavar="X[,X,X]", help="Subtracted from each channel, on the 0..1 scale.")
]
Std = Annotated[str | None, typer.Option("--std", metavar="X[,X,X]", help="Each channel is divided by it, after that.")]
MaxValue = Annotated[
    float | None, typer.Option("--max-value", metavar="X", help="Pixel value that becomes 1.  [default: 255, or 65535]")
]
BitDepth = Annotated[
    int | None, typer.Option("--bit-depth", metavar="8|16", help="Bits of a pixel that are kept.  [default: 8]")
]
PreprocessFile = Annotated[
    Path | None,
    typer.Option("--preprocess", metavar="FILE.toml", help="The same as keys of a file; options go before it."),
]


def file_options(
    file: Path | None = None,
    *,
    task: TaskName | None = None,
    size: str | None = None,
    channels: int | None = None,
    shapes: list[str] | None = None,
    mean: str | None = None,
    std: str | None = None,
    max_value: float | None = None,
    bit_depth: int | None = None,
) -> FileOptions:
    """The options above as `build_engine` takes them. file: TOML with the same settings, which options override.

    Raises InputError for a file that cannot be read, UsageError naming the option with a value that cannot be used.
    """
    from dataclasses import replace

    from edgeneuro.export.file_options import NOTHING_SAID, read_options

    given: dict[str, Any] = {
        "task": None if task is None else task.value,
        "channels": _choice("--channels", channels, (1, 3)),
        "bit_depth": _choice("--bit-depth", bit_depth, (8, 16)),
        "max_value": max_value,
        "mean": _numbers("--mean", mean),
        "std": _numbers("--std", std),
        "shapes": dict(_shape(text) for text in shapes) if shapes else None,
    }
    if size is not None:
        given["width"], given["height"] = _sizes("--size", size, "WIDTHxHEIGHT, as in 320x240", count=2)
    said = {name: value for name, value in given.items() if value is not None}
    return replace(NOTHING_SAID if file is None else read_options(file), **said)


def _choice(option: str, value: int | None, known: tuple[int, ...]) -> int | None:
    if value is not None and value not in known:
        raise _unusable(option, str(value), " or ".join(map(str, known)))
    return value


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise _unusable(option, text, "numbers with commas between them, as in 0.485,0.456,0.406") from error


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.rpartition("=")
    if not name or not equals:
        raise _unusable("--shape", text, "NAME=SIZES, as in spectrum=1x80x100")
    return name, _sizes("--shape", sizes, "NAME=SIZES, as in spectrum=1x80x100")


def _sizes(option: str, text: str, expected: str, count: int | None = None) -> tuple[int, ...]:
    parts = text.lower().split("x")
    if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts) or count not in (
        None,
        len(parts),
    ):
        raise _unusable(option, text, expected)
    return tuple(map(int, parts))


def _unusable(option: str, value: str, expected: str) -> Exception:
    from edgeneuro.errors import UsageError

    return UsageError(f"{option}: got {value!r}, expected {expected}")
