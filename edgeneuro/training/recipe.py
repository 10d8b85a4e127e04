"""What the settings of a run make of it: the network that is trained, its batches, its loss, and what is written of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lightning import LightningDataModule
from torch import nn

from edgeneuro.data import DataSet
from edgeneuro.models.build import build_model
from edgeneuro.models.skin import SiameseNet, SkinNet
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.checkpoint import Initial
from edgeneuro.training.classification import Classification
from edgeneuro.training.initial import load_initial
from edgeneuro.training.keeper import OnProgress, Watched
from edgeneuro.training.learner import Learner
from edgeneuro.training.masks.scenes import PseudoScenes
from edgeneuro.training.masks.work import Segmentation
from edgeneuro.training.responses.network import fresh_decoder
from edgeneuro.training.responses.work import Decoding
from edgeneuro.training.run import Run, part_of
from edgeneuro.training.start import Start, Trainee
from edgeneuro.training.teaching import Teaching


class Work(Protocol):
    """A run's data in memory, and what is done with them."""

    @property
    def preprocess(self) -> Preprocess | None:
        """What the network is fed with; None of one that takes responses of neurons as they are."""

    @property
    def data(self) -> LightningDataModule:
        """Of training and validation."""

    @property
    def watch(self) -> Watched:
        """By what the best epoch is known."""

    def scores(self, network: nn.Module) -> dict[str, Any]:
        """Of a network that is written, in plain values: "validation" and "test"."""

    def learner(self, network: nn.Module) -> Learner:
        """For a network that is in training mode afterwards."""

    def finished(self, learner: Learner) -> tuple[nn.Module, dict[str, Any]]:
        """The network that comes of a trained one, and what metrics.json says beside its scores."""


def work_of(
    run: Run,
    dataset: DataSet,
    parts: Mapping[str, DataSet],
    *,
    start: Start | None,
    teaching: Teaching | None,
    more: PseudoScenes | None,
    progress: OnProgress,
) -> Work:
    """parts: "training", "validation" and "test" of `dataset`, all of which are read. Raises DataError, FrameError, UsageError."""
    if run.settings.entry.responses:
        return Decoding(run, dataset, parts, teaching=teaching, progress=progress)
    if run.settings.entry.masks:
        return Segmentation(run, dataset, parts, start=start, more=more, progress=progress)
    return Classification(run, dataset, parts, start=start, teaching=teaching, progress=progress)


def fresh(run: Run, dataset: DataSet) -> tuple[Trainee, Initial | None]:
    """The model of the table with new weights, or with those that the settings name; where it learns from pairs, two of them
    under one extractor; where it weighs its samples, with the head that does; where it takes responses of neurons, normalised by the
    training trials. Its finish takes what `Work.finished` makes of it.
    Raises UsageError, CheckpointError, DataError.
    """
    if run.settings.entry.responses:
        decoder = fresh_decoder(run.settings, part_of(dataset, run.split, "training"))
        return Trainee(network=decoder, finish=lambda trained: (trained, None)), None
    cure = run.settings.self_cure
    network, initial = _built(run, dataset, **({"quality": True} if cure and cure.weights else {}))
    siamese = run.settings.siamese
    if siamese and siamese.pairs:
        network = SiameseNet(_deployed(network), None if siamese.shared else _deployed(_built(run, dataset)[0]))
    return Trainee(network=network, finish=lambda classifier: (classifier, None)), initial


def _built(run: Run, dataset: DataSet, **more: Any) -> tuple[nn.Module, Initial | None]:
    """more: options of the builder beside those of the settings."""
    settings, entry = run.settings, run.settings.entry
    options = {**settings.options, **more}
    network = build_model(settings.model, classes=len(dataset.classes), channels=settings.input_channels, **options)
    return network, load_initial(network, entry, settings.initial, dataset, run.split) if settings.initial else None


def _deployed(network: nn.Module) -> SkinNet:
    assert isinstance(network, SkinNet)
    return network
