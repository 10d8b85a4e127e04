"""From a checkpoint to a smaller one: channels are taken away, the rest is trained on, in one round or several.

docs/pruning.md tells what is done and in which order.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from edgeneuro.errors import CheckpointError, OutputError, UsageError
from edgeneuro.export.only_classifiers import refuse_masks, refuse_responses
from edgeneuro.export.prune.count import count
from edgeneuro.export.prune.mask_start import masked_start
from edgeneuro.export.prune.masks import MaskSettings
from edgeneuro.export.prune.names import refuse_unknown_names
from edgeneuro.export.prune.rounds import ROUNDS, of_all_rounds, round_folder, share_to_keep
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.prune.start import make_smaller, pruned_start
from edgeneuro.models import model_entry
from edgeneuro.training.checkpoint import CONFIG, CheckpointConfig, built_network, load_model, read_config
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.going_on import settings_of
from edgeneuro.training.keeper import OnProgress
from edgeneuro.training.run import STATE, prepare_folder
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.start import Start

EPOCHS = 30
LEARNING_RATE_SHARE = 0.5
"""Of the model's own learning rate. What is left after a deep cut is far from its optimum, and rates near those of
training bring back more than small ones (Renda 2020, arXiv:2003.02389; Le and Hua 2021, arXiv:2105.03193)."""


@dataclass(frozen=True, kw_only=True)
class PruneSettings:
    """how: channels and blocks to take away, its target_macs a share of the *unpruned* model, whatever the checkpoint went
    through before; or weights to mask; None for neither. low_rank: share of energy that linear layers keep when they are
    factorised, in the first round, before anything is cut. rounds: of cutting and training, for CutSettings alone.
    epochs, patience: of each round; patience None never stops early. learning_rate: highest of the schedule, a share of
    the model's own where None. batch_size: the checkpoint's where None. data, label_column, group_column: where the
    checkpoint's data lie now, where it says where None. seed: of order, augmentation, and frames that "taylor" looks at.

    Raises UsageError for settings that exclude each other.
    """

    how: CutSettings | MaskSettings | None = None
    low_rank: float | None = None
    rounds: int = 1
    epochs: int = EPOCHS
    patience: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.how is None and self.low_rank is None:
            raise UsageError("nothing to take away: expected --target-macs, --low-rank, --sparsity or --pattern")
        if isinstance(self.how, MaskSettings) and self.low_rank is not None:
            raise UsageError("--low-rank: goes with --target-macs or alone; mask the result in a run of its own")
        if self.low_rank is not None and not 0.0 < self.low_rank <= 1.0:
            raise UsageError(f"--low-rank {self.low_rank:g}: expected a share of energy above 0, at most 1, e.g. 0.9")
        if self.rounds < 1:
            raise UsageError(f"--rounds {self.rounds}: expected 1 or more")
        if self.rounds > 1 and not isinstance(self.how, CutSettings):
            raise UsageError(f"--rounds {self.rounds}: is for --target-macs, which can be reached step by step")


def prune(
    checkpoint: Path,
    out: Path,
    settings: PruneSettings,
    *,
    model: str | None = None,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Make `checkpoint` smaller, train it on, and write the result to the folder `out`, earlier rounds to out/rounds/1, ...

    Data, split, preprocessing and model options are the checkpoint's. model: its name as the user gave it. resume: go on
    from what a killed or interrupted run left, in whichever round. force: what a run left in `out` is removed first.
    threads, devices, progress: as edgeneuro.training.fit.train takes them, epochs and batches counted over all rounds.
    step: told which round begins.

    metrics.json of each round: `before` is what cutting alone left, `validation` and `test` are after training, `pruned`
    as edgeneuro.export.prune.start.Smaller has it; `masks` as edgeneuro.export.prune.mask_start.masked_start says.

    Raises CheckpointError, DataError, OutputError; UsageError also where the target cannot be reached.
    """
    config = read_config(checkpoint)
    if model is not None and model != config.model:
        raise CheckpointError(f"{checkpoint}: is a checkpoint of {config.model!r}, expected {model!r}")
    _refuse_what_is_not_cut(config, settings)
    if checkpoint.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"--out {out}: holds the checkpoint to start from; give another folder")
    if isinstance(settings.how, CutSettings):
        refuse_unknown_names(load_model(checkpoint), settings.how)
    start = _start(checkpoint, settings, 1)
    if not resume:
        _refuse_unreachable(checkpoint, settings)
    _take_folder(out, resume=resume, force=force)
    source = checkpoint
    for number in range(1, settings.rounds + 1):
        step(f"round {number} of {settings.rounds}" if settings.rounds > 1 else "making the network smaller")
        folder = round_folder(out, number, settings.rounds)
        result = train(
            _train_settings(source, settings),
            folder,
            start=start if number == 1 else _start(source, settings, number),
            resume=True,
            threads=threads,
            devices=devices,
            progress=of_all_rounds(progress, number, settings.rounds, settings.epochs),
        )
        source = folder
    return result


def _refuse_what_is_not_cut(config: CheckpointConfig, settings: PruneSettings) -> None:
    """Raise UsageError for what is not cut yet, and where frames with one class each are looked at, for what has none."""
    if settings.how is not None:
        refuse_responses(
            config.model,
            "--target-macs, --sparsity, --pattern",
            "give --low-rank, or train a narrower one with --option widths=[512,128]",
        )
    if config.preprocess is not None and config.preprocess.depth is not None:
        raise UsageError(
            f"{config.model}: takes volumes, expected a network for images; train a narrower one with --option width=8"
        )
    remedy = "give --target-macs with --importance group or magnitude"
    if isinstance(settings.how, MaskSettings):
        refuse_masks(config.model, "--sparsity, --pattern", remedy)
    if isinstance(settings.how, CutSettings) and settings.how.importance == "taylor":
        refuse_masks(config.model, "--importance taylor", remedy)


def _train_settings(source: Path, settings: PruneSettings) -> TrainSettings:
    """The checkpoint's, with what `settings` sets."""
    rate = settings.learning_rate
    return settings_of(
        source,
        epochs=settings.epochs,
        patience=settings.patience,
        learning_rate=LEARNING_RATE_SHARE * model_entry(read_config(source).model).learning_rate
        if rate is None
        else rate,
        batch_size=settings.batch_size,
        data=settings.data,
        label_column=settings.label_column,
        group_column=settings.group_column,
        seed=settings.seed,
    )


def _start(source: Path, settings: PruneSettings, number: int) -> Start:
    """Of round `number`, from the checkpoint `source` of the round before."""
    match settings.how:
        case MaskSettings():
            return masked_start(source, settings.how, seed=settings.seed)
        case CutSettings():
            left = settings.rounds - number + 1
            how = _first_cut(source, settings.how, left) if number == 1 else _next_cut(source, settings.how, left)
        case None:
            how = None
    return pruned_start(source, how, seed=settings.seed, low_rank=settings.low_rank if number == 1 else None)


def _first_cut(source: Path, settings: CutSettings, left: int) -> CutSettings:
    """`settings` with the share of the checkpoint `source` to keep in the next of `left` rounds."""
    macs, target = _macs(source, settings)
    if macs <= target:
        raise UsageError(
            f"--target-macs {settings.target_macs:g}: {source} has {macs:,} multiply-accumulates already, "
            f"{macs * settings.target_macs / target:.3f} of the unpruned model; give less"
        )
    return replace(settings, target_macs=share_to_keep(macs, target, left))


def _refuse_unreachable(checkpoint: Path, settings: PruneSettings) -> None:
    """Raise UsageError where the last round could not be reached, before the first is trained: cut there and forget it."""
    if isinstance(settings.how, MaskSettings):
        return
    how = None if settings.how is None else _first_cut(checkpoint, settings.how, left=1)
    if how is not None and how.importance == "taylor":
        how = replace(how, importance="magnitude")  # which channels go does not change how many can
    make_smaller(checkpoint, how, low_rank=settings.low_rank)


def _next_cut(source: Path, settings: CutSettings, left: int) -> CutSettings | None:
    """The same after a first cut, None where that one had to take so much that nothing is left to do."""
    macs, target = _macs(source, settings)
    if macs <= target:
        return None
    return replace(
        settings, target_macs=share_to_keep(macs, target, left), removed=()
    )  # blocks went in the first round


def _macs(source: Path, settings: CutSettings) -> tuple[int, float]:
    """Multiply-accumulates of the checkpoint `source`, and those that settings.target_macs allows."""
    config = read_config(source)
    example = torch.zeros(1, *config.input_shape)
    return count(load_model(source), example).macs, settings.target_macs * count(built_network(config), example).macs


def _take_folder(out: Path, *, resume: bool, force: bool) -> None:
    """Make `out`, or refuse it. With `force` what an earlier run left there is removed, so that `resume` can go on
    from any point of this one."""
    if force:
        try:
            (out / CONFIG).unlink(missing_ok=True)
            for folder in (out / ROUNDS, (out / STATE).parent):
                if folder.exists():
                    shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    elif not resume and (out / ROUNDS).exists() and not (out / CONFIG).exists():
        raise OutputError(f"{out}: holds an unfinished run; give --resume to go on, or --force to start afresh")
    prepare_folder(out, force=force, resume=resume)
