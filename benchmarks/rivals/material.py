"""What several rivals are made from, made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgeneuro.benchmarks.rivals.rival import RivalSource
from edgeneuro.errors import DataError
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array, Feed

if TYPE_CHECKING:
    import onnx

    from edgeneuro.benchmarks.rivals.network import Network

MOST_FRAMES = 300
"""NNCF's default; the others are given as many."""


class Material:
    """source: of all rivals. frames: calibration feeds, MOST_FRAMES at most. reference: the float graph's outputs for the
    first of them. Raises DataError without frames, BackendError when ONNX Runtime refuses the float graph."""

    def __init__(self, source: RivalSource, threads: int | None) -> None:
        count = min(MOST_FRAMES, len(source.calibration))
        if count == 0:
            raise DataError(
                f"{source.name}: got no calibration frames for its rivals, expected at least 1; give made-up ones"
            )
        self.source, self.threads = source, threads
        self.frames: Sequence[Feed] = [source.calibration[number] for number in range(count)]
        with closing(open_backend("onnxruntime", source.model, threads=threads)) as backend:
            self.reference: Mapping[str, Array] = backend.run(self.frames[0])

    @property
    def graph(self) -> onnx.ModelProto:
        """The float graph, a copy that a quantiser may change."""
        import onnx

        model: onnx.ModelProto = onnx.ModelProto.FromString(self.source.model)
        return model

    @cached_property
    def network(self) -> Network:
        """For PyTorch. Raises CheckpointError, ModelFileError."""
        from edgeneuro.benchmarks.rivals.network import find_network

        return find_network(self.source, self.frames[0])

    @cached_property
    def nncf_graph(self) -> bytes:
        """NNCF's Q/DQ form of the float ONNX graph, which two runtimes are given."""
        from edgeneuro.benchmarks.rivals.quantisers import nncf_raw

        return bytes(nncf_raw(self.graph, self.frames).SerializeToString())


def difference(got: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """Largest absolute difference of any output as a share of that output's largest value; infinite where an output is
    missing, has another shape or is not finite."""
    worst = 0.0
    for name, values in expected.items():
        if name not in got or got[name].shape != values.shape:
            return float("inf")
        largest = max(float(np.abs(values.astype(np.float64)).max(initial=0.0)), 1e-6)
        off = float(np.abs(got[name].astype(np.float64) - values).max(initial=0.0)) / largest
        worst = max(worst, off if np.isfinite(off) else float("inf"))
    return worst
