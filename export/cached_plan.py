"""Plans from the cache where nothing they depend on has changed, else calibrated anew and kept."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from edgeneuro.calibration import cache
from edgeneuro.calibration.collect import Track
from edgeneuro.errors import BundleError
from edgeneuro.export.make_plan import calibrated_plans
from edgeneuro.export.nncf_ranges import NNCF_METHODS
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import FloatModel
from edgeneuro.files import canonical_json, sha256
from edgeneuro.records import to_json
from edgeneuro.spec import Feed


def cached_plans(
    model: FloatModel, feeds: Sequence[Feed], methods: Sequence[str], *, track: Track = lambda feeds: feeds
) -> tuple[dict[str, Plan], tuple[str, ...]]:
    """A plan without placement for each of `methods`, and what to tell about the cache. Raises as `calibrated_plans`."""
    keys = {method: _key(model, feeds, method) for method in methods}
    plans: dict[str, Plan] = {}
    notes: list[str] = []
    for method, key in keys.items():
        plan, stale = _load(model.name, key)
        if plan is not None:
            plans[method] = plan
        elif stale:
            notes.append(f"{method}: {stale}; calibrated again")
    if plans:
        notes.insert(0, f"ranges from the cache: {', '.join(plans)}")
    missing = [method for method in methods if method not in plans]
    made = calibrated_plans(model.graph, feeds, missing, track=track) if missing else {}
    notes += [cache.store(model.name, keys[method], to_json(plan)) for method, plan in made.items()]
    plans |= made
    return {method: plans[method] for method in methods}, tuple(note for note in notes if note)


def _load(name: str, key: cache.CacheKey) -> tuple[Plan | None, str]:
    found = cache.load(name, key)
    if found.value is None:
        return None, found.stale
    try:
        return Plan.from_bytes(canonical_json(found.value)), ""
    except BundleError as error:
        return None, f"cached ranges cannot be read ({error})"


def _key(model: FloatModel, feeds: Sequence[Feed], method: str) -> cache.CacheKey:
    libraries = ("edgeneuro", "numpy", "onnxruntime", *(("nncf",) if method in NNCF_METHODS else ()))
    return cache.CacheKey(
        model=sha256(model.graph.SerializeToString(deterministic=True)),
        data=cache.identity(feeds),
        preprocessing=canonical_json(to_json(model.preprocess)).decode(),
        method=method,
        libraries={name: version(name) for name in libraries},
    )
