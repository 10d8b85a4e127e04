"""From calibration frames to a plan with placement, and the record of both for the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.calibration.ranges import Range
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split, salted_hash, split_unit
from edgeneuro.errors import DataError
from edgeneuro.export.forms import Form
from edgeneuro.export.golden import input_ranges
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.place import place
from edgeneuro.export.plan import Plan
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Calibration, DataIdentity
from edgeneuro.preprocess import frame_depth
from edgeneuro.spec import Feed


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The plan with its placements, the manifest's record of the frames, and what the user should know.

    forms: the graphs the plan is to be lowered to. input_ranges: of the network's inputs over the frames.
    """

    plan: Plan
    record: Calibration
    forms: tuple[Form, ...]
    input_ranges: Mapping[str, Range]
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
    forms: Sequence[Form],
    *,
    threads: int,
    search_s: float,
    recorded: Plan | None,
    kept_float: Mapping[str, str],
    progress: Callable[[str], None],
) -> Calibrated:
    """Ranges over the `chosen` frames, then for each target of `forms` the placement that is fastest.

    threads, search_s: of the search. recorded: a plan used as it is, so that a build can be repeated to the byte; one
    without placement, as training writes it, has its placement searched. kept_float: node -> why it has to stay.
    """
    progress(f"reading {len(chosen)} calibration frames")
    raw = [model.read(chosen, sample) for sample in chosen.samples]
    feeds = [model.feed(item) for item in raw]
    frames = [item for item in raw if model.preprocess is not None and isinstance(item, np.ndarray)]
    plan = recorded
    if plan is None:
        progress("collecting ranges")
        plan = calibrated_plan(model.graph, feeds)
    record = Calibration(
        data=DataIdentity.of(chosen),
        method=plan.method,
        identity=_identity(feeds),
        bit_depths=tuple(sorted({frame_depth(frame) for frame in frames})),
        smallest_side_px=min((min(frame.shape[:2]) for frame in frames), default=0),
        largest_side_px=max((max(frame.shape[:2]) for frame in frames), default=0),
    )
    seen = input_ranges(feeds)
    if plan.placement:
        return Calibrated(plan=plan, record=record, forms=tuple(forms), input_ranges=seen)
    placed = place(
        model.graph, plan, forms, feeds, threads=threads, search_s=search_s, kept_float=kept_float, progress=progress
    )
    return Calibrated(plan=placed.plan, record=record, forms=tuple(forms), input_ranges=seen, notes=placed.notes)


def _identity(feeds: Sequence[Feed]) -> str:
    digest = sha256()
    for feed in feeds:
        for name in sorted(feed):
            digest.update(feed[name].tobytes())
    return digest.hexdigest()
