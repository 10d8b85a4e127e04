"""The client of NeuroMorpho.Org against an imitation: what it leaves in the folder, and what it makes of a bad server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.cli.main import main
from edgeneuro.data import neuromorpho, open_data
from edgeneuro.data.neuromorpho import Query, fetch
from edgeneuro.data.polite_http import PoliteReader
from edgeneuro.errors import DataError, OutputError, UsageError
from tests.data.neuromorpho_server import SWC, Server, running

QUERY = Query(species="rat", cell_types=("pyramidal", "medium spiny"))
LISTING = "/api/neuron/select"


@pytest.fixture
def server() -> Iterator[Server]:
    """Five neurons of two archives, three of them pyramidal."""
    with running(Server()) as server:
        server.add(7, "cell-A", ["Local projecting", "pyramidal", "principal cell"], reference_doi=["10.1/x", "10.1/y"])
        server.add(8, "cell B", ["pyramidal", "principal cell"])
        server.add(9, "c#9?", ["pyramidal"], archive="De Koninck")
        server.add(21, "spiny1", ["medium spiny"])
        server.add(22, "spiny2", ["medium spiny"], archive="De Koninck")
        yield server


def reader(server: Server, waits: list[float] | None = None, **settings: Any) -> PoliteReader:
    """Impatient, and it never sleeps; waits: what it would have slept."""
    kept = waits if waits is not None else []
    return PoliteReader(host=server.url, sleep=kept.append, **{"timeout_s": 0.2, "attempts": 3, **settings})


def test_the_folder_opens_as_a_data_set_grouped_by_archive(server: Server, tmp_path: Path) -> None:
    fetched = fetch(QUERY, tmp_path / "rat", reader(server))
    assert dict(fetched.neurons) == {"pyramidal": 3, "medium spiny": 2} and not fetched.left_out
    data = open_data(str(tmp_path / "rat"))
    assert data.has_neurons and data.classes == ("medium spiny", "pyramidal") and data.licence == "CC-BY-4.0"
    first = data.samples[0]
    assert (first.source, first.target, first.group) == ("swc/NMO_00007.swc", 1, "Test Lab")
    assert first.tags["neuron_name"] == "cell-A" and first.tags["reference_doi"] == "10.1/x; 10.1/y"
    assert {sample.group for sample in data.samples} == {"Test Lab", "De Koninck"}
    assert len(data.neuron(first)) == 4


def test_every_page_is_asked_for_once_and_every_request_waits_for_its_turn(server: Server, tmp_path: Path) -> None:
    waits: list[float] = []
    fetch(QUERY, tmp_path, reader(server, waits, pause_s=5.0))
    pages = [path for path in server.asked if path.startswith(LISTING)]
    assert [path.rpartition("page=")[2].partition("&")[0] for path in pages] == ["0", "1", "0"]
    assert 'fq=cell_type:"medium+spiny"' in pages[2]
    assert len(server.asked) == 3 + 5 and len(waits) == 8
    assert waits[0] == 0.0 and all(4.5 < wait <= 5.0 for wait in waits[1:])


@pytest.mark.parametrize("trouble", [[500, 503], ["slow"], ["cut"], [429, "cut"], ["slow", 502]])
@pytest.mark.parametrize("path", [LISTING, "/dableFiles/test lab/CNG version/cell B.CNG.swc"])
def test_a_server_that_falters_is_asked_again(
    server: Server, tmp_path: Path, trouble: list[int | str], path: str
) -> None:
    server.trouble[path] = list(trouble)
    waits: list[float] = []
    assert sum(fetch(QUERY, tmp_path, reader(server, waits, pause_s=0.0)).neurons.values()) == 5
    assert [wait for wait in waits if wait] == [2.0, 4.0][: len(trouble)]
    assert (tmp_path / "swc/NMO_00008.swc").read_bytes() == SWC


def test_a_server_that_says_how_long_to_wait_is_obeyed(server: Server, tmp_path: Path) -> None:
    server.trouble[LISTING] = ["headers"]
    waits: list[float] = []
    fetch(QUERY, tmp_path, reader(server, waits, pause_s=0.0))
    assert [wait for wait in waits if wait] == [40.0]


def test_a_run_that_failed_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    path = server.add(30, "late", ["medium spiny"])
    server.trouble[path] = ["cut"] * 3
    with pytest.raises(DataError, match=r"late\.CNG\.swc: 3 attempts failed, the last with .*; run again later"):
        fetch(QUERY, tmp_path, reader(server))
    assert not (tmp_path / "swc/NMO_00030.swc").exists() and not (tmp_path / "labels.csv").exists()
    before = server.counts
    fetch(QUERY, tmp_path, reader(server))
    again = server.counts - before
    assert again == {LISTING: 4, path: 1}
    assert len(open_data(str(tmp_path))) == 6


def test_an_interrupt_leaves_whole_files_and_the_next_run_reads_the_rest(server: Server, tmp_path: Path) -> None:
    def two(neurons: Sequence[Any]) -> Iterable[Any]:
        yield from neurons[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(QUERY, tmp_path, reader(server), track=two)
    assert [path.read_bytes() for path in sorted((tmp_path / "swc").iterdir())] == [SWC, SWC]
    before = server.counts
    fetch(QUERY, tmp_path, reader(server))
    assert sum((server.counts - before).values()) == 3 + 3
    assert len(open_data(str(tmp_path))) == 5


def test_neurons_of_two_classes_and_those_without_a_file_are_left_out_and_counted(
    server: Server, tmp_path: Path
) -> None:
    server.add(40, "both", ["pyramidal", "medium spiny"])
    del server.files[server.add(41, "lost", ["pyramidal"])]
    fetched = fetch(QUERY, tmp_path, reader(server))
    assert dict(fetched.left_out) == {"of two of the cell types": 1, "without a standardised file": 1}
    data = open_data(str(tmp_path))
    assert len(data) == 5 and dict(data.dropped) == {"conflicting labels": 1}


def test_a_limit_is_of_every_class(server: Server, tmp_path: Path) -> None:
    fetched = fetch(Query(species="rat", cell_types=QUERY.cell_types, limit=1), tmp_path, reader(server))
    assert dict(fetched.neurons) == {"pyramidal": 1, "medium spiny": 1}


def test_nothing_found_is_said_with_what_was_asked_for(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no neuron of species 'rat' and cell type 'purkinje'"):
        fetch(Query(species="rat", cell_types=("purkinje",)), tmp_path, reader(server))


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "a\\b", "a\nb", "", "x" * 201, 5, None])
def test_a_name_that_is_a_path_is_refused_before_anything_is_written(server: Server, tmp_path: Path, name: Any) -> None:
    server.resources[1]["neuron_name"] = name
    with pytest.raises(DataError, match="page 0 is not as documented"):
        fetch(QUERY, tmp_path / "rat", reader(server))
    assert [path.name for path in tmp_path.rglob("*")] == ["rat", "query.json"]


@pytest.mark.parametrize("number", [0, -3, 2**31, 1.5, "7", "../7", True, None])
def test_a_number_that_is_none_is_refused(server: Server, tmp_path: Path, number: Any) -> None:
    server.resources[0]["neuron_id"] = number
    with pytest.raises(DataError, match="is not as documented"):
        fetch(QUERY, tmp_path, reader(server))


@pytest.mark.parametrize(
    "page", [b"<html>", b"[]", b"{}", b'{"page": {"totalPages": "many"}}', b"[" * 100_000, b"\xff"]
)
def test_a_listing_that_is_none_is_refused(server: Server, tmp_path: Path, page: bytes) -> None:
    server.page = page
    with pytest.raises(DataError, match="listing of species rat, cell type pyramidal, page 0 is not as documented"):
        fetch(QUERY, tmp_path, reader(server))


@pytest.mark.parametrize(
    "body", [b"<html>down for maintenance</html>", b"", SWC[:-4], b"# a comment\n", b"1 1 0 0 0 5 x\n" * 2]
)
def test_what_is_no_whole_swc_file_is_not_kept(server: Server, tmp_path: Path, body: bytes) -> None:
    server.files["/dableFiles/test lab/CNG version/cell-A.CNG.swc"] = body
    with pytest.raises(DataError, match="is no SWC file"):
        fetch(QUERY, tmp_path, reader(server))
    assert not (tmp_path / "swc").exists()


def test_a_body_beyond_the_bound_is_refused_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neuromorpho, "MOST_FILE_BYTES", len(SWC) - 1)
    with pytest.raises(DataError, match=f"is larger than {len(SWC) - 1} bytes"):
        fetch(QUERY, tmp_path, reader(server))
    assert sum(server.counts.values()) == 3 + 1


def test_another_server_is_never_followed_to(server: Server, tmp_path: Path) -> None:
    server.trouble[LISTING] = [302]
    with pytest.raises(DataError, match=r"is redirected to http://127\.0\.0\.1:9/elsewhere, expected the same server"):
        fetch(QUERY, tmp_path, reader(server))


def test_a_connection_that_is_not_safe_is_not_used(server: Server, tmp_path: Path) -> None:
    server.url = server.url.replace("http:", "https:")  # which this one does not speak
    with pytest.raises(DataError, match="no safe connection"):
        fetch(QUERY, tmp_path, reader(server))
    assert not server.asked


def test_a_refusal_is_not_repeated(server: Server, tmp_path: Path) -> None:
    server.trouble[LISTING] = [400]
    with pytest.raises(DataError, match="is refused \\(400"):
        fetch(QUERY, tmp_path, reader(server))
    assert server.counts[LISTING] == 1


def test_a_query_cannot_carry_another_one(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no name of a species or cell type"):
        fetch(Query(species='rat" OR species:"mouse', cell_types=("pyramidal",)), tmp_path, reader(server))
    assert not server.asked


@pytest.mark.parametrize(
    "host",
    ["http://neuromorpho.org", "neuromorpho.org", "ftp://127.0.0.1", "https://neuromorpho.org/api", "file:///etc", ""],
)
def test_a_host_is_https_and_nothing_but_a_server(host: str) -> None:
    with pytest.raises(UsageError, match="expected https:// and the name of a server"):
        PoliteReader(host=host)


def test_a_folder_with_other_contents_is_not_touched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match="holds something else"):
        fetch(QUERY, tmp_path, reader(server))
    fetch(QUERY, tmp_path / "rat", reader(server))
    with pytest.raises(OutputError, match="is of another query"):
        fetch(Query(species="rat", cell_types=("pyramidal",)), tmp_path / "rat", reader(server))


def test_the_command_fetches_and_says_what_it_has(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeneuro.data.polite_http.PoliteReader", partial(PoliteReader, pause_s=0.0))
    where = ["--out", str(tmp_path / "rat"), "--host", server.url]
    types = ["--cell-type", "pyramidal", "--cell-type", "medium spiny"]
    assert main(["data", "fetch-neuromorpho", "--species", "rat", *types, *where]) == 0
    assert "rat: 5 neurons (pyramidal: 3, medium spiny: 2); left out: none" in capsys.readouterr().out
    assert json.loads((tmp_path / "rat" / "query.json").read_text())["host"] == server.url
