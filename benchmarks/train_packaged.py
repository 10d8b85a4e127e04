"""Trains the weights that come with the package: python -m edgeneuro.benchmarks.train_packaged

Resumes where it was stopped. Afterwards commit edgeneuro/models/weights/myositis.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeneuro.training.settings import TrainSettings

SETTINGS = TrainSettings(model="myositis", data="phantom", epochs=120, patience=120, seed=0)
"""The recipe of the model's page, all 120 epochs."""


def main() -> None:
    """Train, or go on training, and print the test scores."""
    from edgeneuro.cli.train import line, shown
    from edgeneuro.training.fit import train

    parser = argparse.ArgumentParser(description=__doc__)
    weights = Path(__file__).resolve().parents[1] / "edgeneuro" / "models" / "weights" / SETTINGS.model
    parser.add_argument("--out", type=Path, default=weights, help="checkpoint folder")
    parser.add_argument("--threads", type=int, help="threads to compute with")
    arguments = parser.parse_args()
    with shown(quiet=False) as progress:
        print(line(train(SETTINGS, arguments.out, resume=True, threads=arguments.threads, progress=progress)))


if __name__ == "__main__":
    main()
