"""Accuracy by what the data set's table says of its frames: scanner, sex, age band, kind of diagnosis.

Every value is kept, however few its frames, and frames of which nothing is known are a subgroup as well. Intervals are
those of the whole: resampled by group, drops paired. A value found in one group has the whole range as its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeneuro.benchmarks.document import Subgroup
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.subgroups import Bands, ordered_values, subgroup_values
from edgeneuro.errors import DataError
from edgeneuro.export.accuracy import drop, score_interval
from edgeneuro.export.outcomes import Collector, Outcomes
from edgeneuro.metrics import LEVEL

MOST_VALUES = 40
"""Of one column. One with more, such as a frame number, is no way to divide data into subgroups."""
FEW_GROUPS = 10
"""With so many the interval has about four fifths of the width it should have: the bootstrap leaves out a factor
sqrt(n / (n - 1)), and takes 1.96 where Student's quantile is 2.26."""
Columns = Mapping[str, Bands]


@dataclass(frozen=True, kw_only=True)
class Part:
    """The units of one subgroup. rows: their numbers."""

    column: str
    value: str
    rows: tuple[int, ...]


def subgroup_columns(dataset: DataSet, asked: Sequence[str] | None) -> dict[str, Bands]:
    """Column -> bands. asked: columns by name; None takes those that the data set declares, () none.

    Raises DataError for a column that is not there, that has a cell which is no number where there are bands, or more
    than MOST_VALUES values: before any frame is read.
    """
    names = tuple(dataset.subgroups) if asked is None else tuple(dict.fromkeys(asked))
    columns: dict[str, Bands] = {name: dataset.subgroups.get(name, ()) for name in names}
    for name, bands in columns.items():
        values = set(subgroup_values(dataset.samples, name, bands))
        if len(values) > MOST_VALUES:
            raise DataError(
                f"{dataset.name}: column {name!r} has {len(values)} values, expected at most {MOST_VALUES} subgroups; choose "
                "another column, or cut its numbers into bands (subgroups in dataset.json, docs/data.md)"
            )
    return columns


def parts(samples: Sequence[Sample], columns: Columns) -> tuple[Part, ...]:
    """Every sample is in one part of each column."""
    found = []
    for column, bands in columns.items():
        values = subgroup_values(samples, column, bands)
        for value in ordered_values(values, bands):
            rows = tuple(row for row, own in enumerate(values) if own == value)
            found.append(Part(column=column, value=value, rows=rows))
    return tuple(found)


def by_subgroup(outcomes: Outcomes, columns: Columns, *, metric: str, seed: int) -> dict[str, tuple[Subgroup, ...]]:
    """Graph -> its subgroups. outcomes: by frame, labelled. metric: of a classifier counts only the classes that the
    subgroup has. seed: of the resamples."""
    divided = [(part, outcomes.subset(part.rows)) for part in parts(outcomes.samples, columns)]
    return {
        graph: tuple(_subgroup(part, own, graph, metric, seed) for part, own in divided) for graph in outcomes.graphs
    }


def _subgroup(part: Part, own: Outcomes, graph: str, metric: str, seed: int) -> Subgroup:
    return Subgroup(
        column=part.column,
        value=part.value,
        frames=len(own.samples),
        groups=len(set(own.groups)),
        metric=score_interval(own, graph, metric, seed),
        drop_points=None if graph == own.reference else drop(own, graph, metric).interval(),
    )


def classifier_outcomes(tables: Mapping[str, Probabilities], dataset: DataSet, samples: Sequence[Sample]) -> Outcomes:
    """tables: graph -> (frame, class) probabilities of `samples`, columns as in dataset.classes; the reference first."""
    collected = Collector("classification", dataset, dataset.classes, tuple(tables))
    for row, sample in enumerate(samples):
        collected.add(sample, {graph: {"probabilities": table[row]} for graph, table in tables.items()})
    return collected.outcomes()


def subgroup_notes(samples: Sequence[Sample], classes: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """What a reader must know before trusting a subgroup. samples: those that were scored. classes: of a classifier, else
    none."""
    found = parts(samples, columns)
    notes = []
    if len(found) > 1:
        notes.append(
            f"{len(found)} subgroups were looked at: about 1 in {round(1 / (1 - LEVEL))} of such intervals misses by "
            "chance, and the worst of many looks worse than it is. What stands out is a question for new data, not a finding. "
            "An interval without width means that all groups were answered alike, not that nothing is left open."
        )
    few = [(part, len({samples[row].group for row in part.rows})) for part in found]
    told = [f"{part.column} {part.value} ({groups})" for part, groups in few if groups < FEW_GROUPS]
    if told:
        notes.append(
            f"Too few groups to tell (below {FEW_GROUPS}; their intervals are too narrow, of a single one the whole range): "
            f"{', '.join(told)}."
        )
    partial = [f"{part.column} {part.value}" for part in found if _classes_of(samples, part) < len(classes)]
    if partial:
        notes.append(
            "Not every class occurs in these subgroups; their scores count the classes they have, so they do not compare "
            f"with the whole: {', '.join(partial)}."
        )
    return tuple(notes)


def _classes_of(samples: Sequence[Sample], part: Part) -> int:
    return len({samples[row].target for row in part.rows})
