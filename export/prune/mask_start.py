"""A run that starts from a checkpoint with some of its weights set to zero.

The network keeps its shape: it stays a dense one, with zeros in it. docs/sparsity.md says what that is good for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from edgeneuro.data import DataSet
from edgeneuro.export.nncf_ranges import import_nncf, quiet_nncf
from edgeneuro.export.prune.masking import Layer, choose_layers, hold, release, shares_of_zeros
from edgeneuro.export.prune.masks import MaskSettings, make_masks
from edgeneuro.files import canonical_json, sha256, write_bytes
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.checkpoint import MODEL, MadeFrom, lineage, load_model, read_config, read_split
from edgeneuro.training.frames import FrameBatches, read_frames
from edgeneuro.training.going_on import refuse_other_data
from edgeneuro.training.start import Start, Trainee

ADAPTATION_FRAMES, ADAPTATION_BATCH, ADAPTATION_STEPS = 320, 32, 50
"""Batch normalisation looks at so many training frames, in so many steps: at a momentum of 0.1, 0.5 % of its old statistics
are left after 50."""


def masked_start(checkpoint: Path, settings: MaskSettings, *, seed: int = 0) -> Start:
    """For edgeneuro.training.fit.train: the network of `checkpoint` under masks, with its split and preprocessing.

    seed: of the training frames that batch normalisation is adapted to before training. The masks are kept in the run's
    folder, so that a resumed run is the same; what is written is a network of the table, dense, with zeros in it.

    metrics.json gets `masks`: `share` of zeros in all parameters, `layers` with the share of zeros in the weights of each
    masked one, `dense` layers with the reason, and `speed`, what to expect of it.

    Raises CheckpointError; when it is prepared, UsageError for a `keep` that names no layer, where none can be masked, and
    where one would lose all of its weights.
    """
    config = read_config(checkpoint)
    made_from = MadeFrom(checkpoint=config.files[MODEL], pruned={**settings.record(), "seed": seed})
    return Start(
        made_from=made_from,
        ancestors=lineage(config),
        split=read_split(checkpoint),
        preprocess=config.frame_preprocess,
        prepare=_Preparation(checkpoint, made_from, settings, seed),
    )


@dataclass(frozen=True)
class _Preparation:
    """From the checkpoint to the network that is trained; called by `train` once the output folder is its own."""

    checkpoint: Path
    made_from: MadeFrom
    settings: MaskSettings
    seed: int

    def __call__(self, training: DataSet, kept: Path) -> Trainee:
        """training: the training part. kept: folder for the masks."""
        refuse_other_data(self.checkpoint, training)
        config = read_config(self.checkpoint)
        with torch.random.fork_rng(devices=[]):  # so that a resumed run draws what an uninterrupted one drew
            network = load_model(self.checkpoint)
            example = torch.zeros(2, *config.input_shape)
            layers, left = choose_layers(network, example, keep=self.settings.keep, fours=bool(self.settings.pattern))
            masks = self._masks(network, layers, example, kept)
        hold(network, masks)
        adapt_normalisation(network, training, config.frame_preprocess, np.random.default_rng(self.seed))
        shares, share = shares_of_zeros(network, masks)
        return Trainee(
            network=network,
            finish=lambda trained: (release(trained, masks), None),
            surgery=config.surgery,
            notes={"masks": {"share": share, "layers": shares, "dense": left, "speed": self.settings.speed}},
        )

    def _masks(self, network: nn.Module, layers: dict[str, Layer], example: Tensor, kept: Path) -> dict[str, Tensor]:
        """Those of an interrupted run where it left them: another NNCF could draw its threshold elsewhere."""
        file = kept / f"masks-{sha256(canonical_json(to_json(self.made_from)))[:12]}.safetensors"
        if not file.exists():
            write_bytes(file, save(make_masks(network, layers, self.settings, example)))
        return load(file.read_bytes())


def adapt_normalisation(
    network: nn.Module, training: DataSet, preprocess: Preprocess, rng: np.random.Generator
) -> None:
    """Statistics of batch normalisation as the network has them now, by nncf.batch_norm_adaptation; in place."""
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        return
    nncf = import_nncf()
    batches = _batches(training, preprocess, rng)
    repeated = [batches[step % len(batches)] for step in range(ADAPTATION_STEPS)]
    with quiet_nncf(), torch.no_grad():
        nncf.batch_norm_adaptation(network, nncf.Dataset(repeated))


def _batches(training: DataSet, preprocess: Preprocess, rng: np.random.Generator) -> list[Tensor]:
    """Of equal sizes but for one frame: no batch of a single one, whose deviation nothing can be divided by."""
    chosen = rng.permutation(len(training))[:ADAPTATION_FRAMES]
    subset = training.subset([training.samples[row] for row in chosen])
    frames = FrameBatches(read_frames(subset, preprocess), preprocess)
    rows = np.array_split(np.arange(len(frames)), -(-len(frames) // ADAPTATION_BATCH))
    return [frames.__getitems__(part.tolist())[0] for part in rows]
