"""The steps that trials and the final run are made of: cut, train on, build. None of them looks at the test part.

`train` scores the test part of the split it is given, so it is given the base's split with the validation part in its
place, and what it says under `test` is dropped. `build_engine` measures accuracy on groups that a checkpoint has not seen
where it is given labels, so it is given none.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from edgeneuro.data import DataSet, Split, open_data
from edgeneuro.errors import OutputError, UsageError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.compress.records import BaseFacts, Candidate, SearchSettings
from edgeneuro.export.distil.teacher import open_teacher
from edgeneuro.export.forms import FORMS, ONNXRUNTIME
from edgeneuro.export.keep_float import KeepFloat
from edgeneuro.export.prune.count import Count, count
from edgeneuro.export.prune.names import under
from edgeneuro.export.prune.run import LEARNING_RATE_SHARE
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.prune.start import pruned_start
from edgeneuro.export.qat import form_to_train
from edgeneuro.export.sensitivity_run import SensitivitySettings, measure_sensitivity
from edgeneuro.export.targets import executes
from edgeneuro.models import model_entry
from edgeneuro.training.checkpoint import (
    CONFIG,
    load_model,
    read_config,
    read_metrics,
    read_split,
    write_checkpoint,
)
from edgeneuro.training.fit import train
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.keeper import OnProgress
from edgeneuro.training.run import part_of
from edgeneuro.training.teaching import Teaching

CALIBRATION_FRAMES = 64
"""For the bundle of a trial; a bundle for good takes edgeneuro.export.build's own number."""
SEARCH_S = 2.0
"""Seconds that a trial's bundle has for the search of its placement, on each target."""
RANKED_ON = 8
"""Frames on which layers are ranked by what INT8 costs them."""
BLOCKS_ONLY = 0.999
"""Share of operations to keep where only blocks go, or all that has to go."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The base's data. Nothing of the test part is read before the search has ended."""

    whole: DataSet
    training: DataSet
    validation: DataSet
    test: DataSet


def open_parts(settings: SearchSettings) -> Parts:
    """By the split of the base. No frame is read. Raises DataError, CheckpointError."""
    base = Path(settings.base)
    plain = settings_of(
        base,
        epochs=1,
        seed=settings.seed,
        data=settings.data,
        label_column=settings.label_column,
        group_column=settings.group_column,
    )
    whole = open_data(plain.source, label_column=plain.label_column, group_column=plain.group_column)
    whole = whole.drawn_as(read_config(base).frame_preprocess.drawing)
    split = read_split(base)
    return Parts(
        whole=whole,
        training=part_of(whole, split, "training"),
        validation=part_of(whole, split, "validation"),
        test=part_of(whole, split, "test"),
    )


def without_test(split: Split) -> Split:
    """The split with the validation part where the test part was."""
    return replace(split, test=split.validation)


def cut_settings(base: BaseFacts, candidate: Candidate) -> CutSettings | None:
    """What is taken away at the candidate's input size; None where the smaller input is enough."""
    share = candidate.share * base.macs / base.macs_at(candidate.image_size)
    if share >= 1.0 and not candidate.removed:
        return None
    return CutSettings(
        target_macs=min(share, BLOCKS_ONLY),
        strength={
            name: factor
            for name, factor in candidate.strength.items()
            if not any(under(name, block) for block in candidate.removed)
        },
        removed=candidate.removed,
    )


def cut_checkpoint(
    settings: SearchSettings, base: BaseFacts, candidate: Candidate, training: DataSet, out: Path
) -> None:
    """Write the base, cut for the candidate and not trained on, to the folder `out`; nothing to do where it is there.

    Raises UsageError where the cut is impossible.
    """
    if (out / CONFIG).exists():
        return
    source = Path(settings.base)
    start = pruned_start(source, cut_settings(base, candidate), image_size=candidate.image_size, seed=settings.seed)
    with TemporaryDirectory(prefix="edgeneuro-") as kept:
        trainee = start.prepare(training, Path(kept))
    network, ranges = trainee.finish(trainee.network)
    config = replace(
        read_config(source),
        preprocess=start.preprocess,
        seed=settings.seed,
        epochs=0,
        best_epoch=0,
        made_from=start.made_from,
        ancestors=start.ancestors,
        taught={},
        surgery=trainee.surgery,
        initial=None,
    )
    _make(out)
    write_checkpoint(out, network=network, config=config, metrics=dict(trainee.notes), split=start.split, ranges=ranges)


def size_of(checkpoint: Path) -> Count:
    """Parameters, and multiply-accumulates at its own input size."""
    return count(load_model(checkpoint), torch.zeros(1, *read_config(checkpoint).input_shape))


def teaching_of(settings: SearchSettings, test: DataSet) -> Teaching:
    """Soft targets of the teacher, which is the base where the search names no other.

    test: the test part, of which no frame is read. Raises UsageError for a teacher that has learnt from it, and what
    open_teacher raises.
    """
    teacher = open_teacher(settings.teacher or settings.base, threads=settings.threads)
    seen = teacher.split.part(test.samples, "training") if teacher.split is not None else ()
    if seen:
        raise UsageError(
            f"teacher {settings.teacher}: was trained on {len(seen)} of the {len(test)} frames of the base's test part, "
            "and would tell the student about them; give one trained with the same fold"
        )
    return Teaching(teacher=teacher)


def train_on(
    source: Path,
    out: Path,
    settings: SearchSettings,
    *,
    epochs: int,
    teaching: Teaching | None,
    progress: OnProgress = lambda _: None,
) -> dict[str, Any]:
    """Train the checkpoint `source` on and write the result to the folder `out`, with the same split; returns its
    metrics, without `test`. Goes on where a killed run left off, and returns at once where it had finished."""
    work = unfinished(out)
    if (out / CONFIG).exists():
        shutil.rmtree(work, ignore_errors=True)
        return read_metrics(out)
    start = pruned_start(source, None)
    result = train(
        settings_of(
            source,
            epochs=epochs,
            seed=settings.seed,
            learning_rate=LEARNING_RATE_SHARE * model_entry(read_config(source).model).learning_rate,
            data=settings.data,
            label_column=settings.label_column,
            group_column=settings.group_column,
        ),
        work,
        start=replace(start, split=without_test(start.split)),
        teaching=teaching,
        resume=True,
        threads=settings.threads,
        progress=progress,
    )
    metrics = {name: value for name, value in result.metrics.items() if name != "test"}
    metrics["before"] = {"validation": metrics["before"]["validation"]}
    _make(out)
    write_checkpoint(out, network=load_model(work), config=result.config, metrics=metrics, split=start.split)
    shutil.rmtree(work)
    return metrics


def unfinished(out: Path) -> Path:
    """Where `train_on` works until it writes `out`."""
    return out.with_name(f"{out.name}-unfinished")


def build_bundle(
    checkpoint: Path, out: Path, candidate: Candidate, settings: SearchSettings, training: DataSet
) -> None:
    """Write the bundle a checkpoint would ship as, for the backends of the search or all that run here, its accuracy not
    measured; nothing to do where `out` is there."""
    if out.exists():
        return
    kept = keep_float(checkpoint, candidate, settings, training)
    build_engine(
        str(checkpoint),
        out,
        settings=BuildSettings(
            precision=candidate.precision,
            backends=settings.backends or runnable(),
            calibration_frames=CALIBRATION_FRAMES,
            threads=settings.threads,
            search_s=SEARCH_S,
            seed=settings.seed,
            keep_float=kept,
        ),
        data=unlabelled(training),
        calibration=training,
        force=True,  # another trial may have written the base's meanwhile
    )


def runnable() -> tuple[str, ...]:
    """Backends that run here: what is made to be timed needs no graphs for others, whose checks take long."""
    return tuple(name for name in dict.fromkeys(form.backend for form in FORMS.values()) if executes(name))


def keep_float(checkpoint: Path, candidate: Candidate, settings: SearchSettings, training: DataSet) -> KeepFloat | None:
    """The candidate.kept_float layers to which INT8 does most, by the outputs on training frames; None for none."""
    if candidate.precision != "int8" or not candidate.kept_float:
        return None
    found = measure_sensitivity(
        str(checkpoint),
        SensitivitySettings(
            target=form_to_train(ONNXRUNTIME).name,
            top=candidate.kept_float,
            calibration_frames=CALIBRATION_FRAMES,
            frames=RANKED_ON,
            seed=settings.seed,
        ),
        data=unlabelled(training),
        calibration=training,
    )
    ranking = found.report.ranking[: candidate.kept_float]
    nodes = {node: f"sensitivity rank {rank} of {found.report.layers}" for rank, node in enumerate(ranking, 1)}
    return replace(found.keep_float, nodes=nodes)


def unlabelled(data: DataSet) -> DataSet:
    """The same frames without classes, on which no accuracy can be measured."""
    return replace(data, classes=(), samples=tuple(replace(sample, target=None) for sample in data.samples))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
