"""Direction of gratings from the responses of mouse V1: every decoder on every session, each block left out in turn.

    python -m edgeneuro.benchmarks.v1_gratings [--data v1_gratings_2p] [--decoders lda,forest] [--permutations 99]

Writes docs/results/v1_gratings.json and .md. Labels are permuted for the first decoder alone: each permutation fits it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from edgeneuro.benchmarks.results import write_result
from edgeneuro.data.folder import find_folder
from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.gratings import read_gratings
from edgeneuro.errors import DataError
from edgeneuro.v1.decoding.decode import Decoding, decode

REFERENCE = {
    "direction": {
        "mrcuts24": 0.25, "mrcuts25": 0.62, "mrcuts26": 0.12, "mrcuts27": 0.24, "mrcuts28": 0.81, "mrcuts29": 0.55, "mrcuts30": 0.49
    },
    "orientation": {
        "mrcuts24": 0.50, "mrcuts25": 0.79, "mrcuts26": 0.22, "mrcuts27": 0.35, "mrcuts28": 1.00, "mrcuts29": 0.71, "mrcuts30": 0.63
    },
}  # fmt: skip
"""Accuracy of shrinkage LDA, leave-one-block-out, from the README of the data set."""
COLUMNS = {
    "session": "session",
    "labels": "labels",
    "decoder": "decoder",
    "columns": "neurons x windows",
    "tested": "trials",
    "accuracy": "accuracy",
    "interval": "95 % interval",
    "balanced": "balanced accuracy",
    "majority": "majority share",
    "chance": "chance",
    "p_value": "p",
    "reference": "reference (LDA)",
}


def row_of(recording: Recording, labels: str, found: Decoding) -> dict[str, Any]:
    """One line of the table."""
    return {
        "session": recording.name,
        "labels": labels,
        "decoder": found.decoder,
        "columns": found.columns,
        "tested": found.tested,
        "accuracy": found.accuracy.value,
        "interval": [found.accuracy.low, found.accuracy.high],
        "balanced": found.balanced_accuracy.value,
        "majority": found.majority_share,
        "chance": found.chance,
        "p_value": found.p_value,
        "reference": REFERENCE[labels].get(recording.name.split("_")[0]) if found.decoder == "lda" else None,
    }


def rows_of(
    recording: Recording, labels: str, decoders: list[str], permutations: int, seed: int
) -> Iterable[dict[str, Any]]:
    """All decoders, the first one with permutations."""
    for number, name in enumerate(decoders):
        count = 0 if number else permutations
        (found,) = decode(recording, [name], method="zscore", seed=seed, permutations=count)
        yield row_of(recording, labels, found)


def main(
    data: Annotated[str, typer.Option(help="A registered set or a folder with sessions/*.npz.")] = "v1_gratings_2p",
    decoders: Annotated[
        str, typer.Option(help="Keys of edgeneuro.v1.decoding.decoders.DECODERS.")
    ] = "lda,forest,boosting",
    permutations: Annotated[int, typer.Option(min=0, help="Of the labels, for the first decoder.")] = 99,
    seed: Annotated[int, typer.Option(help="Of decoders, intervals and permutations.")] = 0,
) -> None:
    """Decode every session and write the result."""
    folder = find_folder(data)
    files = sorted((folder / "sessions").glob("*.npz"))
    if not files:
        raise DataError(f"{folder}: holds no sessions/*.npz, expected sessions of gratings")
    names, rows = decoders.split(","), []
    for path in files:
        for labels in ("direction", "orientation"):
            recording = read_gratings(path, labels=labels)
            for row in rows_of(recording, labels, names, permutations, seed):
                rows.append(row)
                print(f"{row['session']}, {labels}, {row['decoder']}: {row['accuracy']:.2f}", flush=True)
    write_result(
        "v1_gratings",
        title="Decoding of gratings from mouse V1",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.v1_gratings --decoders {decoders} --permutations {permutations} --seed {seed}",
            "data": f"{len(files)} sessions of {folder.name}, means before, early in and late in the grating, z-scored on training trials",
            "split": "each block of eight directions left out in turn; intervals draw blocks with replacement",
            "notes": [
                "Reference: shrinkage LDA of the data set's README, the same split. Chance is 1 / classes.",
                "p: labels permuted within blocks, the decoder fitted again each time; only for the first decoder.",
                "About 100 trials a session: differences of a few percent are noise.",
            ],
        },
    )


if __name__ == "__main__":
    typer.run(main)
