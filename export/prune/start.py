"""A run that starts from a checkpoint made smaller."""

from __future__ import annotations

from pathlib import Path

from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.training.start import Start


def pruned_start(
    checkpoint: Path, settings: CutSettings | None, *, image_size: int | None = None, seed: int = 0
) -> Start:
    """For edgeneuro.training.fit.train: the network of `checkpoint`, cut, with its split and preprocessing.

    settings: None takes nothing away. image_size: side of the input in px from now on, the checkpoint's where None; shares of
    operations are of the network at this size.


    seed: of the training frames that importance "taylor" looks at. What was cut is kept in the run's folder, so that a resumed
    run is the same; metrics.json gets `pruned`: macs, params, widths before and after. Raises CheckpointError, UsageError.
    """
    raise NotImplementedError
