"""Deletion test: does an engine's answer lean on the region that its class activation map calls hottest?

    python -m edgeneuro.benchmarks.deletion runs/skin.edge ../shared/data/skin_ham10000

The hottest share of every frame is covered with the mean colour of the frame's rim, and, to compare, a region of the same shape
anywhere else. If the map says where the evidence lies, the probability of the answer falls further for the hottest region. Both
graphs of an INT8 engine are tested on the same frames and the same other places. After: Petsiuk 2018, RISE (arXiv:1806.07421).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from edgeneuro.benchmarks.report.words import percent
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.sample import Sample
from edgeneuro.errors import UsageError
from edgeneuro.manifest import Interval, Precision
from edgeneuro.metrics import RESAMPLES, mean_interval
from edgeneuro.runtime import Engine, open_engine
from edgeneuro.runtime.overlay import heat_map
from edgeneuro.spec import Frame

SHARES = (0.1, 0.2, 0.3)
"""Of the frame's area."""
RIM = 0.05
"""Of the shorter side: how wide the rim is whose mean colour covers a region."""
Mask = NDArray[np.bool_]


def hottest(heat: NDArray[np.float32], share: float) -> Mask:
    """The `share` of the pixels where `heat` is largest; of equals, those further up and left."""
    flat = np.zeros(heat.size, bool)
    flat[np.argsort(-heat, axis=None, kind="stable")[: round(share * heat.size)]] = True
    return flat.reshape(heat.shape)


def elsewhere(region: Mask, rng: np.random.Generator) -> Mask:
    """The same shape somewhere else in the frame; what leaves it on one side comes in on the other."""
    rows, columns = (int(rng.integers(1, side)) for side in region.shape)
    return np.roll(region, (rows, columns), (0, 1))


def covered(frame: Frame, region: Mask) -> Frame:
    """`frame` with the mean colour of its rim in `region`."""
    width = max(1, round(RIM * min(frame.shape[:2])))
    rim = np.ones(frame.shape[:2], bool)
    rim[width:-width, width:-width] = False
    changed = frame.copy()
    changed[region] = np.rint(frame[rim].mean(0))
    return changed


def falls(engine: Engine, frame: Frame, rng: np.random.Generator) -> list[tuple[float, float]]:
    """What the probability of the answer loses, 0..1, one pair a share: the hottest region covered, and elsewhere.

    Raises UsageError for an engine without class maps.
    """
    seen = engine.classify(frame)
    if seen.class_maps is None:
        raise UsageError(f"{engine.manifest.model}: gives no class maps; build the engine from a network that does")
    class_map = seen.class_maps[list(seen.probabilities).index(seen.label)]
    heat, found = heat_map(class_map, *frame.shape[:2]), []
    for share in SHARES:
        region = hottest(heat, share)
        pair = (engine.classify(covered(frame, where)) for where in (region, elsewhere(region, rng)))
        hot, other = (seen.probabilities[seen.label] - left.probabilities[seen.label] for left in pair)
        found.append((hot, other))
    return found


def tested(
    engine: Path, precision: Precision, dataset: DataSet, samples: Sequence[Sample], threads: int
) -> NDArray[np.float64]:
    """(frame, share, hottest or elsewhere) losses, the same other places for every precision."""
    with open_engine(engine, precision=precision, threads=threads) as opened:
        return np.array(
            [
                falls(opened, dataset.read(sample), np.random.default_rng(number))
                for number, sample in enumerate(track(samples, description=precision))
            ]
        )


def rows_of(precision: str, losses: NDArray[np.float64], groups: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One a share. losses: (frame, share, hottest or elsewhere)."""
    for number, share in enumerate(SHARES):
        hot, other = losses[:, number, 0], losses[:, number, 1]
        values = {"hottest": hot, "elsewhere": other, "difference": hot - other}
        yield {
            "precision": precision,
            "share": 100 * share,
            **{name: _points(_mean(found, groups)) for name, found in values.items()},
            "more": percent(_mean((hot > other).astype(np.float64), groups)),
        }


def _mean(values: NDArray[np.float64], groups: Sequence[str]) -> Interval:
    return mean_interval(values, groups, np.random.default_rng(0))


def _points(interval: Interval) -> str:
    value, low, high = (100 * end for end in (interval.value, interval.low, interval.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file whose network gives class maps.")],
    data: Annotated[str, typer.Argument(help="The data set it was trained on; its test part is used.")],
    threads: Annotated[int, typer.Option()] = 1,
    most: Annotated[int, typer.Option(help="Frames, drawn with a seed.")] = 500,
) -> None:
    """Write docs/results/deletion_DATA."""
    dataset = open_data(data)
    with open_engine(engine, threads=threads) as opened:
        manifest = opened.manifest
    if manifest.split is None:
        raise UsageError(f"{engine}: does not say which frames it has seen; build it from a checkpoint")
    samples = list(manifest.split.part(dataset.samples, "test"))
    chosen = np.random.default_rng(0).permutation(len(samples))[:most]
    samples = [samples[number] for number in sorted(chosen.tolist())]
    groups = [sample.group for sample in samples]
    rows = [
        row
        for precision in dict.fromkeys(("fp32", manifest.precision))
        for row in rows_of(precision, tested(engine, precision, dataset, samples, threads), groups)
    ]
    columns = {
        "precision": "graph",
        "share": "area covered, %",
        "hottest": "points lost, hottest region",
        "elsewhere": "the same shape elsewhere",
        "difference": "difference",
        "more": "frames that lose more with the hottest, %",
    }
    context = {
        "script": f"python -m edgeneuro.benchmarks.deletion ENGINE {dataset.name}",
        "data": f"{dataset.name}, {dataset.licence}; {len(samples)} frames of {len(set(groups))} groups of the test part, fold "
        f"{manifest.split.fold}",
        "engine": f"{manifest.model}, {manifest.preprocess.height if manifest.preprocess else '-'} px",
        "points": "of the probability of the class that was answered, right or wrong",
        "intervals": f"95 %, percentile bootstrap of {RESAMPLES} resamples of groups",
    }
    write_result(f"deletion_{dataset.name}", title="Deletion test", rows=rows, columns=columns, context=context)


if __name__ == "__main__":
    typer.run(main)
