"""Few labels and many images: train, label what is not labelled, learn from the surest of it, again.

OUT/rounds/N holds the checkpoint, the pseudo-labels and round.json of round N, which is written last: a round with one is finished.
OUT/rounds/0 holds what the vesselness filter labelled, where asked; OUT/rounds/N/review what a person is asked to correct. The best round's checkpoint ends in OUT.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data import DataSet, open_data
from edgeneuro.data.leakage import frame_hash
from edgeneuro.errors import UsageError
from edgeneuro.files import canonical_json, sha256, write_json
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json
from edgeneuro.training.checkpoint import (
    CONFIG,
    load_model,
    read_config,
    read_metrics,
    read_split,
    write_checkpoint,
)
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.keeper import OnProgress
from edgeneuro.training.masks.scenes import Scene, read_scenes
from edgeneuro.training.masks.score import score_scenes
from edgeneuro.training.masks.work import tiled_preprocess
from edgeneuro.training.run import new_run, part_of, prepare_folder, refuse_other_settings, settled
from edgeneuro.training.settings import TrainSettings, with_recipe
from edgeneuro.training.teaching import refuse_held_out
from edgeneuro.training.weak.admission import AdmissionSettings, foreground_share
from edgeneuro.training.weak.filters import FilterSettings
from edgeneuro.training.weak.pseudo import (
    Labelled,
    Pool,
    predicted,
    read_labels,
    seeded,
    to_learn_from,
    write_labels,
)
from edgeneuro.training.weak.review import least_certain, read_corrected, read_minutes, write_review
from edgeneuro.training.weak.seeding import SeedSettings
from edgeneuro.training.weak.stopping import Round, StopSettings, agreement, best_round, why_abort, why_stop

ROUNDS = "rounds"
"""Folder in the output folder."""
RECORD, LABELS, CHECKPOINT, REVIEW = "round.json", "labels", "checkpoint", "review"
"""In the folder of a round."""

_log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """seeding: what round 1 learns from beside the manual labels: nothing, or what the vesselness filter finds in the pool. epochs: of
    every round after the first. review: blocks that a person is asked to correct after each round, 0 for none. last_from_scratch:
    whether the last of `stop.rounds`, where it comes to that, starts from fresh weights and has as many epochs as the first."""

    seeding: Literal["manual", "filter"] = "manual"
    epochs: int = 40
    review: int = 0
    last_from_scratch: bool = False
    seeds: SeedSettings = field(default_factory=SeedSettings)
    filters: FilterSettings = field(default_factory=FilterSettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    stop: StopSettings = field(default_factory=StopSettings)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.stop.rounds < 1 or self.review < 0:
            raise UsageError(
                f"rounds: got {self.stop.rounds} of {self.epochs} epochs after the first and {self.review} blocks to review, expected "
                "at least 1, 1 and 0"
            )


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One round. learnt_from: pseudo-labelled blocks. corrected: blocks that a person had labelled before it, in so many
    minutes. admitted: names of the blocks that the next round would learn from. confidence: by name."""

    result: Round
    learnt_from: int
    corrected: int
    admitted: tuple[str, ...]
    confidence: Mapping[str, float]
    minutes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Review:
    """A run that waits for a person. folder: with `blocks` images and masks, as edgeneuro.training.weak.review has it."""

    folder: Path
    blocks: int


def train_rounds(
    settings: TrainSettings,
    pool: str,
    out: Path,
    rounds: RoundSettings,
    *,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    progress: OnProgress = lambda _: None,
) -> TrainResult | Review:
    """Train on the labelled frames of `settings` and on `pool`, round by round; the result is the checkpoint of the round that was
    best on the validation part.

    settings: of round 1; every later one starts from the weights of the one before. pool: as edgeneuro.data.open_data takes it, held
    in memory; its masks, if any, are not looked at. resume: go on with the first round that is not finished. The rest is `train`'s.

    metrics.json is that of the best round, and under `rounds` what each came to, the number of the best and why there were no more.

    Raises what `train` raises; UsageError for a model without masks, DataError for a pool that holds frames of the validation or test
    part.
    """
    settings = with_recipe(settings, alone=True)
    if not settings.entry.masks:
        raise UsageError(f"--pool: {settings.model!r} learns no masks, expected segmentation-2d or segmentation-3d")
    dataset = open_data(settings.source, label_column=settings.label_column, group_column=settings.group_column)
    unlabelled, split = open_data(pool), new_run(settings, dataset).split
    prepare_folder(out, force=force, resume=resume)
    if force and not resume:
        shutil.rmtree(out / ROUNDS, ignore_errors=True)
    refuse_held_out([unlabelled], dataset, split)
    plain = tiled_preprocess(settings.side_px, settings.planes)
    blocks = read_pool(unlabelled, plain)
    _refuse_other(out / ROUNDS / "run.json", settings, rounds, blocks)
    if not (out / CONFIG).exists():
        manual = read_scenes(part_of(dataset, split, "training"), plain)
        how = {"threads": threads, "progress": progress}
        review = _Rounds(settings, rounds, blocks, manual, out, how).run()
        if review is not None:
            return review
    return TrainResult(folder=out, config=read_config(out), metrics=read_metrics(out))


def read_pool(unlabelled: DataSet, preprocess: Preprocess) -> Pool:
    """Every frame as a block, named by its number and its file. Raises FrameError."""
    return {
        f"{number:05d}-{re.sub('[^A-Za-z0-9._-]', '-', Path(sample.source).stem)}": preprocess.whole(
            unlabelled.read(sample)
        )
        for number, sample in enumerate(unlabelled.samples)
    }


class _Rounds:
    """A run over a pool. manual: scenes of the training part. how: what else `train` is told."""

    def __init__(
        self,
        settings: TrainSettings,
        rounds: RoundSettings,
        pool: Pool,
        manual: tuple[Scene, ...],
        out: Path,
        how: Mapping[str, Any],
    ) -> None:
        self.settings, self.rounds, self.pool, self.manual = settings, rounds, pool, manual
        self.out, self.how = out, how

    def run(self) -> Review | None:
        """All rounds that are not finished, then the checkpoint of the best one; a review where that comes first."""
        done: list[Finished] = []
        stopped = drifted = None
        labelled = None
        while stopped is None:
            number = len(done) + 1
            if (self.folder(number) / RECORD).exists():
                finished, labelled = self.read(number)
            else:
                if number == 1 and self.rounds.seeding == "filter":
                    labelled = seeded(self.pool, self.rounds.seeds)
                    write_labels(self.folder(0) / LABELS, self.pool, labelled, 0)
                finished, labelled = self.round(number, labelled)
            done.append(finished)
            results = [one.result for one in done]
            drifted = why_abort(results, self.rounds.stop)
            stopped = drifted or why_stop(results, self.rounds.stop)
            _log.info("round %d: F1 %.3f on validation frames", number, finished.result.validation_f1)
            review = self.folder(number) / REVIEW
            if self.rounds.review and stopped is None and not review.exists():
                names = least_certain(labelled, self.rounds.review, self.corrected(number))
                write_review(review, self.pool, labelled, names)
                return Review(folder=review, blocks=len(names))
        if drifted is not None:
            _log.warning("%s; the rounds before it are kept", drifted)
        self.write(done, best_round(results[:-1] if drifted else results) + 1, stopped)
        return None

    def corrected(self, number: int) -> dict[str, NDArray[np.uint8]]:
        """Labels by name, of all blocks that were corrected before round `number`. Raises DataError."""
        return {
            name: label
            for before in range(1, number)
            for name, label in read_corrected(self.folder(before) / REVIEW, self.pool).items()
        }

    def minutes(self, number: int) -> float:
        """Of a person's work on reviews before round `number`. Raises DataError."""
        return sum(read_minutes(self.folder(before) / REVIEW) for before in range(1, number))

    def round(self, number: int, before: Labelled | None) -> tuple[Finished, Labelled]:
        """Train, label the pool, keep both. before: labels of the round before, or seeds."""
        folder, rounds = self.folder(number), self.rounds
        corrected = self.corrected(number)
        more = to_learn_from(self.pool, before, corrected, number, rounds.admission)
        result = train(self._settings(number), folder / CHECKPOINT, more=more, resume=True, **self.how)
        network, preprocess = load_model(folder / CHECKPOINT), result.config.frame_preprocess
        labelled = predicted(network, preprocess, self.pool, number, rounds.filters, rounds.admission)
        write_labels(folder / LABELS, self.pool, labelled, number)
        names = list(self.pool)
        finished = Finished(
            result=Round(
                validation_f1=result.metrics["validation"]["voxel_f1"],
                manual_f1=score_scenes(network, self.manual, preprocess).voxel_f1,
                agreement=agreement([before.labels[n] for n in names], [labelled.labels[n] for n in names])
                if before
                else None,
                foreground_share=float(np.mean([foreground_share(label) for label in labelled.labels.values()])),
            ),
            learnt_from=len(more.scenes) - len(corrected) if more else 0,
            corrected=len(corrected),
            minutes=self.minutes(number),
            admitted=labelled.admitted,
            confidence=labelled.confidence,
        )
        write_json(folder / RECORD, to_json(finished))
        return finished, labelled

    def read(self, number: int) -> tuple[Finished, Labelled]:
        """A finished round. Raises InputError, DataError."""
        where = self.folder(number) / RECORD
        finished = from_json(Finished, json.loads(where.read_bytes()), str(where))
        labels = read_labels(self.folder(number) / LABELS, self.pool)
        return finished, Labelled(labels=labels, admitted=finished.admitted, confidence=finished.confidence)

    def write(self, done: list[Finished], best: int, stopped: str) -> None:
        """The checkpoint of round `best`, counted from 1, with what is known of all rounds."""
        folder = self.folder(best) / CHECKPOINT
        told = {"best": best, "stopped": stopped, "rounds": to_json(done)}
        write_checkpoint(
            self.out,
            network=load_model(folder),
            config=read_config(folder),
            metrics={**read_metrics(folder), "rounds": told},
            split=read_split(folder),
        )

    def folder(self, number: int) -> Path:
        """Of one round."""
        return self.out / ROUNDS / str(number)

    def _settings(self, number: int) -> TrainSettings:
        last = number == self.rounds.stop.rounds
        if number == 1 or (last and self.rounds.last_from_scratch):
            return self.settings
        before = str(self.folder(number - 1) / CHECKPOINT)
        return replace(self.settings, epochs=self.rounds.epochs, initial=before)


def _refuse_other(file: Path, settings: TrainSettings, rounds: RoundSettings, pool: Pool) -> None:
    """Keep what these rounds are of. Raise CheckpointError where others were begun there."""
    content = sha256(canonical_json({name: frame_hash(values) for name, values in pool.items()}))
    wanted = to_json({"settings": replace(settled(settings), data=None), "rounds": rounds, "pool": content})
    if file.exists():
        refuse_other_settings(file.parent, json.loads(file.read_bytes()), wanted)
    else:
        write_json(file, wanted)
