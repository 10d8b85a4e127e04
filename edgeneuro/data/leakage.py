"""Guards against test frames that the model, or its quantisation ranges, have already seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split
from edgeneuro.errors import DataError
from edgeneuro.spec import Item


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What is left of a data set for evaluation.

    dataset: only samples whose group (leaky: frame) was in no part that made the model. left_out, out_of: frames.
    """

    dataset: DataSet
    left_out: int
    out_of: int
    left_out_groups: int

    @property
    def summary(self) -> str:
        """One line for people, e.g. "171 frames evaluated; 767 of 938 left out (48 groups seen in training, ...)"."""
        return (
            f"{len(self.dataset)} frames evaluated; {self.left_out} of {self.out_of} left out "
            f"({self.left_out_groups} groups seen in training, validation or calibration)"
        )


def unseen(dataset: DataSet, split: Split) -> Unseen:
    """The part of `dataset` that `split` does not list as used. Raises DataError when nothing is left."""
    kept = split.unseen(dataset.samples)
    if not kept:
        raise DataError(
            f"{dataset.name}: all {len(dataset)} frames were used in training, validation or calibration; "
            "evaluate on other recordings"
        )
    seen = {sample.group for sample in dataset.samples} - {sample.group for sample in kept}
    return Unseen(
        dataset=dataset.subset(kept),
        left_out=len(dataset) - len(kept),
        out_of=len(dataset),
        left_out_groups=len(seen),
    )


def leak_statement(dataset: DataSet, split: Split) -> str | None:
    """For the leaky protocol, how many groups stand on both sides of the split; None for the grouped protocol."""
    if split.protocol == "grouped":
        return None
    tested = {sample.group for sample in split.part(dataset.samples, "test")}
    trained = {sample.group for sample in split.part(dataset.samples, "training")}
    return (
        f"leaky protocol: {len(tested & trained)} of {len(tested)} groups in the test part also have frames in "
        "training; not an estimate of performance on new patients"
    )


def frame_hash(frame: Item) -> str:
    """SHA-256 over shape, element type and pixels, so a copy is found under any name and in any lossless format. Of
    several arrays, over each in order of name."""
    if isinstance(frame, Mapping):
        return hashlib.sha256(
            "".join(f"{name} {frame_hash(frame[name])}" for name in sorted(frame)).encode()
        ).hexdigest()
    digest = hashlib.sha256(f"{frame.shape} {frame.dtype}".encode())
    digest.update(np.ascontiguousarray(frame).tobytes())
    return digest.hexdigest()


def _content(dataset: DataSet, sample: Sample) -> Item:
    """Arrays by name where the sample is a .npz, else its pixels."""
    return dataset.item(sample) if sample.source.lower().endswith(".npz") else dataset.read(sample)


def content_hashes(dataset: DataSet, samples: Iterable[Sample]) -> dict[str, Sample]:
    """Content hash -> the first of `samples` that has it. Raises FrameError for one that cannot be read."""
    found: dict[str, Sample] = {}
    for sample in samples:
        found.setdefault(frame_hash(_content(dataset, sample)), sample)
    return found


def refuse_test_frames(calibration: DataSet, tested: DataSet) -> None:
    """Raise DataError when a frame of `calibration` has the same content as one of `tested`.

    For unlabelled calibration folders, whose groups are not known; labelled ones are compared by group.
    """
    test = content_hashes(tested, tested.samples)
    collisions = [
        (sample, test[digest])
        for sample, digest in ((sample, frame_hash(_content(calibration, sample))) for sample in calibration.samples)
        if digest in test
    ]
    if collisions:
        shown = ", ".join(f"{mine.source} = {theirs.source}" for mine, theirs in collisions[:3])
        raise DataError(
            f"{calibration.name}: {len(collisions)} of {len(calibration)} calibration frames are test frames of "
            f"{tested.name} ({shown}{', ...' if len(collisions) > 3 else ''}); remove them from the folder"
        )
