"""`compare` on tiny networks, as the tests of this folder call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.benchmarks.compare.records import Compared, Comparison, Limits
from edgeneuro.benchmarks.compare.run import compare
from edgeneuro.data.sample import DataSet
from tests.benchmarks.frames import LEVELS, flat_data
from tests.runtime.bundles import SIDE, logits_of

LIMITS = Limits(max_difference=1e-3, min_cosine=0.99, max_drop=None)
ORT = Choice(backends=("onnxruntime",))


def run(
    *paths: Path, data: DataSet | None = None, choice: Choice = ORT, limits: Limits = LIMITS, **more: Any
) -> Comparison:
    return compare(paths, flat_data() if data is None else data, limits=limits, choice=choice, **more)


def one(done: Comparison) -> Compared:
    (found,) = done.executables
    return found


def expected_logits() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(frame, class) of the tiny network for the flat frames."""
    levels = [LEVELS[sample.source.partition("-")[0]] / 255 for sample in flat_data().samples]
    return logits_of(np.array(levels, np.float32)[:, None, None, None])


def pictures() -> list[dict[str, np.ndarray[Any, Any]]]:
    """Inputs of the tiny network."""
    return [{"image": np.full((1, 1, SIDE, SIDE), level, np.float32)} for level in (0.1, 0.5, 0.9)]
