"""A run that starts from a checkpoint made smaller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeneuro.data import DataSet
from edgeneuro.errors import UsageError
from edgeneuro.export.prune.count import count
from edgeneuro.export.prune.cut import cut
from edgeneuro.export.prune.low_rank import SMALLEST, factorise
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.files import canonical_json, sha256
from edgeneuro.models.surgery import Surgery, operate, surgery_of
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json
from edgeneuro.training.checkpoint import (
    MODEL,
    CheckpointConfig,
    MadeFrom,
    built_network,
    lineage,
    load_model,
    read_config,
    read_split,
)
from edgeneuro.training.frames import FrameBatches, batches, read_frames
from edgeneuro.training.going_on import refuse_other_data
from edgeneuro.training.resume import read_state, write_state
from edgeneuro.training.start import Start, Trainee

TAYLOR_FRAMES = 256
"""Training frames that importance "taylor" looks at, at most."""
TAYLOR_BATCH = 32
ALMOST_ALL = 1.0 - 1e-9
"""Share that leaves every channel where dividing layers met the target already and blocks go all the same."""


def pruned_start(
    checkpoint: Path,
    settings: CutSettings | None,
    *,
    image_size: int | None = None,
    seed: int = 0,
    low_rank: float | None = None,
) -> Start:
    """For edgeneuro.training.fit.train: the network of `checkpoint`, cut, with its split and preprocessing.

    settings: None takes no channel and no block away. image_size: side of the input in px from now on, the checkpoint's
    where None; shares of operations are of the network at this size; train needs the same in its settings. seed: of the
    training frames that importance "taylor" looks at. low_rank: share of energy that linear layers keep when they are
    factorised, before anything is cut; None leaves them whole. settings.target_macs is of the network before that.

    What was cut is kept in the run's folder, so that a resumed run is the same; metrics.json gets `pruned`, as
    `Smaller` has it. Raises CheckpointError; UsageError where the cut is impossible.
    """
    config = read_config(checkpoint)
    preprocess = _resized(config, image_size)
    made_from = MadeFrom(
        checkpoint=config.files[MODEL],
        pruned={
            **({} if settings is None else to_json(settings)),
            **({"seed": seed} if settings is not None and settings.importance == "taylor" else {}),
            **({} if low_rank is None else {"low_rank": low_rank}),
            **({"image_size": image_size} if preprocess != config.preprocess else {}),
        },
    )
    return Start(
        made_from=made_from,
        ancestors=lineage(config),
        split=read_split(checkpoint),
        preprocess=preprocess,
        prepare=_Preparation(checkpoint, made_from, settings, low_rank, image_size, seed),
    )


@dataclass(frozen=True, kw_only=True)
class Smaller:
    """What became of a network, `pruned` in metrics.json.

    macs, params: before and after; unpruned_macs, unpruned_params: of the network as its builder makes it; all at the
    input size of the run. widths: layer -> output channels before and after. removed: blocks left out. ranks: linear
    layer -> rank of the two it became.
    """

    macs: tuple[int, int]
    params: tuple[int, int]
    unpruned_macs: int
    unpruned_params: int
    widths: Mapping[str, tuple[int, int]]
    removed: tuple[str, ...]
    ranks: Mapping[str, int]


@dataclass(frozen=True)
class _Preparation:
    """From the checkpoint to the network that is trained; called by `train` once the output folder is its own."""

    checkpoint: Path
    made_from: MadeFrom
    settings: CutSettings | None
    low_rank: float | None
    image_size: int | None
    seed: int

    def __call__(self, training: DataSet, kept: Path) -> Trainee:
        """training: the training part. kept: folder for what was cut."""
        refuse_other_data(self.checkpoint, training)
        config = read_config(self.checkpoint)
        file = kept / f"cut-{sha256(canonical_json(to_json(self.made_from)))[:12]}.safetensors"
        with torch.random.fork_rng(devices=[]):  # so that a resumed run draws what an uninterrupted one drew
            if not file.exists():
                self._write(file, config, training)
            return _read(file, config)

    def _write(self, file: Path, config: CheckpointConfig, training: DataSet) -> None:
        taylor = self.settings is not None and self.settings.importance == "taylor"
        network, surgery, smaller = make_smaller(
            self.checkpoint,
            self.settings,
            image_size=self.image_size,
            low_rank=self.low_rank,
            batches=self._frames(config, training) if taylor else (),
        )
        state = {"weights": network.state_dict(), "surgery": to_json(surgery), "pruned": to_json(smaller)}
        write_state(file, state)

    def _frames(self, config: CheckpointConfig, training: DataSet) -> Iterable[tuple[Tensor, Tensor]]:
        """Batches of training frames, chosen and ordered by the seed."""
        order = np.random.default_rng(self.seed).permutation(len(training))[:TAYLOR_FRAMES]
        preprocess = _resized(config, self.image_size) or config.frame_preprocess
        frames = read_frames(training.subset(tuple(training.samples[row] for row in order)), preprocess)
        return batches(FrameBatches(frames, preprocess), TAYLOR_BATCH)


def make_smaller(
    checkpoint: Path,
    settings: CutSettings | None,
    *,
    image_size: int | None = None,
    low_rank: float | None = None,
    batches: Iterable[tuple[Tensor, Tensor]] = (),
) -> tuple[nn.Module, Surgery, Smaller]:
    """The network of `checkpoint`, cut, not trained on; how it differs from its builder's; what was taken away.

    settings, image_size, low_rank: as `pruned_start` takes them. batches: for importance "taylor". Raises CheckpointError, UsageError.
    """
    config = read_config(checkpoint)
    network, built = load_model(checkpoint), built_network(config)
    size = _resized(config, image_size)
    example = torch.zeros(2, *(config.input_shape if size is None else (size.channels, *size.tile)))
    unpruned, before = count(built, example), count(network, example)
    surgery, ranks = config.surgery or Surgery(), {}
    if low_rank is not None:
        ranks = _divide(network, low_rank, config.model)
        surgery = surgery_of(network, built, removed=surgery.removed, ranks={**surgery.ranks, **ranks})
        settings = _still_to_cut(settings, before.macs, count(network, example).macs)
    widths: dict[str, tuple[int, int]] = {}
    if settings is not None:
        done = cut(network, built, settings, example=example, batches=batches, surgery=surgery)
        network, surgery, widths = done.network, done.surgery, done.widths
    after = count(network, example)
    return (
        network,
        surgery,
        Smaller(
            macs=(before.macs, after.macs),
            params=(before.params, after.params),
            unpruned_macs=unpruned.macs,
            unpruned_params=unpruned.params,
            widths=widths,
            removed=() if settings is None else settings.removed,
            ranks=ranks,
        ),
    )


def _divide(network: nn.Module, energy: float, model: str) -> dict[str, int]:
    """Factorise in place; layer -> rank. Raises UsageError where that changes nothing."""
    ranks = factorise(network, energy=energy)
    if not ranks:
        raise UsageError(
            f"--low-rank {energy:g}: {model} has no linear layer of {SMALLEST:,} weights or more that gets smaller so; "
            "leave it out, or give less"
        )
    return ranks


def _still_to_cut(settings: CutSettings | None, whole: int, factorised: int) -> CutSettings | None:
    """`settings` as a share of the factorised network, None where that is small enough. whole, factorised: macs."""
    if settings is None:
        return None
    share = settings.target_macs * whole / factorised
    if share >= 1.0 and not settings.removed:
        return None
    return replace(settings, target_macs=min(share, ALMOST_ALL))


def _read(file: Path, config: CheckpointConfig) -> Trainee:
    """Also where it was just written, so that there is one way to the network."""
    state: Mapping[str, Any] = read_state(file)
    surgery = from_json(Surgery, state["surgery"], str(file))
    network = operate(built_network(config), surgery)
    network.load_state_dict(state["weights"])
    return Trainee(
        network=network.eval(),
        finish=lambda trained: (trained, None),
        surgery=None if surgery == Surgery() else surgery,
        notes={"pruned": state["pruned"]},
    )


def _resized(config: CheckpointConfig, image_size: int | None) -> Preprocess | None:
    """With an input of so many px a side, the checkpoint's where None."""
    if image_size is None:
        return config.preprocess
    return replace(config.frame_preprocess, height=image_size, width=image_size)
