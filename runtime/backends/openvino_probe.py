"""`python -m edgeneuro.runtime.backends.openvino_probe THREADS STREAMS BATCH FUSED < model.onnx`: does compiling crash?

0 threads: the library's choice; 0 for a batch: left free. A refusal is no crash: the process that asked meets it again,
and reports it.
"""

from __future__ import annotations

import contextlib
import sys

import numpy as np

from edgeneuro.runtime.backends.openvino import Setting, compile_graph


def main(setting: Setting, model: bytes, *, fused: bool) -> None:
    """Compile and run once on zeros, free axes of size 1."""
    with contextlib.suppress(Exception):
        compiled = compile_graph(model, setting.threads, fused=fused, streams=setting.streams, batch=setting.batch)
        zeros = {
            port.get_any_name(): np.zeros(
                [size.get_length() if size.is_static else 1 for size in port.get_partial_shape()],
                port.get_element_type().to_dtype(),
            )
            for port in compiled.inputs
        }
        compiled.create_infer_request().infer(zeros)


if __name__ == "__main__":
    threads, streams, batch, fused = map(int, sys.argv[1:])
    main(Setting(threads or None, streams, batch or None), sys.stdin.buffer.read(), fused=bool(fused))
