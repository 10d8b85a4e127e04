"""edgeneuro train --pool: learning from unlabelled frames in rounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeneuro.training.fit import TrainResult
    from edgeneuro.training.weak.rounds import Review


def in_rounds(
    model: str, given: Mapping[str, Any], pool: str, folder: Path, of_rounds: Mapping[str, Any], **how: Any
) -> TrainResult | Review:
    """given: of TrainSettings. of_rounds: rounds, round_epochs, seed_with, review and last_from_scratch, RoundSettings' own where None. how: as
    edgeneuro.training.weak.rounds.train_rounds takes it. Raises what that raises."""
    from edgeneuro.training.settings import TrainSettings
    from edgeneuro.training.weak.rounds import RoundSettings, train_rounds
    from edgeneuro.training.weak.seeding import SeedSettings
    from edgeneuro.training.weak.stopping import StopSettings

    most, seeding = of_rounds["rounds"], of_rounds["seed_with"]
    named = {
        "epochs": of_rounds["round_epochs"],
        "review": of_rounds["review"],
        "last_from_scratch": of_rounds["last_from_scratch"],
        "seeding": None if seeding is None else seeding.value.removesuffix("-dark"),
        "seeds": SeedSettings(dark=True) if seeding is not None and seeding.value.endswith("-dark") else None,
        "stop": None if most is None else StopSettings(rounds=most),
    }
    rounds = RoundSettings(**{name: value for name, value in named.items() if value is not None})
    return train_rounds(TrainSettings.of(model, **given), pool, folder, rounds, **how)


def review_summary(review: Review) -> dict[str, Any]:
    """For programs: what waits to be corrected."""
    return {"review": str(review.folder), "blocks": review.blocks}
