"""What a trained checkpoint says of the test part of its fold, as studies keep it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeneuro.benchmarks.accuracy import predict
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.data import DataSet
from edgeneuro.data.sample import Sample
from edgeneuro.data.split import Split
from edgeneuro.training.fit import TrainResult


def trained_fold(
    trained: TrainResult, name: str, dataset: DataSet, split: Split, *, engine: bool, threads: int, seed: int
) -> Fold:
    """Predictions of the float network under `name`; with `engine` also those of its INT8 engine, under `name`-int8.

    The bundle is left beside the checkpoint. facts: its operations and bytes, and how training went.
    """
    test = split.part(dataset.samples, "test")
    tables, facts = _predictions(trained, name, dataset, test, engine=engine, threads=threads, seed=seed)
    return Fold(
        ids=tuple(frame_id(sample) for sample in test),
        tables=tables,
        facts={
            **facts,
            "best_epoch": trained.config.best_epoch,
            "epochs_run": len(trained.metrics["history"]),
            "training_seconds": round(trained.metrics["wall_s"], 1),
            "validation_macro_f1": trained.metrics["validation"]["macro_f1"],
            "validation_balanced_accuracy": trained.metrics["validation"]["balanced_accuracy"],
            "hardware": trained.metrics["hardware"],
        },
    )


def _predictions(
    trained: TrainResult,
    name: str,
    dataset: DataSet,
    test: Sequence[Sample],
    *,
    engine: bool,
    threads: int,
    seed: int,
) -> tuple[dict[str, Probabilities], dict[str, Any]]:
    from edgeneuro.export.build import BuildSettings, build_engine

    bundle = trained.folder.with_suffix(".edge")
    settings = BuildSettings(precision="int8" if engine else "fp32", threads=threads, seed=seed)
    manifest = build_engine(str(trained.folder), bundle, settings=settings, force=True)
    with open_predictor(bundle, threads=threads) as predictor:
        tables, _ = predict(predictor, dataset.drawn_as(predictor.drawing), test)
    kept = tables if engine else {"fp32": tables["fp32"]}
    return (
        {name if graph == "fp32" else f"{name}-{graph}": table for graph, table in kept.items()},
        {"macs": manifest.compute.macs, "params": manifest.compute.params, "notes": list(manifest.notes)},
    )
