"""Networks that find neurites: taught by all labels, by few, and by few with the other images of the training part unlabelled.

All but "few" learn from about as many crops, so that what rounds gain is not what longer training would have gained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edgeneuro.data import DataSet
from edgeneuro.data.make_split import make_split
from edgeneuro.data.sample import Sample
from edgeneuro.data.writing import write_folder
from edgeneuro.errors import DataError, UsageError

FEW_GROUPS = 2
"""Of the training part, whose labels are used where labels are few."""
ROUNDS = 5
UNLABELLED = "unlabelled"
"""The one class of a pool: a table without labels has no rows."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A network and how long it learns, chosen by timing batches with one thread (a crop of 192 x 192 px took 74 ms, of 128 x 128 37 ms, of
    32 x 48 x 48 voxels 220 ms on the machine of the tables, busy with other work).

    epochs: with all labels. few: with few, and of round 1. of_round: of every later round. long: with few labels, as many crops as
    all rounds together have. dark: whether neurites are darker than what is around them.
    """

    model: Literal["segmentation-2d", "segmentation-3d"]
    image_size: int
    depth: int | None = None
    width: int = 8
    levels: int = 4
    batch_size: int
    epochs: int
    few: int
    of_round: int
    long: int
    dark: bool = False


SIZES: Mapping[str, Size] = {
    "neuron_pfc_pn": Size(
        model="segmentation-2d", image_size=192, batch_size=8, epochs=12, few=24, of_round=2, long=71, dark=True
    ),
    "phantom-neurites": Size(
        model="segmentation-2d", image_size=128, batch_size=8, epochs=55, few=100, of_round=10, long=366
    ),
    "phantom-volumes": Size(
        model="segmentation-3d", image_size=48, depth=32, batch_size=4, epochs=30, few=50, of_round=6, long=240
    ),
}
"""By data set. With all labels a fold takes about ten minutes of one core, in rounds up to twenty."""


@dataclass(frozen=True, kw_only=True)
class InRounds:
    """run: name of the training, which several variants may judge. after: rounds, of which the best on the validation part is
    judged."""

    run: str
    seeding: Literal["manual", "filter"] = "manual"
    after: int = ROUNDS


@dataclass(frozen=True, kw_only=True)
class Variant:
    """few: learns from the labels of FEW_GROUPS groups alone; long: as long as all rounds together. rounds: None of one training."""

    name: str
    title: str
    few: bool = True
    long: bool = False
    rounds: InRounds | None = None

    def epochs(self, size: Size) -> int:
        """Of its training, or of its first round."""
        return (size.long if self.long else size.few) if self.few else size.epochs


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(name="all", title="U-Net, all labels", few=False),
        Variant(name="few", title="U-Net, few labels"),
        Variant(name="few-long", title="U-Net, few labels, trained as long as in rounds", long=True),
        Variant(name="one-shot", title="few labels, pseudo-labels once", rounds=InRounds(run="rounds", after=2)),
        Variant(name="rounds", title=f"few labels, up to {ROUNDS} rounds", rounds=InRounds(run="rounds")),
        Variant(
            name="rounds-filter",
            title=f"few labels, up to {ROUNDS} rounds, begun with vesselness",
            rounds=InRounds(run="rounds-filter", seeding="filter"),
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run. data: as open_data takes it. folder: of the data set's checkpoints and pools."""

    data: str
    folder: Path
    size: Size
    fold: int
    seed: int = 0
    threads: int = 1

    def place(self, name: str) -> Path:
        """Of a training, or a pool."""
        return self.folder / name / f"fold{self.fold}{f'-seed{self.seed}' if self.seed else ''}"

    def settings(self, variant: Variant) -> dict[str, Any]:
        """What decides the numbers, JSON values."""
        rounds = None if variant.rounds is None else asdict(variant.rounds)
        used = {key: value for key, value in asdict(self.size).items() if key not in ("epochs", "few", "long")}
        return {**used, "epochs": variant.epochs(self.size), "few": variant.few, "rounds": rounds, "seed": self.seed}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """checkpoint: of the network that is judged. every: of all rounds, in order; empty of one training. facts: JSON values."""

    checkpoint: Path
    every: tuple[Path, ...]
    facts: Mapping[str, Any]


def variant_named(name: str) -> Variant:
    """Raises UsageError."""
    if name not in VARIANTS:
        raise UsageError(f"--variant {name}: is not known; expected {', '.join(VARIANTS)}")
    return VARIANTS[name]


def size_of(dataset: DataSet) -> Size:
    """Raises UsageError for a data set without one."""
    name = dataset.name.partition(":")[0]
    if name not in SIZES:
        raise UsageError(f"{dataset.name}: has no size of network, expected {', '.join(SIZES)}; add one to SIZES")
    return SIZES[name]


def train_variant(variant: Variant, job: Job, dataset: DataSet) -> Trained:
    """Goes on where it stopped, returns at once where it is finished. Raises what training raises."""
    from edgeneuro.training.fit import train
    from edgeneuro.training.settings import TrainSettings

    size = job.size
    settings = TrainSettings(
        model=size.model,
        data=job.data,
        fold=job.fold,
        seed=job.seed,
        epochs=variant.epochs(size),
        patience=variant.epochs(size),
        batch_size=size.batch_size,
        image_size=size.image_size,
        depth=size.depth,
        training_share=few_share(dataset, job) if variant.few else 1.0,
        options={"width": size.width, "levels": size.levels},
    )
    if variant.rounds is not None:
        return _in_rounds(settings, variant.rounds, job, dataset)
    done = train(settings, job.place(variant.name), resume=True, threads=job.threads)
    return Trained(checkpoint=done.folder, every=(), facts=_facts(dataset, job, settings.training_share, done.metrics))


def _in_rounds(settings: Any, wanted: InRounds, job: Job, dataset: DataSet) -> Trained:
    from edgeneuro.training.checkpoint import read_metrics
    from edgeneuro.training.fit import TrainResult
    from edgeneuro.training.weak.rounds import CHECKPOINT, RoundSettings, train_rounds
    from edgeneuro.training.weak.rounds import ROUNDS as FOLDER
    from edgeneuro.training.weak.seeding import SeedSettings
    from edgeneuro.training.weak.stopping import StopSettings

    rounds = RoundSettings(
        seeding=wanted.seeding,
        epochs=job.size.of_round,
        seeds=SeedSettings(dark=job.size.dark),
        stop=StopSettings(rounds=ROUNDS),
    )
    pool = write_pool(dataset, job)
    done = train_rounds(settings, str(pool), job.place(wanted.run), rounds, resume=True, threads=job.threads)
    assert isinstance(done, TrainResult)  # without a review, rounds do not wait
    told = done.metrics["rounds"]
    best = kept_after(told["rounds"], wanted.after, rounds.stop)
    every = tuple(done.folder / FOLDER / str(1 + n) / CHECKPOINT for n in range(len(told["rounds"])))
    facts = _facts(dataset, job, settings.training_share, read_metrics(every[best - 1]))
    seen = told["rounds"][: wanted.after]
    facts |= {
        "training_seconds": round(sum(read_metrics(folder)["wall_s"] for folder in every[: wanted.after]), 1),
        "pool": len(seen[0]["confidence"]),
        "corrected": seen[-1]["corrected"],
        "minutes": seen[-1]["minutes"],
        "kept": best,
        "stopped": told["stopped"] if len(told["rounds"]) <= wanted.after else None,
        "learnt_from": [one["learnt_from"] for one in seen],
        "by_round": [one["result"] for one in seen],
    }
    return Trained(checkpoint=every[best - 1], every=every, facts=facts)


def kept_after(rounds: list[dict[str, Any]], number: int, settings: Any) -> int:
    """Which round, counted from 1, a run would have kept that had ended after round `number`: the best on the validation part, the
    last left out where labels had drifted. rounds: as metrics.json has them; settings: StopSettings."""
    from edgeneuro.training.weak.stopping import Round, best_round, why_abort

    results = [Round(**one["result"]) for one in rounds[:number]]
    return 1 + best_round(results[:-1] if why_abort(results, settings) else results)


def _facts(dataset: DataSet, job: Job, share: float, metrics: Mapping[str, Any]) -> dict[str, Any]:
    split = make_split(dataset, fold=job.fold, seed=job.seed, training_share=share)
    return {
        "labelled": len(split.part(dataset.samples, "training")),
        "validation_frames": len(split.part(dataset.samples, "validation")),
        "best_epoch": metrics["best_epoch"],
        "training_seconds": round(metrics["wall_s"], 1),
        "validation_f1": metrics["validation"]["voxel_f1"],
        "hardware": metrics["hardware"],
    }


def few_share(dataset: DataSet, job: Job) -> float:
    """Of the training groups, so that FEW_GROUPS are left. Raises DataError where there are not more."""
    groups = len(make_split(dataset, fold=job.fold, seed=job.seed).training)
    if groups <= FEW_GROUPS:
        raise DataError(
            f"{dataset.name}: has {groups} training groups, expected more than {FEW_GROUPS}; few are all there"
        )
    return FEW_GROUPS / groups


def pool_samples(dataset: DataSet, job: Job) -> tuple[Sample, ...]:
    """Of the training groups whose labels are not used where labels are few; never of the validation or test part."""
    every = make_split(dataset, fold=job.fold, seed=job.seed)
    few = make_split(dataset, fold=job.fold, seed=job.seed, training_share=few_share(dataset, job))
    labelled = set(few.training)
    training = every.part(dataset.samples, "training")
    return tuple(sample for sample in training if every.hash_of(sample) not in labelled)


def write_pool(dataset: DataSet, job: Job) -> Path:
    """A folder of the pool's frames without their masks, under the data set's own name and groups, so that the guards against
    leakage know them. Raises OutputError."""
    out = job.place("pools")
    if not out.exists():
        frames = tuple(replace(sample, target=0, tags={}, mask=None) for sample in pool_samples(dataset, job))
        write_folder(replace(dataset, samples=frames, classes=(UNLABELLED,), subgroups={}, mask_reader=None), out)
    return out
