"""The only writer of measured numbers in README.md: between markers, from what a script has just computed."""

from __future__ import annotations

from pathlib import Path

from edgeneuro.errors import InputError
from edgeneuro.files import write_bytes


def inject(readme: Path, name: str, markdown: str) -> None:
    """Replace what stands between `<!-- results:NAME -->` and `<!-- /results:NAME -->`. Atomic.

    Raises InputError unless each marker stands there once, in this order.
    """
    opening, closing = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
    text = readme.read_text(encoding="utf-8")
    start, end = text.find(opening), text.find(closing)
    if text.count(opening) != 1 or text.count(closing) != 1 or end < start:
        raise InputError(f"{readme}: expected {opening} and after it {closing}, once each; add the two lines")
    before, after = text[: start + len(opening)], text[end:]
    write_bytes(readme, f"{before}\n\n{markdown.strip()}\n\n{after}".encode())
