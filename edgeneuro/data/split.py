"""Which groups a model has seen, kept as salted hashes so that no patient's name leaves the house."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edgeneuro.data.sample import Sample

Part = Literal["training", "validation", "calibration", "test"]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Salted hashes of what each part of the data holds; written to split.json and the manifest.

    protocol: "grouped" keeps every group on one side and hashes groups; "leaky" splits frames at random,
    as some papers did, and hashes frames. calibration is a subset of training, filled in by build-engine.
    """

    protocol: Literal["grouped", "leaky"]
    fold: int
    seed: int
    salt: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    calibration: tuple[str, ...] = ()

    def hash_of(self, sample: Sample) -> str:
        """The salted hash under which `sample`'s group (leaky: the frame itself) is recorded."""
        return salted_hash(self.salt, split_unit(sample, self.protocol))

    def part(self, samples: Iterable[Sample], part: Part) -> tuple[Sample, ...]:
        """Those of `samples` that belong to `part`, in order."""
        hashes = set(getattr(self, part))
        return tuple(sample for sample in samples if self.hash_of(sample) in hashes)

    def unseen(self, samples: Iterable[Sample]) -> tuple[Sample, ...]:
        """Those of `samples` not used for training, validation or calibration, in order."""
        seen = {*self.training, *self.validation, *self.calibration}
        return tuple(sample for sample in samples if self.hash_of(sample) not in seen)


def split_unit(sample: Sample, protocol: Literal["grouped", "leaky"]) -> str:
    """What must not be divided: the group, or under the leaky protocol the single frame."""
    return sample.group if protocol == "grouped" else f"{sample.source}#{sample.index}"


def salted_hash(salt: str, unit: str) -> str:
    """First 16 hex digits of SHA-256(salt, unit): enough for millions of groups without a collision.

    unit: may be a file name that is not UTF-8, as Python decodes it.
    """
    return hashlib.sha256(f"{salt}\0{unit}".encode(errors="surrogateescape")).hexdigest()[:16]
