"""STANet as a method of the study: train on a fold, build the INT8 engine, run both graphs on the test part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.accuracy import predict
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError


@dataclass(frozen=True, kw_only=True)
class StanetSettings:
    """data: as open_data takes it. threads: of training and of the engine. The rest as TrainSettings has it."""

    data: str
    image_size: int
    epochs: int
    seed: int
    threads: int | None = None

    def document(self) -> dict[str, Any]:
        """What decides the numbers; where the data lies and the number of threads do not belong there."""
        return {key: value for key, value in asdict(self).items() if key not in ("data", "threads")}


def stanet_fold(dataset: DataSet, split: Split, folder: Path, settings: StanetSettings) -> Fold:
    """Checkpoint and engine of fold K are kept in `folder`/foldK and `folder`/foldK.edge; training resumes.

    Calibration frames come from training groups. Raises what training and building raise.
    """
    from edgeneuro.export.build import BuildSettings, build_engine
    from edgeneuro.training.fit import train
    from edgeneuro.training.settings import TrainSettings

    checkpoint, engine = folder / f"fold{split.fold}", folder / f"fold{split.fold}.edge"
    trained = train(
        TrainSettings(
            model="myositis",
            data=settings.data,
            fold=split.fold,
            seed=settings.seed,
            epochs=settings.epochs,
            image_size=settings.image_size,
        ),
        checkpoint,
        resume=True,
        threads=settings.threads,
    )
    manifest = build_engine(
        str(checkpoint), engine, settings=BuildSettings(seed=settings.seed, threads=settings.threads or 1), force=True
    )
    _require_same_test(split, manifest.split)
    test = split.part(dataset.samples, "test")
    with open_predictor(engine, threads=settings.threads) as predictor:
        tables, frame_flags = predict(predictor, dataset, test)
    int8 = next((graph for graph in manifest.graphs if graph.precision == "int8"), None)
    return Fold(
        ids=tuple(frame_id(sample) for sample in test),
        tables={f"stanet-{name}": table for name, table in tables.items()},
        facts={
            "best_epoch": trained.config.best_epoch,
            "epochs_run": len(trained.metrics["history"]),
            "training_seconds": trained.metrics["wall_s"],
            "validation_macro_f1": trained.metrics["validation"]["macro_f1"],
            "hardware": trained.metrics["hardware"],
            "macs": manifest.compute.macs,
            "params": manifest.compute.params,
            "int8_convolutions": None if int8 is None else int8.int8_convolutions,
            "kept_float": None if int8 is None else list(int8.kept_float),
            "frame_flags": frame_flags,
            "notes": list(manifest.notes),
        },
    )


def _require_same_test(split: Split, built: Split | None) -> None:
    """The engine must not have seen the test part under another split."""
    if built is None or set(split.test) & {*built.training, *built.validation, *built.calibration}:
        raise DataError(f"fold {split.fold}: the engine has seen groups of the test part; delete its folder, run again")
