"""Reading an .onnx file, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edgeneuro.errors import ModelFileError


def load_onnx(path: Path) -> onnx.ModelProto:
    """The checked model in `path`, weights inside. Raises ModelFileError: unreadable, or weights in a missing file."""
    try:
        model: onnx.ModelProto = onnx.load(str(path))
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path}: cannot be read, {error.filename or error} is missing; "
            "weights kept in a file of their own must lie beside it"
        ) from error
    except (OSError, ValueError, onnx.checker.ValidationError, DecodeError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{path}: is not a readable ONNX file ({first_line}); export it again, with the weights inside or beside it"
        ) from error
    return model
