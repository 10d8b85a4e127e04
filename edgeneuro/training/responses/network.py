"""A decoder for the neurons of one session: its sizes, and what it is given of the training trials before it learns."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgeneuro.data import DataSet
from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.models import ModelEntry
from edgeneuro.models.build import build_decoder
from edgeneuro.models.v1 import Components, Decoder, Grid, grid_table
from edgeneuro.spec import Array
from edgeneuro.training.responses.trials import read_trials, recording_of
from edgeneuro.training.settings import TrainSettings

SPARE, POWERS = 10, 7
"""Components looked for beyond those that are wanted, and iterations: what scikit-learn's randomised decomposition takes too."""


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
    """With new weights, normalised by the trials of the training part, its grid filled from the places of the cells, its components
    those of these trials.

    Chance is torch's global generator. A neuron that does not change in these trials is only shifted. Raises DataError, InputError.
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
        if isinstance(layer, Components):
            standard = network.standardise(torch.from_numpy(responses))
            layer.weight.copy_(principal_components(standard, layer.out_features))
    return network


def principal_components(responses: Tensor, count: int) -> Tensor:
    """(component, neuron), orthonormal, the largest variance first; a randomised decomposition, by torch's global generator.

    responses: (trial, neuron), each neuron's mean 0. Raises DataError for more components than such trials can have.
    Source: Halko, Martinsson and Tropp 2011, 10.1137/090771806.
    """
    trials, neurons = responses.shape
    most = min(trials - 1, neurons)
    if count > most:
        raise DataError(
            f"components: got {count}, expected at most {most} for {trials} training trials of {neurons} neurons"
        )
    found = torch.svd_lowrank(responses, q=min(count + SPARE, trials, neurons), niter=POWERS)
    return found[2].T[:count]


def _table(recording: Recording) -> Array:
    """(cell, most)."""
    if recording.positions_um is None:
        raise DataError(
            f"{recording.lacks('positions_um')}, which a network on the grid of cells needs; train v1-mlp instead"
        )
    return grid_table(recording.positions_um)
