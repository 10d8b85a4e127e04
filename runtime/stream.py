"""An engine over sources: one result a frame, an unreadable frame included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeneuro.errors import EdgeNeuroError
from edgeneuro.manifest import Task
from edgeneuro.neuron import Neuron
from edgeneuro.runtime.engine import Engine
from edgeneuro.runtime.postprocess import Prediction, Result, Segmentation
from edgeneuro.runtime.sources import SourceFrame, read_sources
from edgeneuro.runtime.write import OverlayFolder, ResultFolder


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """One line of `edgeneuro run`. Exactly one of result and error is None. file: where the mask or the outputs were
    written, overlay: where the picture was, None where nothing was."""

    source: str
    index: int
    task: Task
    flags: tuple[str, ...]
    result: Result | None
    file: Path | None
    overlay: Path | None
    error: EdgeNeuroError | None

    def to_json(self) -> dict[str, Any]:
        """As docs/schemas/run.schema.json describes it; ms and the fields of the task are null where error is not."""
        made = self.result
        return {
            "source": self.source,
            "frame": self.index,
            "task": self.task,
            **self._fields(),
            "ms": None if made is None else {name: round(value, 4) for name, value in made.ms.items()},
            "flags": list(self.flags),
            "error": None if self.error is None else str(self.error),
        }

    def _fields(self) -> dict[str, Any]:
        """What this task adds."""
        made, file = self.result, None if self.file is None else str(self.file)
        if self.task == "tensors":
            return {"outputs": file}
        overlay = None if self.overlay is None else str(self.overlay)
        if self.task == "segmentation":
            share = made.foreground_fraction if isinstance(made, Segmentation) else None
            return {"mask": file, "foreground_fraction": share, "overlay": overlay}
        if not isinstance(made, Prediction):
            return {"class": None, "probabilities": None, "overlay": overlay}
        quality = {} if made.quality is None else {"quality": made.quality}
        return {"class": made.label, "probabilities": dict(made.probabilities), **quality, "overlay": overlay}


def run_sources(
    engine: Engine, sources: Iterable[str], out: ResultFolder | None = None, overlays: OverlayFolder | None = None
) -> Iterator[FrameResult]:
    """Results in the order of `sources` and, within each, of `read_sources`; a failed frame stops nothing.

    out: where masks and outputs are written, overlays: where pictures are, None writes none. Raises OutputError when one
    of them cannot be written.
    """
    preprocess = engine.manifest.preprocess
    neurons = preprocess is not None and preprocess.drawing is not None
    volumes = preprocess is not None and preprocess.depth is not None
    for item in read_sources(sources, arrays=preprocess is None, neurons=neurons, volumes=volumes):
        yield _run(engine, item, out, overlays)


def _run(engine: Engine, item: SourceFrame, out: ResultFolder | None, overlays: OverlayFolder | None) -> FrameResult:
    result: Result | None = None
    error = item.error
    if item.item is not None:
        try:
            result = engine(item.item)
        except EdgeNeuroError as problem:
            error = problem
    classes, file, picture = engine.manifest.classes, None, None
    if result is not None and out is not None:
        file = out.write(result, item, len(classes))
    if result is not None and item.item is not None and overlays is not None:
        seen = engine.picture(item.item) if isinstance(item.item, Neuron) else item.item
        picture = overlays.write(result, item, seen, classes)
    return FrameResult(
        source=item.source,
        index=item.index,
        task=engine.manifest.task,
        flags=engine.flags if result is None else result.flags,
        result=result,
        file=file,
        overlay=picture,
        error=error,
    )
