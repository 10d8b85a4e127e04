"""Reconstructions from NeuroMorpho.Org, as a folder that `open_data` takes.

The public interface: https://neuromorpho.org/apiReference.html; data under CC BY 4.0. Neurons are listed by
/api/neuron/select, 500 a page, and their standardised ("CNG") files lie under /dableFiles. One request after another, with a
pause. Written against the documentation and other clients of it; tested against an imitation, never against the server itself.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from edgeneuro.data.polite_http import PoliteReader
from edgeneuro.data.registered import DESCRIPTION, Description
from edgeneuro.data.tables import CONFLICT_COLUMN
from edgeneuro.errors import DataError, OutputError
from edgeneuro.files import write_bytes, write_json
from edgeneuro.records import to_json

HOST = "https://neuromorpho.org"
PAGE = 500
"""Neurons a page, the most that the interface gives."""
MOST_PAGES = 2000
MOST_PAGE_BYTES, MOST_FILE_BYTES = 2**26, 2**26
QUERY = "query.json"
FIELDS = (
    "neuron_name",
    "archive",
    "species",
    "strain",
    "brain_region",
    "cell_type",
    "reconstruction_software",
    "reference_doi",
)
"""Of a neuron's record, kept as columns; lists joined by "; "."""


Track = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, kw_only=True)
class Query:
    """species: as NeuroMorpho.Org names it, e.g. "rat". cell_types: the classes, one query each, e.g. "pyramidal".
    limit: neurons of each at most."""

    species: str
    cell_types: tuple[str, ...]
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a run left in the folder: neurons of each class; those left out, and why."""

    neurons: Mapping[str, int]
    left_out: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One neuron as listed. number: NeuroMorpho.Org's own; values: by name in FIELDS."""

    number: int
    name: str
    archive: str
    values: Mapping[str, str]

    @property
    def file(self) -> str:
        """In the folder: made of the number alone, so no name that a server sends decides where anything is written."""
        return f"swc/NMO_{self.number:05d}.swc"

    @property
    def path(self) -> str:
        """Of the standardised file on the server."""
        return f"/dableFiles/{quote(self.archive.lower(), safe='')}/CNG%20version/{quote(self.name, safe='')}.CNG.swc"


def fetch(query: Query, out: Path, reader: PoliteReader, track: Track = iter) -> Fetched:
    """List what `query` asks for and read every file that `out` does not hold yet; then write labels.csv and dataset.json.

    The label is the cell type, the group the archive, since neurons of one laboratory share style. Files are written whole or
    not at all, and a run that was stopped goes on where it was. A neuron of two of the cell types is listed as a conflict, without its
    file. track: wraps the neurons, for progress. Raises DataError, OutputError for a folder with other contents.
    """
    _claim(query, out, reader.host)
    found: dict[int, tuple[Record, list[str]]] = {}
    for cell_type in query.cell_types:
        for record in list_neurons(query.species, cell_type, reader, query.limit):
            found.setdefault(record.number, (record, []))[1].append(cell_type)
    left_out = Counter[str]()
    rows = []
    for record, labels in track(list(found.values())):
        if len(labels) > 1:
            left_out["of two of the cell types"] += 1
            rows.append(_row(record, labels[0], conflict=True))
        elif (out / record.file).exists() or _fetch_file(record, out, reader):
            rows.append(_row(record, labels[0], conflict=False))
        else:
            left_out["without a standardised file"] += 1
    _describe(query, out, rows)
    counts = Counter(row["label"] for row in rows if row[CONFLICT_COLUMN] == "0")
    return Fetched(neurons={name: counts[name] for name in query.cell_types}, left_out=dict(left_out))


def list_neurons(species: str, cell_type: str, reader: PoliteReader, limit: int | None = None) -> Iterator[Record]:
    """Every listed neuron in order of its number, page after page. Raises DataError where there is none."""
    seen: set[int] = set()
    for page in range(MOST_PAGES):
        query = urlencode(
            {"q": f"species:{_term(species)}", "fq": f"cell_type:{_term(cell_type)}"}
            | {"page": page, "size": PAGE, "sort": "neuron_id,asc"}
        )
        where = f"species {species}, cell type {cell_type}, page {page}"
        body = reader.get(f"/api/neuron/select?{query}", MOST_PAGE_BYTES)
        listed, pages = ((), 0) if body is None else _page(body, where)
        for record in listed:
            if limit is not None and len(seen) >= limit:
                return
            if record.number not in seen:  # a listing that changed between two pages
                seen.add(record.number)
                yield record
        if page + 1 >= pages:
            break
    if not seen:
        raise DataError(
            f"NeuroMorpho.Org: has no neuron of species {species!r} and cell type {cell_type!r}; names are as on "
            "its page Metadata, e.g. rat and pyramidal"
        )


def _term(value: str) -> str:
    """A value of the query, quoted where it is of several words. Raises DataError for what would change the query."""
    if not re.fullmatch(r"[\w ./'+-]+", value):
        raise DataError(f"{value!r}: is no name of a species or cell type, expected letters, digits and spaces")
    return f'"{value}"' if " " in value else value


def _page(body: bytes, where: str) -> tuple[tuple[Record, ...], int]:
    """Records of a page of the listing, and how many pages there are. Raises DataError."""
    try:
        document = json.loads(body)
        if document.get("status") == 404:
            return (), 0
        pages = document["page"]["totalPages"]
        resources = document.get("_embedded", {}).get("neuronResources", [])
        if not isinstance(pages, int):
            raise TypeError("totalPages is no number")
        return tuple(_record(resource) for resource in resources), pages
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"NeuroMorpho.Org: the listing of {where} is not as documented ({error!r}); the interface may have changed"
        ) from error


def _record(resource: Mapping[str, Any]) -> Record:
    """Raises ValueError, KeyError, TypeError for what is not one."""
    number, name, archive = resource["neuron_id"], resource["neuron_name"], resource["archive"]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**31:
        raise ValueError(f"neuron_id {number!r}")
    for text in (name, archive):
        if not isinstance(text, str) or not re.fullmatch(r"[^/\\\x00-\x1f\x7f]{1,200}", text) or set(text) <= {"."}:
            raise ValueError(f"name {text!r} of neuron {number}")
    return Record(number=number, name=name, archive=archive, values={key: _cell(resource.get(key)) for key in FIELDS})


def _cell(value: Any) -> str:
    """A value as one line of text."""
    items = value if isinstance(value, list) else [value]
    text = "; ".join(str(item) for item in items if item is not None)
    return " ".join(text.split())[:1000]


def _fetch_file(record: Record, out: Path, reader: PoliteReader) -> bool:
    """Whether the server has the file; it is then in the folder. Raises DataError."""
    data = reader.get(record.path, MOST_FILE_BYTES)
    if data is None:
        return False
    if not _is_swc(data):
        raise DataError(
            f"{reader.host}{record.path}: is no SWC file ({data[:40]!r} ...), expected lines of seven numbers; "
            "the server may be out of order, run again later"
        )
    write_bytes(out / record.file, data)
    return True


def _is_swc(data: bytes) -> bool:
    """Whether the first and the last line beside comments hold seven numbers: no page of an error, and not cut off."""
    lines = [line.split() for line in data.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    try:
        return len(lines) > 1 and all(len(list(map(float, line))) == 7 for line in (lines[0], lines[-1]))
    except ValueError:
        return False


def _claim(query: Query, out: Path, host: str) -> None:
    """Say in the folder what it is for. Raises OutputError where it holds something else."""
    wanted = {"query": to_json(query), "host": host}
    path = out / QUERY
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read ({error}); choose another --out") from error
    if kept is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(
            f"{out}: holds something else, expected an empty folder or an earlier run; choose another --out"
        )
    if kept is not None and kept != wanted:
        raise OutputError(
            f"{out}: is of another query ({json.dumps(kept)}), asked for {json.dumps(wanted)}; choose another --out"
        )
    if kept is None:
        write_json(path, wanted)


def _row(record: Record, label: str, *, conflict: bool) -> dict[str, str]:
    own = {"file": record.file, "label": label, "neuron_id": str(record.number), CONFLICT_COLUMN: str(int(conflict))}
    return {**own, **record.values}


def _describe(query: Query, out: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """labels.csv and dataset.json."""
    stream = io.StringIO(newline="")
    table = csv.DictWriter(stream, ["file", "label", "neuron_id", CONFLICT_COLUMN, *FIELDS], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_bytes(out / "labels.csv", stream.getvalue().encode())
    description = Description(
        name=f"NeuroMorpho.Org {query.species}",
        group_column="archive",
        classes=tuple(sorted(query.cell_types)),
        licence="CC-BY-4.0",
    )
    write_json(out / DESCRIPTION, to_json(description))
