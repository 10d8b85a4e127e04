"""An engine over sources: one result a frame, an unreadable frame included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeneuro.errors import EdgeNeuroError
from edgeneuro.runtime.engine import Engine, Prediction
from edgeneuro.runtime.sources import read_sources


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """One line of `edgeneuro run`. Exactly one of prediction and error is None."""

    source: str
    index: int
    task: str
    flags: tuple[str, ...]
    prediction: Prediction | None
    error: EdgeNeuroError | None

    def to_json(self) -> dict[str, Any]:
        """As docs/schemas/run.schema.json describes it; ms, class and probabilities are null where error is not."""
        made = self.prediction
        return {
            "source": self.source,
            "frame": self.index,
            "task": self.task,
            "class": None if made is None else made.label,
            "probabilities": None if made is None else dict(made.probabilities),
            "ms": None if made is None else {name: round(value, 4) for name, value in made.ms.items()},
            "flags": list(self.flags),
            "error": None if self.error is None else str(self.error),
        }


def run_sources(engine: Engine, sources: Iterable[str]) -> Iterator[FrameResult]:
    """Results in the order of `sources` and, within each, of `read_sources`; a failed frame stops nothing."""
    for item in read_sources(sources):
        prediction, error = None, item.error
        if item.frame is not None:
            try:
                prediction = engine(item.frame)
            except EdgeNeuroError as problem:
                error = problem
        yield FrameResult(
            source=item.source,
            index=item.index,
            task=engine.manifest.task,
            flags=engine.flags if prediction is None else prediction.flags,
            prediction=prediction,
            error=error,
        )
