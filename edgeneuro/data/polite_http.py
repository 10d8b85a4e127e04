"""Reading from somebody else's web server: one request after another, not too often, again where it falters."""

from __future__ import annotations

import http.client
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

from edgeneuro.errors import DataError, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AGAIN = (429, 500, 502, 503, 504)
"""Statuses of a server that may answer a moment later."""
LONGEST_WAIT_S = 300.0

_log = logging.getLogger(__name__)


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to the same server by the same scheme, and refuses any other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            raise DataError(f"{req.full_url}: is redirected to {newurl}, expected the same server; look at it by hand")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(kw_only=True)
class PoliteReader:
    """GET requests to one server.

    host: "https://NAME"; http only to this machine, where tests run. pause_s: from the end of a request to the next. attempts:
    in all. wait_s: before the second attempt, twice as long before every further one; a server that says Retry-After is
    obeyed up to LONGEST_WAIT_S. timeout_s: without a byte. Raises UsageError for another kind of host.
    """

    host: str
    pause_s: float = 1.0
    attempts: int = 6
    wait_s: float = 2.0
    timeout_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    _ended: float = field(default=float("-inf"), init=False)
    _opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.host)
        local = parts.hostname in LOOPBACK
        schemes = ("https", "http") if local else ("https",)
        if (
            not parts.hostname
            or parts.scheme not in schemes
            or self.host.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
        ):
            raise UsageError(f"--host {self.host}: expected https:// and the name of a server, without a path")
        proxies = [urllib.request.ProxyHandler({})] if local else []
        self._opener = urllib.request.build_opener(_SameServer, *proxies)

    def get(self, path: str, most_bytes: int) -> bytes | None:
        """The whole body of HOST/path, None where the server has no such thing (404). path: quoted, from its first slash.

        Raises DataError for other refusals, for a body larger than most_bytes, and for what keeps failing.
        """
        url, problem, asked = self.host.rstrip("/") + path, "", 0.0
        for attempt in range(self.attempts):
            if attempt:
                wait = min(max(self.wait_s * 2 ** (attempt - 1), asked), LONGEST_WAIT_S)
                _log.info("%s: %s; again in %.0f s", url, problem, wait)
                self.sleep(wait)
            try:
                return self._once(url, most_bytes)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 404:
                        return None
                    if error.code not in AGAIN:
                        raise DataError(
                            f"{url}: is refused ({error.code} {error.reason}); check the request"
                        ) from error
                    problem, asked = f"{error.code} {error.reason}", _seconds(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:  # no connection, no answer, half an answer
                _refuse_unsafe(url, error)
                problem, asked = str(getattr(error, "reason", "") or error) or type(error).__name__, 0.0
        raise DataError(
            f"{url}: {self.attempts} attempts failed, the last with {problem}; run again later, it goes on from here"
        )

    def _once(self, url: str, most_bytes: int) -> bytes:
        from edgeneuro import __version__

        self.sleep(max(0.0, self._ended + self.pause_s - time.monotonic()))
        request = urllib.request.Request(url, headers={"User-Agent": f"edgeneuro/{__version__}"})
        try:
            with self._opener.open(request, timeout=self.timeout_s) as answer:
                body: bytes = answer.read(most_bytes + 1)
                missing = answer.length  # of what was announced: a read of so many bytes does not look at it
        finally:
            self._ended = time.monotonic()
        if len(body) > most_bytes:
            raise DataError(f"{url}: is larger than {most_bytes:,} bytes, expected less; look at it by hand")
        if missing:
            raise http.client.IncompleteRead(body, missing)
        return body


def _seconds(header: str | None) -> float:
    """Of a Retry-After header; 0 where there is none, or a date."""
    return float(header) if header and header.isdecimal() else 0.0


def _refuse_unsafe(url: str, error: Exception) -> None:
    """Raise DataError where no safe connection can be made: a second attempt does not mend that, and nothing goes around it."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLError):
        raise DataError(
            f"{url}: no safe connection ({reason}); name a file with further authorities in SSL_CERT_FILE, or ask whoever "
            "runs the server"
        ) from error
