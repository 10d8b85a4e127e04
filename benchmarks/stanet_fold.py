"""STANet as a method of the study: train on a fold, build the INT8 engine, run both graphs on the test part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.out_of_fold import Fold
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split


@dataclass(frozen=True, kw_only=True)
class StanetSettings:
    """data: as open_data takes it. The rest as TrainSettings has it."""

    data: str
    image_size: int
    epochs: int
    seed: int

    def document(self) -> dict[str, Any]:
        """What decides the numbers; where the data lies does not."""
        return {key: value for key, value in asdict(self).items() if key != "data"}


def stanet_fold(dataset: DataSet, split: Split, folder: Path, settings: StanetSettings) -> Fold:
    """Checkpoint and engine of fold K are kept in `folder`/foldK and `folder`/foldK.edge; training resumes."""
    raise NotImplementedError
