"""A decoder for the neurons of one session: its sizes, and what it is given of the training trials before it learns."""

from __future__ import annotations

import numpy as np
import torch

from edgeneuro.data import DataSet
from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.models import ModelEntry
from edgeneuro.models.build import build_decoder
from edgeneuro.models.v1 import Decoder, Grid, grid_table
from edgeneuro.spec import Array
from edgeneuro.training.responses.trials import read_trials, recording_of
from edgeneuro.training.settings import TrainSettings


def sizes_for(entry: ModelEntry, dataset: DataSet) -> dict[str, int]:
    """What the builder takes beside options, as edgeneuro.models.build has it; nothing of a network that takes frames.

    Raises DataError: no session, or one that does not say where its cells are, for a network that needs that.
    """
    if not entry.responses:
        return {}
    recording = recording_of(dataset)
    most = {"most": _table(recording).shape[1]} if entry.positions else {}
    return {"neurons": recording.neurons, **most}


def fresh_decoder(settings: TrainSettings, training: DataSet) -> Decoder:
    """With new weights, normalised by the trials of the training part, its grid filled from the places of the cells.

    A neuron that does not change in these trials is only shifted. Raises DataError, InputError.
    """
    network = build_decoder(
        settings.model,
        classes=len(training.classes),
        sizes=sizes_for(settings.entry, training),
        **settings.options,
    )
    assert isinstance(network, Decoder)
    responses = read_trials(training).responses
    deviation = responses.std(0)
    network.standardise.mean.copy_(torch.from_numpy(responses.mean(0)))
    network.standardise.deviation.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1)))
    for layer in network.modules():
        if isinstance(layer, Grid):
            layer.table.copy_(torch.from_numpy(_table(recording_of(training))))
    return network


def _table(recording: Recording) -> Array:
    """(cell, most)."""
    if recording.positions_um is None:
        raise DataError(
            f"{recording.lacks('positions_um')}, which a network on the grid of cells needs; train v1-mlp instead"
        )
    return grid_table(recording.positions_um)
