"""Which chunks of a mask are done: a small file for each beside the mask, written after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeneuro.errors import InputError, OutputError
from edgeneuro.files import canonical_json, sha256, write_bytes, write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.segment.records import ChunkRecord, Index3, Job


class Ledger:
    """folder: OUT.ledger, with job.json and a file done/Z/Y/X.json for each chunk of OUT."""

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(f"{out.name}.ledger")

    @property
    def exists(self) -> bool:
        return (self.folder / "job.json").is_file()

    def job(self) -> Job:
        """That the mask was begun with. Raises OutputError for a damaged one."""
        path = self.folder / "job.json"
        try:
            return job_of(path.read_text(encoding="utf-8"))
        except (InputError, OSError, ValueError) as error:
            raise OutputError(f"{path}: cannot be read ({error}); begin again with --force") from error

    def begin(self, job: Job) -> None:
        """Raises OutputError."""
        write_bytes(self.folder / "job.json", text_of(job).encode())

    def find(self, chunk: Index3, job_sha256: str) -> ChunkRecord | None:
        """The record of a chunk that is done, by this job. Raises OutputError for one by another job, or a damaged one."""
        path = self._file(chunk)
        try:
            record = from_json(ChunkRecord, json.loads(path.read_bytes()), str(path))
        except FileNotFoundError:
            return None
        except (InputError, OSError, ValueError) as error:
            raise OutputError(f"{path}: cannot be read ({error}); remove it, then the chunk is made again") from error
        if record.job_sha256 != job_sha256:
            raise OutputError(f"{path}: was made by another job than job.json beside it; begin again with --force")
        return record

    def write(self, record: ChunkRecord) -> None:
        """Raises OutputError."""
        write_json(self._file(record.chunk), to_json(record))

    def _file(self, chunk: Index3) -> Path:
        return self.folder.joinpath("done", str(chunk[0]), str(chunk[1]), f"{chunk[2]}.json")


def text_of(job: Job) -> str:
    """Canonical JSON: what workers are given, and what `job_of` reads."""
    return canonical_json(to_json(job)).decode()


def job_of(text: str) -> Job:
    """Raises InputError, ValueError."""
    return from_json(Job, json.loads(text), "job.json")


def identity(job: Job) -> str:
    """SHA-256 of what the mask depends on; engine and mask may lie elsewhere later."""
    return sha256(canonical_json(_meaning(job)))


def differences(begun: Job, asked: Job) -> Iterator[str]:
    """In words, what would make another mask."""
    before, now = _meaning(begun), _meaning(asked)
    for name, value in before.items():
        if value != now[name]:
            yield f"{name} was {value}, is {now[name]}"


def _meaning(job: Job) -> dict[str, Any]:
    values = to_json(job)
    source = {f"source {name}": value for name, value in values.pop("source").items()}
    return {name: value for name, value in (source | values).items() if name not in ("engine", "out")}
