"""The placement search, measured once for each network, target and machine, and kept in the user's cache."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from edgeneuro.calibration import cache
from edgeneuro.errors import InputError
from edgeneuro.export.placement import Bench
from edgeneuro.export.plan import Measured
from edgeneuro.files import canonical_json, sha256
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.cpu import processor_name


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search found. nodes: in INT8, none where nothing is faster than float. measured: every candidate. notes:
    for people."""

    nodes: tuple[str, ...]
    measured: tuple[Measured, ...]
    notes: tuple[str, ...]


def load_search(name: str, bench: Bench, search_s: float) -> tuple[Searched | None, str]:
    """What was found earlier for the same network, ranges, frames, settings, processor and library; else None and what
    differs, in words ("" where nothing was kept). name: of the model."""
    found = cache.load(name, _key(bench, search_s))
    if found.value is None:
        return None, found.stale
    try:
        return from_json(Searched, found.value, "cached placement"), ""
    except InputError as error:
        return None, str(error)


def store_search(name: str, bench: Bench, search_s: float, searched: Searched) -> str:
    """Keep it. Returns "", or why that failed."""
    return cache.store(name, _key(bench, search_s), to_json(searched))


def _key(bench: Bench, search_s: float) -> cache.CacheKey:
    settings = {"plan": to_json(bench.plan), "kept_float": sorted(bench.kept_float), "seconds": search_s}
    return cache.CacheKey(
        model=sha256(bench.model.SerializeToString(deterministic=True)),
        data=cache.identity(bench.feeds),
        preprocessing="as the frames were measured",
        method=f"placement-{bench.form.name}-{bench.threads}-threads",
        libraries={
            "edgeneuro": version("edgeneuro"),
            bench.form.backend: version(bench.form.backend),
            "processor": processor_name(),
        },
        settings=sha256(canonical_json(settings)),
    )
