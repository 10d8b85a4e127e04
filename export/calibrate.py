"""From calibration frames to a plan with placement, and the record of both for the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split, salted_hash, split_unit
from edgeneuro.errors import DataError
from edgeneuro.export.lower_ort import FORMS, TARGET, Form
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.placement import best_candidate, search_placement, time_again
from edgeneuro.export.plan import Measured, Plan
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Calibration, DataIdentity
from edgeneuro.preprocess import frame_depth
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Float32

SEARCH_FRAMES = 16
"""Calibration frames that the placement search runs."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The plan with its placement, the manifest's record of the frames, and what the user should know."""

    plan: Plan
    record: Calibration
    notes: tuple[str, ...] = ()


def calibration_frames(
    source: DataSet, split: Split | None, count: int, rng: np.random.Generator
) -> tuple[DataSet, Split | None]:
    """Up to `count` frames of `source`, none from validation or test groups, and the split with their groups noted.

    Raises DataError when nothing is left.
    """
    samples = source.samples
    if split is not None:
        kept_back = {*split.validation, *split.test}
        samples = tuple(sample for sample in samples if split.hash_of(sample) not in kept_back)
    if not samples:
        raise DataError(
            f"{source.name}: all {len(source)} frames belong to validation or test groups of this model; "
            "give other recordings with --calibration"
        )
    chosen = choose_samples(samples, count, rng)
    if split is not None:
        units = {split_unit(sample, split.protocol) for sample in chosen}
        split = replace(split, calibration=tuple(sorted(salted_hash(split.salt, unit) for unit in units)))
    return source.subset(chosen), split


def calibrate(
    model: FloatModel,
    chosen: DataSet,
    *,
    threads: int,
    search_s: float,
    recorded: Plan | None,
    progress: Callable[[str], None],
) -> Calibrated:
    """Ranges from NNCF over the `chosen` frames, then the placement that is fastest on this machine.

    threads, search_s: of the search. recorded: a plan used as it is, so that a build can be repeated to the byte.
    """
    progress(f"reading {len(chosen)} calibration frames")
    raw = [chosen.read(sample) for sample in chosen.samples]
    frames = [model.preprocess(frame) for frame in raw]
    record = Calibration(
        data=DataIdentity.of(chosen),
        method="recorded plan" if recorded else "",
        identity=_identity(frames),
        bit_depths=tuple(sorted({frame_depth(frame) for frame in raw})),
        smallest_side_px=min(min(frame.shape[:2]) for frame in raw),
        largest_side_px=max(max(frame.shape[:2]) for frame in raw),
    )
    if recorded is not None:
        return Calibrated(plan=recorded, record=replace(record, method=recorded.method))
    progress("collecting ranges with NNCF")
    plan = calibrated_plan(model.graph, frames)
    progress("measuring which layers gain from INT8")
    plan, notes = _placed(model, plan, np.stack(frames[:SEARCH_FRAMES]), threads, search_s)
    return Calibrated(plan=plan, record=replace(record, method=plan.method), notes=notes)


def usable_forms() -> tuple[Form, ...]:
    """The lowered forms this processor can run, and so check, best first."""
    return tuple(form for form in FORMS if cpu_features().issuperset(form.requires))


def _placed(
    model: FloatModel, plan: Plan, frames: Float32, threads: int, search_s: float
) -> tuple[Plan, tuple[str, ...]]:
    forms = usable_forms()
    if not forms:
        note = "INT8 was asked for, but this processor runs none of the INT8 forms there are, so none could be checked"
        return replace(plan, placement={TARGET: ()}), (note,)
    measuring = (model.graph, plan, forms[0])
    candidates = search_placement(*measuring, frames, threads=threads, budget_s=search_s / 2)
    best = best_candidate(candidates)
    ratio = time_again(*measuring, best, frames, threads=threads, budget_s=search_s / 2) if best else 1.0
    chosen = best if ratio < 1.0 else None
    measured = tuple(
        Measured(target=TARGET, name=item.name, time_ratio=round(item.time_ratio, 3), error=round(item.error, 5))
        for item in candidates
    )
    plan = replace(plan, placement={TARGET: chosen.nodes if chosen else ()}, measured=measured)
    how = f"of the float time (one frame, {threads} thread{'s' if threads > 1 else ''})"
    if not candidates:
        return plan, ("INT8 was asked for, but the network has no layer that could run in INT8; kept in float",)
    if chosen is None:
        tried = best or candidates[0]
        fastest = f"the fastest, {tried.name}, takes {max(tried.time_ratio, ratio):.2f} {how}"
        return plan, (f"INT8 was asked for, but no placement is faster than float here ({fastest}); kept in float",)
    return plan, (f"placement: {chosen.name}; {ratio:.2f} {how}",)


def _identity(frames: list[Float32]) -> str:
    digest = sha256()
    for frame in frames:
        digest.update(frame.tobytes())
    return digest.hexdigest()
