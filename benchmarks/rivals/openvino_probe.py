"""`python -m edgeneuro.benchmarks.rivals.openvino_probe SHAPES SETTINGS < ir`: does compiling and running crash?

SHAPES, SETTINGS: JSON objects, as `compile_ir` takes them. A refusal is no crash: the process that asked meets it again.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeneuro.benchmarks.rivals.openvino_ir import Shapes, compile_ir


def main(ir: bytes, shapes: Shapes, settings: Mapping[str, Any]) -> None:
    """Compile and run once on zeros, free axes of size 1."""
    with contextlib.suppress(Exception):
        compiled = compile_ir(ir, shapes, settings)
        zeros = [
            np.zeros(
                [size.get_length() if size.is_static else 1 for size in port.get_partial_shape()],
                port.get_element_type().to_dtype(),
            )
            for port in compiled.inputs
        ]
        compiled.create_infer_request().infer(zeros)


if __name__ == "__main__":
    main(sys.stdin.buffer.read(), json.loads(sys.argv[1]), json.loads(sys.argv[2]))
