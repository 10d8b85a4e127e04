"""`python -m edgeneuro.runtime.backends.trt.build_child FOLDER < model.onnx`, by `builder`.

A process of its own, since a crash or a shortage of memory in the builder must not end the caller, and since a small
device has no memory for torch beside it. FOLDER has request.json and timing_cache; it gets answer.json, and with an
engine `engine` and a new timing_cache. Standard output carries progress, a line each.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.errors import BackendError
from edgeneuro.files import write_bytes, write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.backends.trt.build import Job, build_here
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.records import BuildReport, BuildSettings, Flavour

REQUEST, ANSWER, ENGINE, TIMING_CACHE = "request.json", "answer.json", "engine", "timing_cache"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to build, but for the graph."""

    flavour: Flavour
    settings: BuildSettings
    uint8_is_error: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """report: None where there is no engine. refusal: why, in words for the user."""

    report: BuildReport | None = None
    refusal: str = ""


def main(folder: Path, model: bytes) -> None:
    """Build what `folder` asks for, and leave the answer there."""
    request = from_json(Request, json.loads((folder / REQUEST).read_bytes()), REQUEST)
    job = Job(
        model=model,
        settings=request.settings,
        timing_cache=(folder / TIMING_CACHE).read_bytes(),
        uint8_is_error=request.uint8_is_error,
    )
    try:
        built = build_here(job, open_library(request.flavour), _tell)
    except BackendError as error:
        write_json(folder / ANSWER, to_json(Answer(refusal=str(error))))
        return
    write_bytes(folder / ENGINE, built.content)
    write_bytes(folder / TIMING_CACHE, built.timing_cache)
    write_json(folder / ANSWER, to_json(Answer(report=built.report)))


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer.read())
