"""How alike the changes of one patient are between a float and an INT8 graph, and what the gate says of them.

    python -m edgeneuro.benchmarks.gate_correlation --data us_lung_pocus runs/us_lung_pocus_224/stanet

Reads out-of-fold predictions, as real_data.py leaves them; writes docs/results/gate_correlation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.gate_error_rates import outcomes_from
from edgeneuro.benchmarks.out_of_fold import pool, read_fold
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import open_data
from edgeneuro.export.gate import Margin, judge, points
from edgeneuro.export.outcomes import Outcomes
from edgeneuro.manifest import DataIdentity
from edgeneuro.metrics import CORRELATION

Floats = NDArray[np.float64]


def correlation_of(values: Floats, groups: Sequence[str]) -> float:
    """Intraclass correlation from one-way analysis of variance, unequal groups. Source: Donner 1986, Int. Stat. Rev. 54:67."""
    number = np.unique(np.asarray(groups, str), return_inverse=True)[1]
    sizes = np.bincount(number)
    means = np.bincount(number, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (len(sizes) - 1)
    within = float(((values - means[number]) ** 2).sum()) / (len(values) - len(sizes))
    size = (len(values) - float((sizes**2).sum()) / len(values)) / (len(sizes) - 1)
    return (between - within) / (between + (size - 1.0) * within)


def measure(folders: Sequence[Path], data: str) -> None:
    """Write docs/results/gate_correlation: of changed answers between float and INT8, out of fold, and the verdicts."""
    dataset = open_data(data)
    samples = tuple(sample for sample in dataset.samples if sample.target is not None)
    rows = []
    for folder in folders:
        folds = [read_fold(path) for path in sorted(folder.glob("*.npz"))]
        pooled = pool(folds, samples, len(dataset.classes), str(folder))
        tables = {name: pooled[name].astype(np.float64) for name in list(pooled)[:2]}
        outcomes = outcomes_from(tables, samples, dataset.classes, DataIdentity.of(dataset.subset(samples)))
        rows.append({"study": folder.parent.name, **_measured(outcomes)})
    write_result(
        "gate_correlation",
        title="How alike the changes of one patient are, float against INT8, and what the gate says of them",
        rows=rows,
        columns={
            "study": "predictions",
            "frames": "frames",
            "groups": "groups",
            "losses": "right to wrong",
            "gains": "wrong to right",
            "changed": "other class",
            "correlation": "correlation of the drop",
            "any": "correlation of any change",
            "drop": "drop of balanced accuracy",
            "1": "margin 1",
            "5": "margin 5",
            "10": "margin 10",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.gate_correlation --data {dataset.name} "
            + " ".join(f"{folder.parent.name}/{folder.name}" for folder in folders),
            "data": f"{dataset.name}, licence {dataset.licence}",
            "protocol": "grouped, the table's fold column; out-of-fold predictions of all folds pooled",
            "notes": [f"The gate reckons with a correlation of {CORRELATION:g} (edgeneuro.metrics.CORRELATION)."],
        },
    )


def _measured(outcomes: Outcomes) -> dict[str, Any]:
    reference, engine = (outcomes.probabilities[path].argmax(1) for path in outcomes.graphs)
    lost = (reference == outcomes.targets).astype(np.float64) - (engine == outcomes.targets)
    found = {
        margin: judge(outcomes, Margin(asked=margin, points=float(margin)), "balanced_accuracy")
        for margin in ("1", "5", "10")
    }
    return {
        "frames": len(outcomes.samples),
        "groups": outcomes.data.groups,
        "losses": int((lost > 0).sum()),
        "gains": int((lost < 0).sum()),
        "changed": int((reference != engine).sum()),
        "correlation": round(correlation_of(lost, outcomes.groups), 3),
        "any": round(correlation_of((reference != engine).astype(np.float64), outcomes.groups), 3),
        "drop": points(found["1"].judgements[0].drop_points),
        **{margin: f"{gate.verdict}: {gate.judgements[0].reason}" for margin, gate in found.items()},
    }


def main() -> None:
    """Parse, then measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="One fold a file.")
    parser.add_argument("--data", default="us_lung_pocus")
    arguments = parser.parse_args()
    measure(arguments.folders, arguments.data)


if __name__ == "__main__":
    main()
