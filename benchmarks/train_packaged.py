"""Trains the weights that come with the package: python -m edgeneuro.benchmarks.train_packaged MODEL [--threads N]

Resumes where it was stopped, and writes what it measured into the model card. Afterwards commit both. To start
afresh, delete edgeneuro/models/weights/MODEL first.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.results import table
from edgeneuro.training.settings import TrainSettings

SETTINGS = {
    settings.model: settings
    for settings in (TrainSettings(model="myositis", data="phantom", epochs=120, patience=120, seed=0),)
}

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "edgeneuro" / "models" / "weights"
CARDS = ROOT / "docs" / "models"


def main() -> None:
    """Train, or go on training, and print the test scores."""
    from edgeneuro.cli.train_output import line, shown
    from edgeneuro.training.fit import train

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=SETTINGS)
    parser.add_argument("--out", type=Path, help="checkpoint folder, the package's own where not given")
    parser.add_argument(
        "--card", type=Path, help="page with the results:packaged markers, the model's own where not given"
    )
    parser.add_argument("--threads", type=int, help="threads to compute with")
    arguments = parser.parse_args()
    model = arguments.model
    out = arguments.out or WEIGHTS / model
    with shown(quiet=False) as progress:
        result = train(SETTINGS[model], out, resume=True, threads=arguments.threads, progress=progress)
    inject(arguments.card or CARDS / f"{model}.md", "packaged", measured(result.metrics, result.config.classes))
    print(line(result))


def measured(metrics: Mapping[str, Any], classes: Sequence[str]) -> str:
    """metrics.json as Markdown: both parts, and which classes are taken for which. classes: in order of number."""
    parts = [{"part": part, **metrics[part], **_percent(metrics[part], classes)} for part in ("validation", "test")]
    scores = table(
        parts,
        {
            "part": "part",
            "frames": "frames",
            "groups": "subjects",
            "balanced": "balanced accuracy, 95 % interval",
            "f1": "macro-F1",
            "recalls": "recall by class",
        },
    )
    confusion = table(
        [
            {"true": name, **dict(zip(classes, row, strict=True))}
            for name, row in zip(classes, metrics["test"]["confusion_matrix"], strict=True)
        ],
        {"true": "test frames, true class", **{name: f"taken for {name}" for name in classes}},
    )
    hardware = metrics["hardware"]
    epochs = len(metrics["history"])
    return (
        f"{scores}\n\n{confusion}\n\n"
        f"Epoch {metrics['best_epoch'] + 1} of {epochs}; {metrics['wall_s'] / 60:.0f} minutes for {epochs} epochs, "
        f"{hardware['threads']} thread(s) of a shared {hardware['architecture']} machine with {hardware['cores']} cores, "
        f"{hardware['device']}."
    )


def _percent(scores: Mapping[str, Any], classes: Sequence[str]) -> dict[str, str]:
    interval = {name: 100 * value for name, value in scores["interval"].items()}
    recalls = [(name, scores["per_class_recall"][name]) for name in classes]
    return {
        "balanced": f"{interval['value']:.1f} % ({interval['low']:.1f} to {interval['high']:.1f})",
        "f1": f"{100 * scores['macro_f1']:.1f} %",
        "recalls": ", ".join(f"{name} {100 * recall:.0f} %" for name, recall in recalls if recall is not None),
    }


if __name__ == "__main__":
    main()
