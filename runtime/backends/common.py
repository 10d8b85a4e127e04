"""What every backend needs."""

from __future__ import annotations

from edgeneuro.errors import BackendError
from edgeneuro.runtime.onnx_wire import has_outside_weights


def refuse_outside_weights(model: bytes, library: str) -> None:
    """Bytes that were verified must be all there is: a graph may not name files to read weights from.

    library: its name and version, for messages. Raises BackendError: weights kept outside, or not ONNX.
    """
    try:
        outside = has_outside_weights(model)
    except ValueError as error:
        raise BackendError(f"{library}: refuses the graph (not ONNX: {error}); build the engine again") from error
    if outside:
        raise BackendError(
            f"{library}: refuses the graph (it keeps weights in another file); save it with the "
            "weights inside, or build an engine from it with `edgeneuro build-engine`"
        )


def first_line(error: Exception) -> str:
    """A library's message, without what follows its first line."""
    return str(error).strip().partition("\n")[0]
