"""report.html: one file that holds its style, its charts, its pictures and Plotly itself, and is forbidden to use the network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from typing import Any

from edgeneuro.benchmarks.report.blocks import Block, Chart, Page
from edgeneuro.benchmarks.report.summary import DISCLAIMER
from edgeneuro.errors import InputError

NEEDED = ("jinja2", "plotly")
"""Of the extra "report"."""
WORDS = {"good": "Quiet.", "warning": "Note."}
"""Before the first line of a box."""


def check_html() -> None:
    """Raises InputError naming the extra where a library is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"report.html: needs {' and '.join(missing)}, which is not installed; run: pip install 'edgeneuro[report]', or "
            "measure here with --json > A.json and run edgeneuro report A.json --out DIR where it is"
        )


def html(page: Page) -> str:
    """The whole file. Raises InputError where the extra is missing."""
    check_html()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    plotly, script = _plotly(), _own("page.js")
    figures = {chart.name: chart.figure for chart in page.charts()}
    return environment.from_string(_own("page.html.j2")).render(
        page=page,
        disclaimer=DISCLAIMER,
        words=WORDS,
        groups=groups,
        data_url=data_url,
        style=_own("page.css"),
        figures=embedded(figures),
        plotly=plotly,
        script=script,
        policy=policy(plotly, script),
    )


def groups(blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
    """Charts that follow each other as one group, to stand side by side; every other block alone."""
    together: list[Chart] = []
    for block in blocks:
        if isinstance(block, Chart):
            together.append(block)
            continue
        if together:
            yield {"charts": together}
            together = []
        yield {"charts": [], "block": block}
    if together:
        yield {"charts": together}


def data_url(png: bytes) -> str:
    """A picture inside the page."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def policy(*scripts: str) -> str:
    """The Content-Security-Policy: these scripts, by their hashes, and nothing from anywhere else.

    Plotly sets styles by itself and draws pictures from data: URLs.
    """
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def embedded(value: Any) -> str:
    """JSON that can stand in a script element: no "<", so nothing in it can end or open one."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _own(name: str) -> str:
    """A file of this package; line ends as a browser counts them for the hash."""
    return (resources.files("edgeneuro.benchmarks.report") / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _plotly() -> str:
    """plotly.min.js as plotly.py carries it. Raises InputError where it is not what can be embedded."""
    text = (
        (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8").replace("\r\n", "\n")
    )
    if "</script" in text.lower() or "<!--" in text:
        raise InputError("plotly.min.js: holds a tag that ends a script element; install another version of plotly")
    return text
