"""Training a network that says where things are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from edgeneuro.data import DataSet
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json
from edgeneuro.tiled import FULL, Tiled
from edgeneuro.training.keeper import OnProgress, Watched
from edgeneuro.training.learner import Learner
from edgeneuro.training.masks.crops import MaskData
from edgeneuro.training.masks.learner import MaskLearner
from edgeneuro.training.masks.scenes import PseudoScenes, normalised_for, read_scenes
from edgeneuro.training.masks.score import score_scenes
from edgeneuro.training.reading import Reading
from edgeneuro.training.run import Run
from edgeneuro.training.start import Start


class Segmentation:
    """What edgeneuro.training.recipe.Work asks for, of whole frames with masks.

    parts: "training", "validation" and "test" of `dataset`. more: scenes to learn from beside those of the training part, by which alone
    the grey levels are measured. Reads every frame; raises DataError, FrameError.
    """

    watch: Watched = "dice"

    def __init__(
        self,
        run: Run,
        dataset: DataSet,
        parts: Mapping[str, DataSet],
        *,
        start: Start | None,
        more: PseudoScenes | None,
        progress: OnProgress,
    ) -> None:
        settings = self.settings = run.settings
        assert settings.masks is not None
        if not dataset.has_masks:
            raise DataError(
                f"{dataset.name}: has no masks, {settings.model} learns from frames with one each; add a column mask to its "
                "labels.csv, or a folder masks/"
            )
        given = start.preprocess if start else None
        plain = given or tiled_preprocess(settings.side_px, settings.planes)
        reading = Reading(progress, total=sum(map(len, parts.values())))
        self.scenes = {name: read_scenes(part, plain, reading.step) for name, part in parts.items()}
        self.preprocess = given or normalised_for(plain, self.scenes["training"])
        self.data = MaskData(
            training=(*self.scenes["training"], *(more.scenes if more else ())),
            validation=self.scenes["validation"],
            preprocess=self.preprocess,
            settings=settings.masks,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )

    def scores(self, network: nn.Module) -> dict[str, Any]:
        """SceneScores of "validation" and "test", in plain values."""
        return {
            name: to_json(score_scenes(network, self.scenes[name], self.preprocess)) for name in ("validation", "test")
        }

    def learner(self, network: nn.Module) -> Learner:
        """Over the voxels that count."""
        assert self.settings.masks is not None
        network.train()
        return MaskLearner(network, self.settings.masks, len(self.preprocess.tile), **self.settings.optimisation)

    def finished(self, learner: Learner) -> tuple[nn.Module, dict[str, Any]]:
        """The trained network itself."""
        return learner.network, {}


def tiled_preprocess(side: int, depth: int | None) -> Preprocess:
    """Of a network for tiles of side x side, of `depth` planes in a volume; grey values not normalised yet."""
    return Preprocess(height=side, width=side, depth=depth, bit_depth=16, max_value=float(FULL), tiled=Tiled())
