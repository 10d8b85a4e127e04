"""How often the accuracy gate is wrong: paired predictions simulated with a known true drop.

    python -m edgeneuro.benchmarks.gate_error_rates
    python -m edgeneuro.benchmarks.gate_error_rates --measure runs/us_lung_pocus_224/stanet --data us_lung_pocus

Every frame of a patient changes its answer with the patient's own probability, drawn from a beta distribution, so that
changes within a patient correlate; a share of the changes are gains. The second form measures that correlation in
out-of-fold predictions of a float and an INT8 graph (see real_data.py), and writes docs/results/gate_correlation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.out_of_fold import pool, read_fold
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import open_data
from edgeneuro.data.sample import Sample
from edgeneuro.export.gate import Margin, checks, verdict_of
from edgeneuro.export.outcomes import FRAME, Outcomes
from edgeneuro.manifest import DataIdentity
from edgeneuro.metrics import CORRELATION, METRICS
from edgeneuro.metrics.confusion import group_confusions
from edgeneuro.metrics.resample import group_weights

Floats = NDArray[np.float64]
MARGIN = 3.0
GROUPS = (8, 20, 50, 100, 300)
ACCURACY = 0.8
"""Of the float graph in every class, where nothing changed."""
FRAMES = {"1": (1,), "5 to 40": (5, 10, 10, 10, 20, 40), "60": (60,)}
"""Frames a group: one of these each."""
CLASSES = {"2 equal": (0.5, 0.5), "3 unequal": (0.15, 0.35, 0.5)}
"""Shares of the groups; every group is of one class."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One simulated world. margin: asked for, points. drop: true, of balanced accuracy, points. gains: share of the changes that are gains.
    correlation: of changes within a group. smallest: all of the drop in the class with fewest groups."""

    frames: str
    classes: str
    groups: int
    drop: float
    margin: float = MARGIN
    gains: float = 0.0
    correlation: float = CORRELATION
    smallest: bool = False


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of the repetitions. drop_passes, drop_fails: the interval of balanced accuracy alone. passes, fails: the
    whole gate, classes guarded. bootstrap_passes: had the percentile bootstrap been used for that drop."""

    drop_passes: float
    drop_fails: float
    passes: float
    fails: float
    bootstrap_passes: float | None


def outcomes_of(case: Case, rng: np.random.Generator) -> Iterator[Outcomes]:
    """Endless draws of predictions; sizes of the groups are drawn once."""
    counts = [max(2, round(share * case.groups)) for share in CLASSES[case.classes]]
    group_class = np.repeat(np.arange(len(counts)), counts)
    sizes = rng.choice(FRAMES[case.frames], size=len(group_class))
    group = np.repeat(np.arange(len(sizes)), sizes)
    targets = group_class[group]
    samples = tuple(
        Sample(source=f"{i}", index=0, target=int(target), group=f"{owner:05}")
        for i, (target, owner) in enumerate(zip(targets, group, strict=True))
    )
    by_class = np.full(len(counts), case.drop / 100.0)
    if case.smallest:
        by_class = np.eye(len(counts))[0] * len(counts) * case.drop / 100.0
    changed = by_class / (1.0 - 2.0 * case.gains) if case.drop else np.full(len(counts), 0.01)
    gains = case.gains if case.drop else 0.5
    while True:
        rate = _rates(changed[group_class], case.correlation, rng)[group]
        changes = rng.random(len(group)) < rate
        gained = changes & (rng.random(len(group)) < gains)
        right = np.where(changes, ~gained, rng.random(len(group)) < ACCURACY)
        yield _outcomes(samples, targets, right, np.where(changes, gained, right), len(counts))


def _rates(means: Floats, correlation: float, rng: np.random.Generator) -> Floats:
    """(group,) probability of a change: beta distributed, so that two frames of a group correlate by `correlation`."""
    if correlation == 0.0:
        return means
    spread = (1.0 - correlation) / correlation
    drawn: Floats = np.where(means > 0, rng.beta(np.maximum(means, 1e-9) * spread, (1.0 - means) * spread), 0.0)
    return drawn


def _outcomes(
    samples: tuple[Sample, ...],
    targets: NDArray[np.int64],
    right: NDArray[np.bool_],
    engine: NDArray[np.bool_],
    classes: int,
) -> Outcomes:
    tables = {
        path: np.eye(classes)[np.where(found, targets, (targets + 1) % classes)]
        for path, found in (("float", right), ("engine", engine))
    }
    return Outcomes(
        task="classification",
        unit=FRAME,
        data=DataIdentity(name="simulated", licence="none", simulated=True, frames=len(samples), groups=0),
        samples=samples,
        classes=tuple(f"class {k}" for k in range(classes)),
        reference="float",
        labelled=True,
        agreement={
            path: (table.argmax(1) == tables["float"].argmax(1)).astype(float) for path, table in tables.items()
        },
        probabilities=tables,
    )


def error_rates(case: Case, *, repeats: int, seed: int, bootstrap: bool) -> Rates:
    """Judge `repeats` draws of `case`."""
    rng = np.random.default_rng(seed)
    asked = Margin(asked=f"{case.margin:g}", points=case.margin)
    worlds = outcomes_of(case, rng)
    drops, gates, fooled = [], [], 0
    for _ in range(repeats):
        outcomes = next(worlds)
        found = checks(outcomes, asked, "balanced_accuracy")
        drops.append(found[0].verdict())
        gates.append(verdict_of(found))
        fooled += bool(bootstrap and _bootstrap_high(outcomes, rng) <= case.margin)
    return Rates(
        drop_passes=drops.count("pass") / repeats,
        drop_fails=drops.count("fail") / repeats,
        passes=gates.count("pass") / repeats,
        fails=gates.count("fail") / repeats,
        bootstrap_passes=fooled / repeats if bootstrap else None,
    )


def _bootstrap_high(outcomes: Outcomes, rng: np.random.Generator, resamples: int = 400) -> float:
    """Upper end of the 95 % percentile bootstrap of the drop, points."""
    predicted = [outcomes.probabilities[path].argmax(1) for path in outcomes.graphs]
    classes = len(outcomes.classes)
    counts = group_confusions(outcomes.targets, predicted, outcomes.groups, classes)
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    sums = np.concatenate([weights @ flat for weights in group_weights(len(flat), rng, resamples)])
    scores = METRICS["balanced_accuracy"].of_confusion(sums.reshape(-1, 2, classes, classes))
    return float(100.0 * np.nanpercentile(scores[:, 0] - scores[:, 1], 97.5))


def cases() -> list[tuple[str, Case]]:
    """What is simulated: at the margin in every kind of world; then, in one of them, inside and outside."""
    found: list[tuple[str, Case]] = []
    for groups in GROUPS:
        for frames, classes, options in (
            ("5 to 40", "2 equal", {"correlation": 0.0}),
            ("5 to 40", "2 equal", {}),
            ("5 to 40", "2 equal", {"gains": 0.3}),
            ("5 to 40", "3 unequal", {}),
            ("5 to 40", "3 unequal", {"smallest": True}),
            ("1", "2 equal", {"correlation": 0.0}),
            ("60", "2 equal", {}),
            ("5 to 40", "2 equal", {"correlation": 0.3}),
        ):
            case = Case(frames=frames, classes=classes, groups=groups, drop=MARGIN, **options)
            found.append(("at the margin", case))
        for margin in (1.0, 10.0):
            for frames, correlation in (("1", 0.0), ("5 to 40", CORRELATION), ("60", CORRELATION)):
                case = Case(
                    frames=frames,
                    classes="2 equal",
                    groups=groups,
                    drop=margin,
                    margin=margin,
                    correlation=correlation,
                )
                found.append(("at the margin", case))
        for kind, drop in (("inside", 0.0), ("inside", MARGIN / 3), ("outside", 2 * MARGIN), ("outside", 4 * MARGIN)):
            found.append((kind, Case(frames="5 to 40", classes="2 equal", groups=groups, drop=drop)))
    return found


def row_of(kind: str, case: Case, rates: Rates) -> dict[str, Any]:
    """One line of the table, percent."""

    def percent(share: float | None) -> str | None:
        return None if share is None else f"{100 * share:.1f}"

    changes = f"{100 * case.gains:.0f} % gains" if case.drop else "1 % of frames, half of them gains"
    return {
        "margin": case.margin,
        "true drop": f"{case.drop:g}, {kind}",
        "groups": case.groups,
        "frames": case.frames,
        "classes": case.classes + (", all in the smallest" if case.smallest else ""),
        "changes": f"{changes}, correlation {case.correlation:g}",
        "drop passes": percent(rates.drop_passes),
        "drop fails": percent(rates.drop_fails),
        "gate passes": percent(rates.passes),
        "gate fails": percent(rates.fails),
        "bootstrap": percent(rates.bootstrap_passes),
    }


def simulate(repeats: int, seed: int) -> None:
    """Write docs/results/gate_error_rates."""
    rows, worst = [], {True: 0.0, False: 0.0}
    wrong_fails = fooled = 0.0
    for number, (kind, case) in enumerate(cases()):
        at = kind == "at the margin"
        rates = error_rates(case, repeats=repeats, seed=seed + number, bootstrap=at)
        rows.append(row_of(kind, case, rates))
        if at:
            claimed = case.correlation <= CORRELATION
            worst[claimed] = max(worst[claimed], rates.drop_passes)
            wrong_fails = max(wrong_fails, rates.drop_fails)
            fooled = max(fooled, rates.bootstrap_passes or 0.0)
    claim = f"for changes that correlate by up to {CORRELATION:g} within a group"
    found = (
        f"Found: at most {100 * worst[True]:.1f} % wrong passes where the claim holds, {100 * worst[False]:.1f} % where "
        f"changes correlate by 0.3, and {100 * wrong_fails:.1f} % wrong failures. The percentile bootstrap would have "
        f"passed up to {100 * fooled:.1f} %."
    )
    notes = (
        f"At a true drop equal to the margin passing and failing are both wrong. Claimed: each in at most 5 %, {claim}.",
        found,
        "A pass of the whole gate needs the classes inside their guard as well, so it is rarer than that of the drop alone.",
    )
    write_result(
        "gate_error_rates",
        title="How often the accuracy gate is wrong",
        rows=rows,
        columns={
            "margin": "margin, points",
            "true drop": "true drop, points",
            "groups": "groups",
            "frames": "frames a group",
            "classes": "classes",
            "changes": "changed answers",
            "drop passes": "drop passes, %",
            "drop fails": "drop fails, %",
            "gate passes": "gate passes, %",
            "gate fails": "gate fails, %",
            "bootstrap": "percentile bootstrap passes, %",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.gate_error_rates --repeats {repeats} --seed {seed}",
            "data": "simulated, no frames",
            "metric": "balanced accuracy",
            "repetitions": repeats,
            "Monte-Carlo error": f"a rate of 5 % is known to {196 * np.sqrt(0.05 * 0.95 / repeats):.1f} points, 95 %",
            "notes": notes,
        },
    )


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
    """Write docs/results/gate_correlation: of changed answers between float and INT8, out of fold."""
    dataset = open_data(data)
    samples = [sample for sample in dataset.samples if sample.target is not None]
    targets = np.array([sample.target for sample in samples])
    groups = [sample.group for sample in samples]
    rows = []
    for folder in folders:
        tables = pool(
            [read_fold(path) for path in sorted(folder.glob("*.npz"))], samples, len(dataset.classes), str(folder)
        )
        reference, engine = (table.argmax(1) for table in list(tables.values())[:2])
        lost = (reference == targets).astype(np.float64) - (engine == targets)
        rows.append(
            {
                "study": folder.parent.name,
                "frames": len(samples),
                "groups": len(set(groups)),
                "losses": int((lost > 0).sum()),
                "gains": int((lost < 0).sum()),
                "changed": int((reference != engine).sum()),
                "drop": round(correlation_of(lost, groups), 3),
                "any": round(correlation_of((reference != engine).astype(np.float64), groups), 3),
            }
        )
    write_result(
        "gate_correlation",
        title="How alike the changes of one patient are, float against INT8",
        rows=rows,
        columns={
            "study": "predictions",
            "frames": "frames",
            "groups": "groups",
            "losses": "right to wrong",
            "gains": "wrong to right",
            "changed": "other class",
            "drop": "correlation of the drop",
            "any": "correlation of any change",
        },
        context={
            "script": "python -m edgeneuro.benchmarks.gate_error_rates --measure ... --data " + dataset.name,
            "data": f"{dataset.name}, licence {dataset.licence}",
            "protocol": "grouped, the table's fold column; out-of-fold predictions of all folds pooled",
            "notes": [f"The gate reckons with {CORRELATION:g} (edgeneuro.metrics.CORRELATION)."],
        },
    )


def main() -> None:
    """Parse, then simulate or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--data", default="us_lung_pocus")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.data)
    else:
        simulate(arguments.repeats, arguments.seed)


if __name__ == "__main__":
    main()
