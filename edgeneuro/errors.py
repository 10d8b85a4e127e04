"""The errors edgeneuro raises on purpose.

    EdgeNeuroError
    ├── InputError            exit 1: unreadable or refused input
    │   ├── DataError         a data set, its table or its split
    │   ├── FrameError        one image or array
    │   ├── ShapeError        a tensor of the wrong shape or type
    │   ├── CheckpointError   a checkpoint folder
    │   ├── ModelFileError    an ONNX file
    │   ├── BundleError       an .edge file that cannot be read
    │   ├── BackendError      an execution library that is missing or refuses a graph
    │   ├── SensorError       a sensor that does not answer, or too coarsely
    │   └── OutputError       an output that exists, or cannot be written
    ├── UsageError            exit 2: options that contradict each other
    └── PromiseError          exit 3: readable, but a promise fails
        ├── IntegrityError    a hash or the canonical form of a bundle
        ├── SignatureError    a bundle whose signer is not trusted here, or a signature or trusted key in doubt
        ├── SelfTestError     golden outputs not reproduced
        ├── ComparisonError   an executable beyond tolerance of its reference
        ├── GateError         accuracy outside the margin that was asked for, or not known to be inside
        └── RegressionError   a benchmark that is worse than its baseline

Every message says which thing, what came, what was expected and what to try.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EdgeNeuroError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(EdgeNeuroError):
    """Input that cannot be read, or is refused."""


class DataError(InputError):
    """A data set, its table or its split."""


class FrameError(InputError):
    """One image or array that cannot be used as a frame."""


class ShapeError(InputError):
    """A tensor of the wrong shape or element type."""


class CheckpointError(InputError):
    """A checkpoint folder that is incomplete or belongs to another model."""


class ModelFileError(InputError):
    """An ONNX file that cannot be read, converted or run."""


class BundleError(InputError):
    """An .edge file that cannot be read."""


class BackendError(InputError):
    """An execution library that is missing, or refuses a graph."""


class SensorError(InputError):
    """A sensor that does not answer, or too coarsely for what is measured."""


class OutputError(InputError):
    """An output that already exists, or cannot be written."""


class UsageError(EdgeNeuroError):
    """Options that contradict each other."""

    exit_code = 2


class PromiseError(EdgeNeuroError):
    """Readable input that does not keep a promise."""

    exit_code = 3

    def __init__(self, message: str, record: Mapping[str, Any] | None = None) -> None:
        """record: what was found, as JSON values, for programs; empty where the message says it all."""
        super().__init__(message)
        self.record = dict(record or {})


class IntegrityError(PromiseError):
    """A bundle whose bytes differ from what its manifest promises."""


class SignatureError(PromiseError):
    """A bundle whose signer is not trusted here, or a signature or a trusted key that is in doubt."""


class SelfTestError(PromiseError):
    """A bundle that does not reproduce its golden outputs here."""


class GateError(PromiseError):
    """An engine outside the margin of accuracy that was asked for, or not known to be inside. record: edgeneuro.manifest.Gate."""


class ComparisonError(PromiseError):
    """An executable beyond tolerance of its reference. record: edgeneuro.benchmarks.compare.records.Comparison."""


class RegressionError(PromiseError):
    """A benchmark that is worse than its baseline. record: edgeneuro.benchmarks.measure.against.Regressions."""
