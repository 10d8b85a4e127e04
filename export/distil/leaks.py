"""Whether a teacher has learnt from frames that are to judge its student."""

from __future__ import annotations

from edgeneuro.data import DataSet, Sample, Split
from edgeneuro.errors import DataError
from edgeneuro.export.source import FloatModel


def refuse_seen(teacher: FloatModel, dataset: DataSet, split: Split) -> str | None:
    """What cannot be known of the teacher, in words; None where its split shows that all is well.

    split: of the student, over `dataset`. What the teacher learnt from its test groups it would pass on, and so it would
    from validation groups, by which the student's epoch is chosen; an epoch of its own may be chosen by the same
    validation groups. Raises DataError where it has seen such frames.
    """
    if teacher.split is None or teacher.trained_on is None:
        return (
            f"teacher {teacher.name}: does not say what it has learnt from; where it has seen frames of the test part, "
            "the student's scores are too high"
        )
    test, validation = (split.part(dataset.samples, part) for part in ("test", "validation"))
    seen = {
        "test": (len(test) - len(teacher.split.unseen(test)), len(test)),
        "validation": (len(_learnt(teacher.split, validation)), len(validation)),
    }
    part, (frames, total) = next(((part, found) for part, found in seen.items() if found[0]), ("", (0, 0)))
    if not frames:
        return None
    if teacher.trained_on.name != dataset.name:
        return (
            f"teacher {teacher.name}: was trained on {teacher.trained_on.name!r}, with groups called like those of "
            f"{frames} of the {total} frames of the {part} part; where they are the same, the student's scores are too high"
        )
    raise DataError(
        f"teacher {teacher.name}: has seen {frames} of the {total} frames of the student's {part} part; teacher and "
        f"student need the same split: the teacher's is of fold {teacher.split.fold} and seed {teacher.split.seed}"
    )


def _learnt(split: Split, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Those that weights or ranges were made with."""
    used = {*split.training, *split.calibration}
    return tuple(sample for sample in samples if split.hash_of(sample) in used)
