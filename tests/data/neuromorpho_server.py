"""An imitation of NeuroMorpho.Org on this machine: its listing, its files, and what goes wrong with servers."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SWC = b"# NeuroMorpho.Org\n1 1 0 0 0 5 -1\n2 3 0 20 0 0.5 1\n3 3 0 40 0 0.5 2\n4 2 0 -30 0 0.2 1\n"


@dataclass
class Server:
    """resources: of the listing. files: path -> body. trouble: path -> what the next requests of it meet, first one first:
    a status, "slow" (seconds, longer than readers wait), "cut" (half the body), "headers" (a status of 429 with Retry-After)."""

    url: str = ""
    resources: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    trouble: dict[str, list[int | str]] = field(default_factory=dict)
    page_size: int = 2
    asked: list[str] = field(default_factory=list)
    page: bytes | None = None

    def add(self, number: int, name: str, cell_types: list[str], archive: str = "Test Lab", **more: Any) -> str:
        """A rat's neuron, and the path of its file."""
        record = {
            "neuron_id": number,
            "neuron_name": name,
            "archive": archive,
            "species": "rat",
            "cell_type": cell_types,
        }
        self.resources.append(record | more)
        path = f"/dableFiles/{archive.lower()}/CNG version/{name}.CNG.swc"
        self.files[path] = SWC
        return path

    @property
    def counts(self) -> Counter[str]:
        """Requests of each path, queries left out."""
        return Counter(urlsplit(path).path for path in self.asked)

    def body(self, target: str) -> bytes | None:
        """What the real one would answer, None for 404."""
        parts = urlsplit(target)
        if unquote(parts.path) in self.files:
            return self.files[unquote(parts.path)]
        if parts.path != "/api/neuron/select":
            return None
        if self.page is not None:
            return self.page
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        species, kind = (query[key].partition(":")[2].strip('"') for key in ("q", "fq"))
        found = [row for row in self.resources if row["species"] == species and kind in row["cell_type"]]
        size, page = min(self.page_size, int(query["size"])), int(query["page"])
        if not found:
            return json.dumps({"status": 404, "error": "Not Found"}).encode()
        listed = found[page * size : (page + 1) * size]
        pages = -(-len(found) // size)
        facts = {"size": size, "totalElements": len(found), "totalPages": pages, "number": page}
        return json.dumps({"_embedded": {"neuronResources": listed}, "page": facts}).encode()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """`server` on a free port of this machine, its url set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(unquote(self.path))
            met = server.trouble.get(unquote(urlsplit(self.path).path), [])
            trouble = met.pop(0) if met else None
            if trouble == "slow":
                time.sleep(0.4)
                return
            body = server.body(self.path)
            status = 404 if body is None else 200
            if trouble is not None and trouble != "cut":
                status = 429 if trouble == "headers" else int(trouble)
            body = b"" if body is None or status != 200 else body
            self.send_response(status)
            if trouble == "headers":
                self.send_header("Retry-After", "40")
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if trouble == "cut" else body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
