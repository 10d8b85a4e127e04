"""Study on neurites: networks taught by few labels, in rounds, beside those taught by all, every frame judged out of fold.

    python -m edgeneuro.benchmarks.neurite_study neuron_pfc_pn --variant few --variant rounds --fold 0
    python -m edgeneuro.benchmarks.neurite_study phantom-volumes --seed 0 --seed 1
    python -m edgeneuro.benchmarks.neurite_study phantom-neurites --variant all --test-on neuron_pfc_pn --negative
    python -m edgeneuro.benchmarks.neurite_study neuron_pfc_pn --tables

Checkpoints are kept under --out, counts under docs/results/folds; a second start goes on where the first stopped. The table, which
methods without learning (edgeneuro.benchmarks.neurite_baselines) share, and the curve are written from the counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.fewer_operations import FOLDS
from edgeneuro.benchmarks.morphology_tables import folds_of
from edgeneuro.benchmarks.neurite_curve import write_curve
from edgeneuro.benchmarks.neurite_scoring import as_fold, frame_overlaps, overlap_numbers
from edgeneuro.benchmarks.neurite_tables import cross_folder, round_table, run_name, write_cross, write_table
from edgeneuro.benchmarks.neurite_variants import ROUNDS, VARIANTS, Job, Variant, size_of, train_variant, variant_named
from edgeneuro.benchmarks.out_of_fold import Fold
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.sample import Sample
from edgeneuro.data.split import Split
from edgeneuro.metrics.tubes import voxel_overlap
from edgeneuro.spec import Array


def found_masks(checkpoint: Path, dataset: DataSet, samples: Sequence[Sample], *, threads: int) -> list[Array]:
    """Of every sample, True where the network finds a neurite, blended from tiles as on a device. Raises CheckpointError, FrameError."""
    from edgeneuro.training.checkpoint import load_model, read_config
    from edgeneuro.training.masks.score import scene_logits
    from edgeneuro.training.trainer import torch_threads

    network, preprocess = load_model(checkpoint), read_config(checkpoint).frame_preprocess
    with torch_threads(threads):
        return [scene_logits(network, preprocess.whole(dataset.read(sample)), preprocess) > 0 for sample in samples]


def run_variant(variant: Variant, job: Job, dataset: DataSet, split: Split) -> Fold:
    """Train and count on the test part; of a training in rounds also by round, whose tables are `round_table`."""
    trained = train_variant(variant, job, dataset)
    samples = split.part(dataset.samples, "test")
    fold = _judged(trained.checkpoint, dataset, samples, job.threads, {"title": variant.title, **trained.facts})
    if variant.rounds is None or variant.rounds.after < ROUNDS:
        return fold
    truth = [dataset.mask(sample) for sample in samples]
    by_round = []
    for checkpoint in trained.every:
        found = found_masks(checkpoint, dataset, samples, threads=job.threads)
        by_round.append(np.array([overlap_numbers(voxel_overlap(*pair)) for pair in zip(truth, found, strict=True)]))
    by_round += by_round[-1:] * (ROUNDS - len(by_round))  # what came after the end would have been the same network
    tables = {round_table(1 + number): counts.astype(np.float64) for number, counts in enumerate(by_round)}
    return Fold(ids=fold.ids, tables={**fold.tables, **tables}, facts=fold.facts)


def judge_elsewhere(variant: Variant, job: Job, dataset: DataSet, other: DataSet) -> Fold:
    """Counts of the network of `dataset` on every frame of `other`, of which it has seen none."""
    trained = train_variant(variant, job, dataset)
    return _judged(
        trained.checkpoint, other, other.samples, job.threads, {"title": variant.title, "from": dataset.name}
    )


def _judged(
    checkpoint: Path, dataset: DataSet, samples: Sequence[Sample], threads: int, facts: Mapping[str, Any]
) -> Fold:
    found = found_masks(checkpoint, dataset, samples, threads=threads)
    pairs = zip(samples, found, strict=True)
    return as_fold(samples, [frame_overlaps(dataset.mask(sample), mask) for sample, mask in pairs], facts)


def negative(dataset: DataSet) -> DataSet:
    """Every frame with bright and dark exchanged: stains differ in which of them neurites are."""

    def read(sample: Sample) -> Array:
        frame = dataset.read(sample)
        inverted: Array = np.iinfo(frame.dtype).max - frame
        return inverted

    return replace(dataset, name=f"{dataset.name}-negative", reader=read)


def main(
    data: Annotated[str, typer.Argument(help="neuron_pfc_pn, phantom-neurites or phantom-volumes.")],
    variant: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(VARIANTS)}; repeat.")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="Only these folds; repeat.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="These seeds, 0 where not given; repeat.")] = None,
    test_on: Annotated[str | None, typer.Option(help="Judge on every frame of another set, unadapted.")] = None,
    as_negative: Annotated[
        bool, typer.Option("--negative", help="With --test-on, show its frames as negatives.")
    ] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Run nothing, write the tables of what is there.")] = False,
    out: Annotated[Path, typer.Option(help="Where checkpoints are kept.")] = Path("runs/neurites"),
    threads: Annotated[int, typer.Option(help="To learn and to judge with.")] = 1,
) -> None:
    """Run what is missing, then write the table and the curve of everything that is complete."""
    variants = [variant_named(name) for name in variant or VARIANTS]
    dataset = open_data(data)
    size, other = size_of(dataset), None if test_on is None else open_data(test_on)
    if other is not None and as_negative:
        other = negative(other)
    folder = FOLDS / dataset.name if other is None else cross_folder(FOLDS, other, dataset)
    for one in () if tables else variants:
        for random in seed or [0]:
            for number in fold or folds_of(dataset):
                job = Job(data=data, folder=out / dataset.name, size=size, fold=number, seed=random, threads=threads)

                def run(_: DataSet, split: Split, __: Path, one: Variant = one, job: Job = job) -> Fold:
                    if other is not None:
                        return judge_elsewhere(one, job, dataset, other)
                    return run_variant(one, job, dataset, split)

                method = Method(name=run_name(one.name, random), run=run, settings=job.settings(one))
                run_method(method, dataset, [number], folder, random)
    if other is None:
        write_table(dataset, folder)
        write_curve(dataset, folder)
    else:
        write_cross(other, dataset, folder)


if __name__ == "__main__":
    typer.run(main)
