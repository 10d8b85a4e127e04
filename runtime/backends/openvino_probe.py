"""`python -m edgeneuro.runtime.backends.openvino_probe THREADS FUSED < model.onnx`: does compiling crash?

A refusal is no crash: the process that asked meets it again, and reports it.
"""

from __future__ import annotations

import contextlib
import sys

import numpy as np

from edgeneuro.runtime.backends.openvino import compile_graph


def main(threads: int | None, model: bytes, *, fused: bool) -> None:
    """Compile and run once on zeros, free axes of size 1."""
    with contextlib.suppress(Exception):
        compiled = compile_graph(model, threads, fused=fused)
        zeros = {
            port.get_any_name(): np.zeros(
                [size.get_length() if size.is_static else 1 for size in port.get_partial_shape()],
                port.get_element_type().to_dtype(),
            )
            for port in compiled.inputs
        }
        compiled.create_infer_request().infer(zeros)


if __name__ == "__main__":
    main(int(sys.argv[1]) or None, sys.stdin.buffer.read(), fused=sys.argv[2] == "1")
