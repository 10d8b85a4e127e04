"""What training says while it runs and when it is done, whichever command began it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeneuro.cli.options import err

if TYPE_CHECKING:
    from edgeneuro.training.fit import TrainResult
    from edgeneuro.training.keeper import OnProgress


def summary(result: TrainResult) -> dict[str, Any]:
    """For programs: where the checkpoint is, what it is and how good."""
    config = result.config
    return {
        "checkpoint": str(result.folder),
        "model": config.model,
        "data": config.trained_on.name,
        "simulated": config.trained_on.simulated,
        "protocol": config.protocol,
        "fold": config.fold,
        "best_epoch": config.best_epoch,
        **{name: result.metrics[name] for name in ("validation", "test", "wall_s")},
        **{
            name: result.metrics[name] for name in ("made_from", "before", "stored", "rounds") if name in result.metrics
        },
    }


def line(result: TrainResult) -> str:
    """For people."""
    config, test = result.config, result.metrics["test"]
    before = result.metrics["before"]["test"] if "before" in result.metrics else None
    after = f", {before['interval']['value']:.3f} before training" if before else ""
    return (
        f"{result.folder}: {config.model} from {config.trained_on.name}, best epoch {config.best_epoch + 1}; "
        f"{test['primary_metric'].replace('_', ' ')} {with_interval(test)} on {tested(result)}{after}"
    )


def with_interval(scores: dict[str, Any]) -> str:
    """The primary metric of FrameScores or SceneScores with its 95 % interval."""
    interval = scores["interval"]
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


def tested(result: TrainResult) -> str:
    """What the test scores are of, and what is wrong with them under the leaky protocol."""
    config, test = result.config, result.metrics["test"]
    leaky = ", leaky protocol: frames of one group in training and test" if config.protocol == "leaky" else ""
    return f"{test['frames']} frames of {test['groups']} groups, fold {config.fold}{leaky}"


@contextmanager
def shown(quiet: bool) -> Iterator[OnProgress]:
    """Progress on standard error: a bar on a terminal, one line an epoch elsewhere, nothing if `quiet`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edgeneuro.training.keeper import Progress as Done

    console = err()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    tasks = {"reading": bar.add_task("reading frames", total=None), "training": bar.add_task("training", total=None)}
    printed = -1

    def show(done: Done) -> None:
        nonlocal printed
        bar.update(tasks[done.stage], completed=done.done, total=done.total)
        if done.row is not None and done.row.epoch > printed and not quiet:
            row = done.row
            printed = row.epoch
            pairs = f"pairs {row.discriminator_accuracy:.3f}  " if row.discriminator_accuracy is not None else ""
            score = f"macro-F1 {row.macro_f1:.3f}" if row.dice is None else f"Dice {row.dice:.3f}"
            console.print(
                f"epoch {row.epoch + 1:3d}  loss {row.training_loss:.3f}  validation {row.validation_loss:.3f}  "
                f"{score}  {pairs}{row.seconds:.1f} s"
            )

    with bar:
        yield show
